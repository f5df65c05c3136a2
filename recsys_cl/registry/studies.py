"""What MLflow is told of a search for settings: a run for the study, and within it one for each trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from recsys_cl.registry.record import OfMlflow, flat

_STUDY, _TRIAL = "study", "trial"  # tags: the study's key, the trial's number
_PARENT = "mlflow.parentRunId"
_STATUS = {"complete": "FINISHED", "given up": "KILLED", "diverged": "FAILED"}


@dataclass(frozen=True)
class Tried:
    """Settings that were tried, and what validation gave.

    Attributes:
        number: from 1.
        state: whether the trial was complete, or given up, or could not be learned from.
        settings: what was searched, by name.
        figure: NDCG on validation, with the best epoch and prior; of a trial given up the highest of an epoch; None
            where there is none.
        recall: recall at 20 there; None but for a complete trial.
        best_epoch: from 1; 0 where there is none.
        prior: the best popularity prior, as `training.prior.PopularityPrior` takes it; empty but for a complete trial.
        curve: NDCG after each epoch.
        seconds: wall time.
        began: when.
        ended: when.
        note: what went wrong, if something did.
    """

    number: int
    state: Literal["complete", "given up", "diverged"]
    settings: Mapping[str, Any]
    figure: float | None
    recall: float | None
    best_epoch: int
    prior: Mapping[str, float | None]
    curve: tuple[float, ...]
    seconds: float
    began: datetime
    ended: datetime
    note: str = ""

    def describe(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        instants = {"began": self.began.isoformat(), "ended": self.ended.isoformat()}
        return asdict(self) | {"curve": list(self.curve)} | instants


@dataclass(frozen=True)
class StudyRecord:
    """What is told about a search.

    Attributes:
        name: of the log.
        key: digest of all that the search depends on.
        metric: by which trials are compared, such as `ndcg_at_20`.
        trials: those that ended.
        params: settings that all trials share; nested ones are flattened.
        best: the best trial, once the search ended; None before.
        reports: files to keep with the study.
    """

    name: str
    key: str
    metric: str
    trials: Sequence[Tried]
    params: Mapping[str, Any] = field(default_factory=dict)
    best: Tried | None = None
    reports: Sequence[Path] = ()


def record_study(mlflow: OfMlflow, client: OfMlflow, experiment: str, study: StudyRecord) -> str:
    """Tell MLflow what it does not know yet, with ``mlflow`` the library itself; return the id of the study's run."""
    parent = _one(client, experiment, f"tags.{_STUDY} = {study.key!r}")
    if parent is None:
        name = f"{study.name}-study-{study.key[:8]}"
        parent = client.create_run(experiment, tags={_STUDY: study.key}, run_name=name)
        _log(mlflow, client, parent.info.run_id, flat(study.params), {})
    run_id = str(parent.info.run_id)
    children = client.search_runs([experiment], f"tags.`{_PARENT}` = {run_id!r}", max_results=50_000)
    known = {child.data.tags[_TRIAL]: child for child in children}
    for trial in study.trials:
        child = known.get(str(trial.number))
        if child is None or child.info.status == "RUNNING":  # begun, and killed before it was complete
            _record_trial(mlflow, client, experiment, study, trial, run_id, child)
    if study.best is None:
        client.update_run(run_id, status="RUNNING")
    else:
        _close(mlflow, client, run_id, study, study.best)
    return run_id


def _record_trial(
    mlflow: OfMlflow,
    client: OfMlflow,
    experiment: str,
    study: StudyRecord,
    trial: Tried,
    parent: str,
    run: OfMlflow,
) -> None:
    if run is None:
        tags = {_PARENT: parent, _TRIAL: str(trial.number), "state": trial.state, "note": trial.note}
        began = _milliseconds(trial.began)
        run = client.create_run(experiment, began, tags=tags, run_name=f"trial-{trial.number:03d}")
    _log(mlflow, client, run.info.run_id, dict(trial.settings), _figures(study.metric, trial))
    stamp, metric = _milliseconds(trial.ended), mlflow.entities.Metric
    curve = [metric(f"epoch_{study.metric}", figure, stamp, step) for step, figure in enumerate(trial.curve, 1)]
    client.log_batch(run.info.run_id, metrics=curve)
    client.set_terminated(run.info.run_id, _STATUS[trial.state], stamp)


def _close(mlflow: OfMlflow, client: OfMlflow, run_id: str, study: StudyRecord, best: Tried) -> None:
    found = {f"best.{name}": str(value) for name, value in best.settings.items()}
    client.log_batch(run_id, tags=[mlflow.entities.RunTag(name, value) for name, value in found.items()])
    _log(mlflow, client, run_id, flat(study.params), _figures(study.metric, best) | {"trials": len(study.trials)})
    for path in study.reports:
        client.log_artifact(run_id, str(path), "study")
    client.set_terminated(run_id)


def _figures(metric: str, trial: Tried) -> dict[str, float]:
    figures = {f"validation_{metric}": trial.figure, "validation_recall_at_20": trial.recall}
    figures |= {"best_epoch": float(trial.best_epoch), "seconds": trial.seconds}
    return {name: value for name, value in figures.items() if value is not None}


def _log(
    mlflow: OfMlflow, client: OfMlflow, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float]
) -> None:
    told = [mlflow.entities.Param(name, str(value)) for name, value in params.items()]
    measured = [mlflow.entities.Metric(name, value, 0, 0) for name, value in metrics.items()]
    for start in range(0, len(told), 100):  # the most that MLflow takes at a time
        client.log_batch(run_id, params=told[start : start + 100])
    client.log_batch(run_id, metrics=measured)


def _one(client: OfMlflow, experiment: str, search: str) -> OfMlflow:
    return next(iter(client.search_runs([experiment], search, max_results=1)), None)


def _milliseconds(instant: datetime) -> int:
    return round(1000 * instant.timestamp())
