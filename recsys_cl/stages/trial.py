"""One trial: settings fitted on the training part, told after each epoch how they do on the validation part."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from recsys_cl.config import RunConfig
from recsys_cl.errors import ConfigError, InputError, TrainingError
from recsys_cl.evaluation.protocol import mean_of_vectors
from recsys_cl.files import digest_of, read_json
from recsys_cl.progress import Murmur
from recsys_cl.registry.studies import Tried
from recsys_cl.stages.choice import Recipe
from recsys_cl.stages.fit import Fitter
from recsys_cl.stages.job import Job
from recsys_cl.stages.judge import Judge
from recsys_cl.stages.pairs import Prepared
from recsys_cl.stages.study import SECONDS, finished
from recsys_cl.towers.two_tower import TwoTower

_FACTS = "facts"  # attribute of a trial that is complete
_NOTE = "note"  # attribute of a trial that diverged: what happened
_K = 20  # of recall


class _GivenUp(Exception):  # noqa: N818 - it is none
    """The pruner saw enough."""


@dataclass(frozen=True)
class Attempt:
    """What it takes to carry out a trial.

    Attributes:
        job: settings of the search.
        prepared: the log.
        folder: of the study.
        label: what the trial is called while it runs.
    """

    job: Job
    prepared: Prepared
    folder: Path
    label: str

    def carry_out(self, study: optuna.Study, trial: optuna.Trial, config: RunConfig) -> None:
        """Fit the settings of ``config``, and tell the study what came of it.

        What a killed attempt left in the folder is gone on from; nothing is left there afterwards.
        """
        name = digest_of([config.train.model_dump(mode="json"), config.spectral.model_dump(mode="json")])[:16]
        place = self.folder / "trial" / name
        for other in place.parent.glob("*"):
            if not other.name.startswith(name):
                shutil.rmtree(other)
        watch = _Watch(trial)
        try:
            facts = self._fitted(config, place, watch)
        except _GivenUp:
            study.tell(trial, state=TrialState.PRUNED)
        except (TrainingError, ConfigError) as error:
            if isinstance(error, ConfigError) and not finished(study):
                raise  # the very settings that were given
            trial.set_user_attr(_NOTE, str(error))
            study.tell(trial, state=TrialState.PRUNED)
        else:
            watch.keep_time()
            trial.set_user_attr(_FACTS, facts)
            study.tell(trial, facts["figure"])
        shutil.rmtree(place.parent, ignore_errors=True)

    def _fitted(self, config: RunConfig, place: Path, watch: _Watch) -> dict[str, Any]:
        job = replace(self.job, config=config, reporter=Murmur(self.job.reporter, self.label))
        fitter = Fitter(job, self.prepared, "train")
        fitter.fit(Recipe(config.train, config.spectral), place, watch=watch)
        facts = read_json(place / "training.json")
        return {
            "figure": facts["prior"]["validation"],
            "recall": _recall(fitter, TwoTower.load(place), config.seed),
            "best_epoch": facts["best_epoch"],
            "prior": facts["prior"],
        }


def told(trial: FrozenTrial, number: int, settings: Mapping[str, Any]) -> Tried:
    """Return what is to be known of a trial that ended, the ``number``-th."""
    curve = tuple(figure for _, figure in sorted(trial.intermediate_values.items()))
    facts = trial.user_attrs.get(_FACTS, {})
    figure = facts.get("figure", max(curve, default=None))
    note = trial.user_attrs.get(_NOTE, "")
    return Tried(
        number=number,
        state="complete" if facts else "diverged" if note else "given up",
        settings=dict(settings),
        figure=figure,
        recall=facts.get("recall"),
        best_epoch=facts.get("best_epoch") or (1 + curve.index(max(curve)) if curve else 0),
        prior=facts["prior"] if facts else {},
        curve=curve,
        seconds=round(trial.user_attrs.get(SECONDS, 0.0), 3),
        began=_utc(trial.datetime_start),
        ended=_utc(trial.datetime_complete),
        note=note,
    )


def metric_of(job: Job, prepared: Prepared) -> str:
    """Return by what trials are compared, such as `ndcg_at_20`.

    Raises:
        InputError: nobody in the validation part can be asked.
    """
    validation = Fitter(job, prepared, "train").validation
    if validation is None:
        raise InputError(
            f"Nobody in the validation part of {job.name!r} can be asked, so settings cannot be compared. Use a longer "
            "time range, or a larger --validation-share."
        )
    return f"ndcg_at_{Judge.of_fits(validation, job.config.seed).k}"


class _Watch:
    """Tells a trial of each epoch, and ends it where the pruner saw enough."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self._known = set(trial.study.trials[trial.number].intermediate_values)
        self._before = float(trial.user_attrs.get(SECONDS, 0.0))
        self._began = time.monotonic()

    def __call__(self, record: Mapping[str, Any]) -> None:
        """Take in what an epoch gave."""
        if record["epoch"] not in self._known:  # as it is where a killed trial is gone on from
            self._trial.report(record["validation"], record["epoch"])
        self.keep_time()
        if self._trial.should_prune():
            raise _GivenUp

    def keep_time(self) -> None:
        """Remember how long the trial took so far, with what was spent before it was killed."""
        self._trial.set_user_attr(SECONDS, self._before + time.monotonic() - self._began)


def _recall(fitter: Fitter, towers: TwoTower, seed: int) -> float:
    """Return recall at 20 of those whom validation asks."""
    validation = fitter.validation
    if validation is None:
        return 0.0
    users = Judge.of_fits(validation, seed).users
    return mean_of_vectors(towers.query_vectors(users.queries), towers.item_vectors(), users, _K)


def _utc(local: datetime | None) -> datetime:
    """Return in UTC an instant that Optuna, which has no time zones, took from the clock on the wall."""
    if local is None:
        raise ValueError("Only trials that ended can be told of.")
    return local.astimezone(UTC)
