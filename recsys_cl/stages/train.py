"""From pairs to trained towers: once with the validation part held out, then once more without holding it out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recsys_cl.evaluation import metrics
from recsys_cl.evaluation.protocol import Examination, examine, mean_of_vectors
from recsys_cl.files import read_json, whole_folder, write_json
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.pairs.vocabulary import Vocabulary
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import FittedOn, Prepared, add_pairs, open_prepared
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.loop import Trained
from recsys_cl.training.loop import train as train_towers
from recsys_cl.training.prior import PopularityPrior, fit_prior
from recsys_cl.training.spectral import solve_towers

# Users drawn for what is asked after every epoch, and for what is asked of every prior that is tried.
_STOPPING_USERS, _PRIOR_USERS = 10_000, 2048
_SAID: dict[FittedOn, str] = {
    "train": "Fitting on the training part, with validation after each epoch.",
    "train_and_validation": "Fitting once more, on the training and validation parts.",
    "all": "Fitting once more, on all data, for registration.",
}


@dataclass(frozen=True)
class TrainedRun:
    """A folder with the towers of one run.

    Attributes:
        folder: where it is.
        prepared: the pairs it was trained on.
        key: digest (64 hex digits) of the data and settings that made it.
        registered: which data the towers to be registered were fitted on.
    """

    folder: Path
    prepared: Prepared
    key: str
    registered: Literal["train_and_validation", "all"]

    def towers(self, fitted_on: FittedOn) -> TwoTower:
        """Load the towers fitted on ``fitted_on``."""
        return TwoTower.load(self.folder / fitted_on)

    def training(self, fitted_on: FittedOn) -> dict[str, Any]:
        """Return the training curve and what came of it."""
        facts: dict[str, Any] = read_json(self.folder / fitted_on / "training.json")
        return facts

    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know, JSON-ready."""
        facts = self.training("train")
        return {"training": facts | {"registered": self.registered, "path": str(self.folder)}}


def train(job: Job, prepared: Prepared) -> TrainedRun:
    """Train with early stopping on the validation part, then refit as long, with the same prior, on more data.

    The refit on train and validation is what the test part examines. With ``refit: all`` a third fit sees the test
    part too, and is what gets registered.
    """
    key = job.key(prepared.facts["key"], job.config.spectral, job.config.train)
    run = TrainedRun(job.workspace.run(job.name, key), prepared, key, job.config.train.refit)
    _fit(job, run, "train", None)
    chosen = run.training("train")
    _fit(job, run, "train_and_validation", chosen)
    if run.registered == "all":
        _fit(job, run, "all", chosen)
    link = os.path.relpath(prepared.folder, run.folder)
    write_json(run.folder / "run.json", {"key": key, "registered": run.registered, "prepared": link})
    return run


def open_trained(folder: Path) -> TrainedRun:
    """Open what `train` wrote."""
    facts = read_json(folder / "run.json")
    prepared = open_prepared((folder / facts["prepared"]).resolve())
    return TrainedRun(folder, prepared, facts["key"], facts["registered"])


def _fit(job: Job, run: TrainedRun, fitted_on: FittedOn, like: dict[str, Any] | None) -> None:
    """Fit towers, choosing epochs and prior by validation or, given an earlier fit, ``like`` that one."""
    if (run.folder / fitted_on).exists():
        return
    prepared, config, seed = run.prepared, job.config.train, job.config.seed
    job.reporter.say(_SAID[fitted_on])
    add_pairs(job, prepared, fitted_on)
    pairs = prepared.pairs(fitted_on)
    vocabulary = prepared.vocabulary(fitted_on)
    validation = _validation(prepared, vocabulary) if like is None else None
    some = None if validation is None else _some_of(validation, _STOPPING_USERS, seed)
    validate = None if some is None else _recall(some, config.early_stop_k)
    checkpoints = run.folder / f"{fitted_on}-checkpoints"
    start = None if config.method == "gradient" else _closed_form(job, prepared, pairs, checkpoints / "spectral")
    if start is not None and config.method == "spectral":
        trained = Trained.in_closed_form(start, validate)
    else:
        trained = train_towers(
            pairs,
            vocabulary.n_users,
            config,
            ordered=prepared.ordered,
            seed=seed,
            device=job.config.device,
            start=start,
            epochs=None if like is None else like["best_epoch"],
            validate=validate,
            checkpoints=checkpoints,
            reporter=job.reporter,
        )
    prior = PopularityPrior(**like["prior"]) if like else PopularityPrior()
    if validation is not None and config.popularity_prior:
        some = _some_of(validation, _PRIOR_USERS, seed)
        prior = fit_prior(trained.towers, pairs.histories, config.temperature, _ndcg(some))
    prior.apply(trained.towers, pairs.histories, config.temperature)
    with whole_folder(run.folder / fitted_on) as scratch:
        trained.towers.save(scratch)
        facts = {field.name: getattr(trained, field.name) for field in fields(trained) if field.name != "towers"}
        write_json(scratch / "training.json", facts | {"prior": asdict(prior)})


def _closed_form(job: Job, prepared: Prepared, pairs: PairSet, checkpoint: Path) -> TwoTower:
    return solve_towers(
        pairs.histories,
        job.config.spectral,
        dim=job.config.train.embedding_dim,
        history_length=pairs.config.history_length,
        ordered=prepared.ordered,
        seed=job.config.seed,
        device=job.config.device,
        checkpoint=checkpoint,
        reporter=job.reporter,
    )


def _validation(prepared: Prepared, vocabulary: Vocabulary) -> Examination | None:
    examination = examine(prepared.seen("train"), prepared.part("validation"), vocabulary).asked
    return examination if len(examination) else None


def _some_of(validation: Examination, users: int, seed: int) -> Examination:
    """Draw so many users, or take all where there are no more."""
    if len(validation) <= users:
        return validation
    rows = np.random.default_rng(seed).permutation(len(validation))[:users]
    return validation.take(np.sort(rows))


def _recall(validation: Examination, k: int) -> Callable[[TwoTower], float]:
    return lambda towers: mean_of_vectors(
        towers.query_vectors(validation.queries), towers.item_vectors(), validation, k
    )


def _ndcg(validation: Examination) -> Callable[[TwoTower], float]:
    # A long list, since the choice is often made on few users.
    return lambda towers: mean_of_vectors(
        towers.query_vectors(validation.queries), towers.item_vectors(), validation, 100, metrics.ndcg_at_k
    )
