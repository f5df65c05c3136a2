"""From a bundle to a version in the registry, and through the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts
from recsys_cl.evaluation.facts import GateFacts, TrainingFacts
from recsys_cl.evaluation.protocol import evaluate, examine
from recsys_cl.evaluation.report import read_report, write_report
from recsys_cl.files import read_json, storage_trouble, whole_folder, write_json
from recsys_cl.registry import gate
from recsys_cl.registry.gate import Challenger, Verdict, judge
from recsys_cl.registry.reach import store_exists
from recsys_cl.registry.record import Record
from recsys_cl.registry.store import Store
from recsys_cl.retrieval.bundle import read_per_user
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.stages.diagnose import everyone, look_into
from recsys_cl.stages.index import Bundled
from recsys_cl.stages.job import Job


def register(job: Job, bundled: Bundled, seconds: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Register the bundle as a version; make it champion if the gate agrees, else challenger, and say why.

    A bundle that is champion already stays so, with the verdict that made it champion.

    Args:
        job: place, name, settings.
        bundled: the bundle.
        seconds: wall time of the stages so far, for the report.

    Returns:
        ``registry`` with name, version, promoted, reason, champion and the gate's checks; ``report``, the final page.
    """
    store = Store(job.tracking_uri, job.workspace.artifacts)
    retriever = Retriever.load(bundled.folder)
    if not store_exists(job.tracking_uri):
        job.reporter.say("Laying out the MLflow store, once; this takes some seconds.")
    champion, known = store.champion(job.name), store.version_of(job.name, retriever.digest)
    crowned = known is not None and known == champion
    verdict = _recorded(bundled) if crowned else None
    if verdict is None:
        verdict = _verdict(job, bundled, retriever, store, champion)
        verdict = verdict if known is None else _with_what_people_did(job, store, verdict, known, crowned=crowned)
    report = _write_report(bundled, verdict, seconds or {})
    if not crowned:
        write_json(_record_of(bundled), verdict.describe())
        with storage_trouble(job.workspace.mlflow):
            known = store.register(bundled.folder, job.name, _told_to_store(job, bundled, report))
        settle = store.promote if verdict.promoted else store.decline
        settle(job.name, known, verdict.reason)
    registry = {
        "name": job.name,
        "version": known,
        "promoted": verdict.promoted,
        "reason": verdict.reason,
        "champion": known if verdict.promoted else champion,
        "gate": verdict.describe(),
    }
    return {"registry": registry, "report": str(report / "report.html")}


def _with_what_people_did(job: Job, store: Store, verdict: Verdict, version: int, *, crowned: bool) -> Verdict:
    """Return the verdict on a version that is there already, giving way to what a person decided about it."""
    if crowned:
        reason = f"This very bundle is version {version}, the champion already."
        return replace(verdict, promoted=True, reason=reason)
    if version in store.rolled_back(job.name):
        reason = f"Version {version} was rolled back from; only `recsys-cl promote {version}` makes it champion again."
        return replace(verdict, promoted=False, reason=reason)
    return verdict


def _record_of(bundled: Bundled) -> Path:
    """Return the file that keeps the verdict on a bundle; it stands beside the bundle, which is sealed."""
    return bundled.folder.with_name(f"{bundled.folder.name}-verdict.json")


def _recorded(bundled: Bundled) -> Verdict | None:
    """Return the verdict that made a bundle champion; None where the gate did not, but a person."""
    path = _record_of(bundled)
    if not path.exists():
        return None
    facts = read_json(path)
    if not facts["promoted"]:
        return None
    checks = tuple(gate.Check(**check) for check in facts["checks"])
    comparison = None if facts["comparison"] is None else gate.Comparison(**facts["comparison"])
    return Verdict(facts["promoted"], facts["reason"], checks, comparison)


def _write_report(bundled: Bundled, verdict: Verdict, seconds: Mapping[str, float]) -> Path:
    """Write the final report, unless it stands there with this verdict; return its folder."""
    folder = bundled.evaluated.trained.folder / "report"
    facts = GateFacts.model_validate({name: verdict.describe()[name] for name in ("promoted", "reason", "checks")})
    report = bundled.report().model_copy(update={"gate": facts})
    if folder.exists() and read_report(folder).model_copy(update={"seconds": {}}) == report:
        return folder
    with whole_folder(folder) as scratch:
        write_report(report.model_copy(update={"seconds": dict(seconds)}), scratch)
    return folder


def _told_to_store(job: Job, bundled: Bundled, report: Path) -> Record:
    told = bundled.report()
    return Record(
        job.config.model_dump(mode="json") | _fitted(told.training),
        bundled.evaluated.metrics()["model"],
        told.data.source,
        sorted(report.iterdir()),
    )


def _fitted(training: TrainingFacts | None) -> dict[str, Any]:
    """Return what was kept, and the validation figure of all that was fitted; settings tell only what was asked for."""
    if training is None:
        return {}
    kept = {"name": training.kept, "method": training.method, "dim": training.dim}
    return {"kept": kept, "tried": {fit.name: fit.validation for fit in training.tried}}


def _verdict(job: Job, bundled: Bundled, retriever: Retriever, store: Store, champion: int | None) -> Verdict:
    metrics = bundled.evaluated.metrics()
    challenger = Challenger(
        metrics=metrics["model"],
        per_user=bundled.evaluated.per_user(),
        popularity=metrics["baselines"].get("popularity"),
        vectors_finite=retriever.vectors_finite(),
        diagnostics=_diagnostics(job, bundled, retriever),
        index=bundled.index(),
    )
    rival = None if champion is None else _champion_per_user(job, bundled, store, champion)
    config = job.config
    return judge(challenger, rival, config.gate, samples=config.evaluate.bootstrap_samples, seed=config.seed)


def _diagnostics(job: Job, bundled: Bundled, retriever: Retriever) -> DiagnosticFacts:
    """Return how the bundle's space looks: as it was examined, or anew where other towers are to be registered."""
    report = bundled.report()
    if report.diagnostics is not None and report.registered_on == report.evaluated_on:
        return report.diagnostics
    return look_into(retriever, everyone(retriever), job.config.diagnose, seed=job.config.seed)


def _champion_per_user(job: Job, bundled: Bundled, store: Store, champion: int) -> pl.DataFrame:
    """Return the champion's figures on the challenger's examination.

    Those it was registered with, where it faced this very examination; that holds also for a champion refitted on all
    data, which must not be asked again what it has been shown. Otherwise it is examined now.
    """
    location = store.locate(f"models:/{job.name}/{champion}")
    prepared = bundled.evaluated.trained.prepared
    stored = read_per_user(location.folder)
    if stored is not None and stored.columns == (ours := bundled.evaluated.per_user()).columns:
        asked = ["user_id", "warm", "history_length", "n_relevant", "n_unknown"]
        if stored.select(asked).equals(ours.select(asked)):
            return stored
    retriever = Retriever.load(location)
    examination = examine(prepared.seen("train_and_validation"), prepared.part("test"), retriever.bundle.vocabulary)
    return evaluate(retriever, examination, job.config.evaluate, seed=job.config.seed, reporter=job.reporter).per_user
