"""From a bundle to a version in the registry, and through the gate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from recsys_cl.evaluation.facts import Check, GateFacts
from recsys_cl.evaluation.protocol import evaluate, examine
from recsys_cl.evaluation.report import write_report
from recsys_cl.registry.gate import Challenger, Verdict, judge
from recsys_cl.registry.store import Record, Store
from recsys_cl.retrieval.bundle import read_per_user
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.stages.index import Bundled
from recsys_cl.stages.job import Job


def register(job: Job, bundled: Bundled, seconds: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Register the bundle as a version; make it champion if the gate agrees, else challenger, and say why.

    A bundle that is champion already stays so.

    Args:
        job: place, name, settings.
        bundled: the bundle.
        seconds: wall time of the stages so far, for the report.

    Returns:
        ``registry`` with name, version, promoted, reason, champion and the gate's checks; ``report``, the final page.
    """
    store = Store(job.tracking_uri, job.workspace.artifacts)
    champion = store.champion(job.name)
    verdict = _verdict(job, bundled, store, champion)
    report_folder = bundled.evaluated.trained.folder / "report"
    gate = GateFacts(
        promoted=verdict.promoted,
        reason=verdict.reason,
        checks=tuple(Check(name=one.name, passed=one.passed, detail=one.detail) for one in verdict.checks),
    )
    report = bundled.report().model_copy(update={"gate": gate, "seconds": dict(seconds or {})})
    write_report(report, report_folder)
    metrics = bundled.evaluated.metrics()["model"]
    source = report.data.source
    reports = sorted(report_folder.iterdir())
    version = store.register(
        bundled.folder, job.name, Record(job.config.model_dump(mode="json"), metrics, source, reports)
    )
    if version == champion:
        reason = f"This very bundle is version {version}, the champion already."
        return _told(job, version, champion, verdict, promoted=True, reason=reason, report=report_folder)
    settle = store.promote if verdict.promoted else store.decline
    settle(job.name, version, verdict.reason)
    holder = version if verdict.promoted else champion
    promoted, reason = verdict.promoted, verdict.reason
    return _told(job, version, holder, verdict, promoted=promoted, reason=reason, report=report_folder)


def _told(
    job: Job, version: int, champion: int | None, verdict: Verdict, *, promoted: bool, reason: str, report: Path
) -> dict[str, Any]:
    registry = {"name": job.name, "version": version, "promoted": promoted, "reason": reason, "champion": champion}
    return {"registry": registry | {"gate": verdict.describe()}, "report": str(report / "report.html")}


def _verdict(job: Job, bundled: Bundled, store: Store, champion: int | None) -> Verdict:
    metrics = bundled.evaluated.metrics()
    popularity = metrics["baselines"].get("popularity")
    challenger = Challenger(
        metrics=metrics["model"],
        per_user=bundled.evaluated.per_user(),
        popularity=popularity,
        vectors_finite=Retriever.load(bundled.folder).vectors_finite(),
        index=bundled.index(),
    )
    rival = None if champion is None else _champion_per_user(job, bundled, store, champion)
    config = job.config
    return judge(challenger, rival, config.gate, samples=config.evaluate.bootstrap_samples, seed=config.seed)


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
