"""From trained towers to an honest comparison with the baselines, and the report of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from recsys_cl import __version__
from recsys_cl.config import IndexConfig
from recsys_cl.errors import InputError
from recsys_cl.evaluation.comparison import Comparison, differences, evaluate_all, examined
from recsys_cl.evaluation.facts import DataFacts, EvaluationReport, RowFacts, SplitFacts, TrainingFacts
from recsys_cl.evaluation.protocol import Examination, examine
from recsys_cl.evaluation.report import read_report, write_report
from recsys_cl.files import read_json, whole_folder, write_json
from recsys_cl.interactions.sample import DESCRIPTION
from recsys_cl.pairs.histories import histories_of
from recsys_cl.retrieval.manifest import Manifest
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.stages.assemble import assemble
from recsys_cl.stages.candidates import locate_bundle
from recsys_cl.stages.diagnose import examined_space
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import Prepared, prepare
from recsys_cl.stages.train import TrainedRun, open_trained

MODEL = "two_tower"
EXACT = IndexConfig(index_kind="exact")


@dataclass(frozen=True)
class Evaluated:
    """A folder with one evaluation: `report.json`, `.md` and `.html`, `metrics.json`, `per_user.parquet`.

    Attributes:
        folder: where it is, within the run's.
        trained: the run whose towers were examined.
        key: digest (64 hex digits) of the run and the evaluation's settings.
    """

    folder: Path
    trained: TrainedRun
    key: str

    def report(self) -> EvaluationReport:
        """Return the report."""
        return read_report(self.folder)

    def metrics(self) -> dict[str, Any]:
        """Return the figures of ``model`` and of each of ``baselines``."""
        metrics: dict[str, Any] = read_json(self.folder / "metrics.json")["metrics"]
        return metrics

    def per_user(self) -> pl.DataFrame:
        """Return the model's figures for each test user (`Evaluation.per_user`)."""
        return pl.read_parquet(self.folder / "per_user.parquet")

    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know, JSON-ready."""
        return _described(self.folder, self.metrics())


def evaluate(job: Job, trained: TrainedRun) -> Evaluated:
    """Examine the towers fitted on train and validation, and the baselines, on the test part.

    Raises:
        InputError: no test user is known from training and did something new.
    """
    key = job.key(trained.key, job.config.evaluate, job.config.diagnose)
    folder = trained.folder / f"evaluation-{key[:16]}"
    if not folder.exists():
        prepared, towers = trained.prepared, trained.towers("train_and_validation")
        model = Retriever(assemble(job, prepared, towers, "train_and_validation", EXACT), MODEL)
        examination = _examination(prepared, model)
        if not len(examination.asked):
            raise InputError(
                f"None of the {len(examination):,} test users of {job.name!r} is known from training and did something "
                "new, so nothing can be judged. Give a log in which people come back, or use --split last."
            )
        comparison = _compare(job, prepared, model, examination)
        report = _report(job, prepared, comparison, examination).model_copy(
            update={
                "diagnostics": examined_space(job, model, examination),
                "evaluated_on": "train_and_validation",
                "registered_on": trained.registered,
                "training": TrainingFacts.model_validate(
                    {
                        **trained.training("train"),
                        "told": trained.choice().told,
                    }
                ),
            }
        )
        _write(folder, key, report, comparison)
    return Evaluated(folder, trained, key)


def open_evaluated(folder: Path) -> Evaluated:
    """Open what `evaluate` wrote."""
    return Evaluated(folder, open_trained(folder.parent), read_json(folder / "metrics.json")["key"])


def evaluate_bundle(job: Job, source: Source, location: str) -> dict[str, Any]:
    """Examine any bundle, beside the baselines, on the test part of any log.

    The bundle is asked with the histories that the log has before the test; baselines learn from that part of the log,
    over the bundle's catalogue.

    Args:
        job: place, name, settings.
        source: the log; none for the latest snapshot of the job's name.
        location: the bundle's path or address; addresses are looked up in the job's own store.

    Raises:
        InputError: the log has no test user whom the bundle knows and who did something new, or the bundle was fitted
            on all of it.
    """
    found = locate_bundle(job, location)
    manifest, model = Manifest.verify(found.folder), replace(Retriever.load(found), name=MODEL)
    snapshot = ingest(job, source)
    if manifest.fitted_on == "all" and manifest.data_digest == snapshot.digest:
        raise InputError(
            f"The bundle {location} was fitted on all of this log, the test part included, so no figure from it would "
            "be honest. Evaluate it on a later log, or evaluate the run that made it."
        )
    prepared = prepare(job, snapshot)
    examination = _examination(prepared, model)
    if not len(examination.asked):
        raise InputError(
            f"Of the {len(examination):,} test users of {job.name!r} the bundle {location} knows none who did anything "
            "new. Give the log it was trained on, or a later one of the same people."
        )
    key = job.key(f"{model.digest} {prepared.facts['key']}", job.config.evaluate, job.config.diagnose)
    folder = job.workspace.run(job.name, key) / "evaluation"
    if not folder.exists():
        comparison = _compare(job, prepared, model, examination)
        report = _report(job, prepared, comparison, examination)
        _write(
            folder,
            key,
            report.model_copy(update={"diagnostics": examined_space(job, model, examination)}),
            comparison,
        )
    metrics = read_json(folder / "metrics.json")["metrics"]
    return {"name": job.name, **snapshot.describe(), **_described(folder, metrics)}


def _described(folder: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    facts = read_report(folder).examined.model_dump()
    examined = {name: facts[name] for name in ("users", "headline", "recall_ceiling")}
    return {"examined": examined, "metrics": metrics, "report": str(folder / "report.html")}


def _examination(prepared: Prepared, model: Retriever) -> Examination:
    return examine(prepared.seen("train_and_validation"), prepared.part("test"), model.bundle.vocabulary)


def _compare(job: Job, prepared: Prepared, model: Retriever, examination: Examination) -> Comparison:
    histories = histories_of(prepared.seen("train_and_validation"), model.bundle.vocabulary)
    return evaluate_all(model, histories, examination, job.config.evaluate, seed=job.config.seed, reporter=job.reporter)


def _report(job: Job, prepared: Prepared, comparison: Comparison, examination: Examination) -> EvaluationReport:
    config, seed = job.config.evaluate, job.config.seed
    facts = prepared.facts
    return EvaluationReport(
        name=job.name,
        created=job.now,
        package_version=__version__,
        evaluated_on=None,
        confidence=config.confidence,
        seed=seed,
        data=_data(prepared),
        split=SplitFacts(kind=facts["split"], cutoffs=facts["cutoffs"], rows=facts["rows"]),
        examined=examined(examination),
        marks=comparison.marks(),
        skipped=comparison.skipped,
        differences=differences(comparison, config, seed=seed),
    )


def _data(prepared: Prepared) -> DataFacts:
    snapshot = prepared.snapshot
    manifest, counts = snapshot.manifest, snapshot.counts
    since, until = manifest["time_range"] or (None, None)
    return DataFacts(
        source=manifest["source"],
        synthetic=manifest["source"] == DESCRIPTION,
        digest=snapshot.digest,
        users=manifest["users"],
        items=manifest["items"],
        interactions=counts.kept,
        since=since,
        until=until,
        rows=RowFacts(
            read=counts.read,
            kept=counts.kept,
            filtered=counts.filtered,
            quarantined=counts.quarantined,
            reasons=counts.reasons["quarantined"],
        ),
    )


def _write(folder: Path, key: str, report: EvaluationReport, comparison: Comparison) -> None:
    with whole_folder(folder) as scratch:
        write_report(report, scratch)
        write_json(scratch / "metrics.json", {"key": key, "metrics": comparison.metrics()})
        if comparison.model is not None:
            comparison.model.per_user.write_parquet(scratch / "per_user.parquet")
