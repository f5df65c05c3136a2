"""The trials of one search, kept in an SQLite file by Optuna, so that a search which was killed goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from recsys_cl.config import TuneConfig, seconds_of
from recsys_cl.stages.search_space import Dimension, Value

FILE = "study.db"
SECONDS = "seconds"  # attribute of a trial: wall time spent on it
_NAME = "study"
_UNPRUNED = 2  # trials that are complete before one is given up
_DRAWN = 8  # trials, the given settings among them, before others are drawn near what was good
_TOP = 0.25  # share of trials whose settings are compared with all, for importance
_FEWEST = 8  # complete trials by which importance can be told


def lay_out(folder: Path, space: Sequence[Dimension]) -> None:
    """Make an empty study in an existing folder; its first trial will be of the settings that are given."""
    with _storage(folder) as storage:
        study = optuna.create_study(storage=storage, study_name=_NAME, direction="maximize")
        study.enqueue_trial({one.name: one.start for one in space})


@contextmanager
def opened(folder: Path, space: Sequence[Dimension], config: TuneConfig, epochs: int) -> Iterator[optuna.Study]:
    """Open the study that `lay_out` made; trials that were running when it was killed are put back in the queue.

    Only one process may work in the folder.

    Args:
        folder: of the study.
        space: what it searches.
        config: which trials are given up.
        epochs: most that a trial takes.
    """
    with _storage(folder) as storage:
        study = optuna.load_study(study_name=_NAME, storage=storage, pruner=_pruner(config, epochs))
        _revive(study, space)
        yield study


def next_trial(study: optuna.Study, space: Sequence[Dimension], seed: int) -> tuple[optuna.Trial, dict[str, Value]]:
    """Return the trial that comes next, with what it tries by name of dimension.

    The sampler is seeded anew for each, so that a search which was killed tries what one left in peace would have.
    """
    count = len(finished(study))
    stream = int(np.random.SeedSequence([seed, count]).generate_state(1)[0])
    study.sampler = TPESampler(seed=stream, n_startup_trials=_DRAWN)
    trial = study.ask({one.name: _distribution(one) for one in space})
    return trial, {one.name: one.readable(trial.params[one.name]) for one in space}


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that ended, complete or given up, in the order in which they were begun."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def within_budget(trials: Sequence[FrozenTrial], config: TuneConfig) -> tuple[list[FrozenTrial], bool]:
    """Return as many of the first trials as the budget has room for, and whether it has none for another."""
    limit = math.inf if config.tuning_time is None else seconds_of(config.tuning_time)
    kept: list[FrozenTrial] = []
    spent = 0.0
    for trial in trials:
        if len(kept) == config.trials or (kept and spent >= limit):
            break
        kept.append(trial)
        spent += trial.user_attrs.get(SECONDS, 0.0)
    return kept, len(kept) == config.trials or (bool(kept) and spent >= limit)


def importances(study: optuna.Study) -> dict[str, float]:
    """Return how much each setting tells the best quarter of the complete trials from all, adding up to one.

    It is PED-ANOVA (Watanabe et al., IJCAI 2023). Empty where too few trials are complete to tell, or none differs.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _FEWEST:
        return {}
    found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=_TOP))
    return {name: float(share) for name, share in found.items()} if sum(found.values()) > 0 else {}


def _pruner(config: TuneConfig, epochs: int) -> BasePruner:
    if config.pruner == "median":
        return MedianPruner(n_startup_trials=_UNPRUNED, n_warmup_steps=config.prune_after)
    if config.pruner == "hyperband":
        return HyperbandPruner(min_resource=max(1, min(config.prune_after, epochs)), max_resource=epochs)
    return NopPruner()


def _revive(study: optuna.Study, space: Sequence[Dimension]) -> None:
    """Mark trials that nobody works on any more as failed, and queue what they tried, with all that is known of it."""
    names = {one.name for one in space}
    for dead in study.get_trials(states=(TrialState.RUNNING,)):
        queued = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if dead.params.keys() == names and not queued:
            again = optuna.create_trial(
                state=TrialState.WAITING,
                params=dead.params,
                distributions=dead.distributions,
                user_attrs=dead.user_attrs | {"retry_of": dead.number},
                intermediate_values=dead.intermediate_values,
            )
            study.add_trial(again)
        elif "fixed_params" in dead.system_attrs and not queued:
            study.enqueue_trial(dead.system_attrs["fixed_params"])
        study.tell(dead.number, state=TrialState.FAIL)


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.choices:
        return CategoricalDistribution(dimension.choices)
    search = dimension.search
    if dimension.whole:
        return IntDistribution(round(search.low), round(search.high), log=search.log)
    return FloatDistribution(search.low, search.high, log=search.log)


@contextmanager
def _storage(folder: Path) -> Iterator[RDBStorage]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = RDBStorage(f"sqlite:///{folder / FILE}")
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()
