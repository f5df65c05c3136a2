"""Training: batch after batch, epoch after epoch, until validation gets no better."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.stats import trim_mean

from recsys_cl.config import TrainConfig
from recsys_cl.contrast.cores import one_thread_each
from recsys_cl.errors import InputError, TrainingError
from recsys_cl.families import member
from recsys_cl.files import digest_of
from recsys_cl.pairs.assembly import Assembly
from recsys_cl.pairs.batches import Batches
from recsys_cl.pairs.cuts import Cuts
from recsys_cl.pairs.in_turn import Deal, InTurn
from recsys_cl.pairs.lessons import Lessons
from recsys_cl.pairs.negatives import Negatives
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.progress import SILENT, Advance, Reporter
from recsys_cl.towers.spec import Reading, TowerSpec, shared_out
from recsys_cl.towers.two_tower import CANDIDATE_ENCODERS, TwoTower
from recsys_cl.training.checkpoint import Checkpoints
from recsys_cl.training.device import device_of
from recsys_cl.training.learner import Learner
from recsys_cl.training.prefetch import made_ahead
from recsys_cl.training.schedule import learning_rate
from recsys_cl.training.standing import Standing

Validate = Callable[[TwoTower], float]
Watch = Callable[[Mapping[str, Any]], None]
Lists = npt.NDArray[np.int32]
_REHEARSED = 32  # steps that tell how long an epoch would take, by the second half of them
_TRIMMED = 0.2  # share of those, at each end, that don't count


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Attributes:
        towers: with the weights after the best epoch.
        best_epoch: from 1; the last one where there was no validation; 0 where there were none.
        best_validation: what validation gave then; None where there was none.
        curve: for each epoch: ``epoch``, ``loss`` (mean, nats), ``validation``, ``pairs_per_second``,
            ``learning_rate`` (at its last step).
        stopped_early: whether validation ceased to improve before the last epoch.
        resumed: whether training went on from a checkpoint.
    """

    towers: TwoTower
    best_epoch: int
    best_validation: float | None
    curve: list[dict[str, Any]]
    stopped_early: bool
    resumed: bool

    @classmethod
    def of(cls, towers: TwoTower, standing: Standing, *, resumed: bool) -> Self:
        """Describe towers by where their training stands at its end."""
        best, validation, early = standing.best_epoch, standing.best_validation, standing.stopped_early
        return cls(towers, best, validation, list(standing.curve), early, resumed)

    @classmethod
    def in_closed_form(cls, towers: TwoTower) -> Self:
        """Describe towers that took no epochs."""
        return cls(towers, 0, None, [], stopped_early=False, resumed=False)


def train(  # noqa: PLR0913 - one argument for each thing the caller decides
    pairs: PairSet,
    n_users: int,
    config: TrainConfig,
    *,
    ordered: bool,
    seed: int,
    device: str,
    start: TwoTower | None = None,
    lists: Lists | None = None,
    epochs: int | None = None,
    validate: Validate | None = None,
    watch: Watch | None = None,
    checkpoints: Path | None = None,
    reporter: Reporter = SILENT,
) -> Trained:
    """Train two towers on pairs.

    Args:
        pairs: what to learn from.
        n_users: size of the user vocabulary.
        config: towers, objective and optimisation.
        ordered: whether the order of histories means something; if not, they are sets.
        seed: of the first weights, the order of pairs and every draw; one seed, one machine, one result.
        device: "auto", "cpu" or "cuda".
        start: towers to start from, their vectors brought to the length at which training starts; None draws the first
            weights at random.
        lists: (n_users, k) int32, what a teacher recommends to each, as in `pairs.lessons`; None if nobody teaches.
        epochs: stop after this many, the learning rate still falling as for ``config.epochs``, so that a refit with
            the best epoch of an earlier training repeats what was found best.
        validate: a figure for the towers after each epoch, higher being better; None trains all epochs.
        watch: told of each epoch, as `Trained.curve` has it; what it raises ends the training.
        checkpoints: folder; a training that was killed goes on from there to the very result it would have had. What
            lies there from other data or settings is replaced.
        reporter: told of progress.

    Raises:
        InputError: nothing can be learned: every user has every item, or ``n_users`` is not the pairs'.
        ConfigError: CUDA is not there, or an encoder or objective is unknown.
        TrainingError: the loss or a gradient ceased to be finite.
        IntegrityError: a checkpoint is damaged.
    """
    _check(pairs, n_users)
    where = device_of(device)
    last_epoch = min(epochs or config.epochs, config.epochs)
    taught = None if lists is None else hashlib.sha256(lists.tobytes()).hexdigest()
    data = [pairs.digest, ordered, None if start is None else start.digest, taught]
    settings = [config.model_dump(exclude={"checkpoint_seconds"}), seed, where.type, last_epoch, validate is None]
    kept = Checkpoints(checkpoints, digest_of([*data, *settings]), config.checkpoint_seconds)
    learner = Learner(pairs, tower_spec(pairs, n_users, config, ordered=ordered), config, seed, where)
    if start is not None:
        learner.start_from(start)
    batches = dealt(pairs, learner.towers, config, ordered=ordered, seed=seed, lists=lists)
    before = _start(kept, learner, reporter)
    with one_thread_each(where):
        standing = _epochs(
            learner, batches, kept, before or Standing(), last_epoch, validate, watch=watch, reporter=reporter
        )
    kept.restore_best(learner, standing.best_epoch)
    return Trained.of(learner.towers, standing, resumed=before is not None)


def seconds_an_epoch(
    pairs: PairSet, config: TrainConfig, *, ordered: bool, seed: int, device: str, lists: Lists | None = None
) -> float:
    """Return how long an epoch would take, by taking a few steps of one and forgetting what they taught."""
    where = device_of(device)
    learner = Learner(pairs, tower_spec(pairs, len(pairs.histories), config, ordered=ordered), config, seed, where)
    batches = dealt(pairs, learner.towers, config, ordered=ordered, seed=seed, lists=lists)
    instants = []
    with one_thread_each(where):
        for batch in made_ahead(islice(batches.epoch(1), 1 + _REHEARSED)):
            learner.step(batch, config.learning_rate)
            instants.append(time.monotonic())
    # The first steps pay for much that is made only once, later ones now and then.
    seconds = np.diff(instants)[len(instants) // 2 :]
    return batches.steps * float(trim_mean(seconds, _TRIMMED)) if len(seconds) else 0.0


def readings_of(config: TrainConfig, *, ordered: bool) -> tuple[Reading, ...]:
    """Return the ways in which histories are read: one, where they are sets."""
    return shared_out(config.dim, [(age,) for age in config.ages] if ordered else [(0.0,)])


def tower_spec(pairs: PairSet, n_users: int, config: TrainConfig, *, ordered: bool) -> TowerSpec:
    """Return what the towers for these pairs are made of."""
    return TowerSpec(
        n_users=n_users,
        n_items=pairs.n_items,
        embedding_dim=config.dim,
        query_encoder=config.query_encoder,
        candidate_encoder=config.candidate_encoder,
        similarity=config.similarity,
        history_length=pairs.config.history_length,
        readings=readings_of(config, ordered=ordered),
        n_features=_features(pairs, config),
        item_bias=config.item_bias,
    )


def _features(pairs: PairSet, config: TrainConfig) -> int:
    encoder = member(CANDIDATE_ENCODERS, config.candidate_encoder).Encoder
    return pairs.categories.shape[1] if encoder.takes_features and pairs.categories is not None else 0


def dealt(
    pairs: PairSet, towers: TwoTower, config: TrainConfig, *, ordered: bool, seed: int, lists: Lists | None = None
) -> Deal:
    """Return how the pairs, and the lists of a teacher, are dealt out to these towers."""
    one_table, negatives = towers.history_table == "item", Negatives.of(pairs.histories, config)
    if config.targets == "one":
        return Batches(pairs, config.batch_size, negatives, config.id_dropout, one_table, seed)
    if pairs.histories.lengths.max() < 2:
        raise InputError(
            "No history can be cut in two: no user has more than one interaction in the part to learn from. Use a "
            "longer time range or looser filters, or --method spectral, which cuts none."
        )
    cuts = Cuts(pairs, config.batch_size, negatives, config.id_dropout, config.window, ordered, one_table, seed)
    if lists is None:
        return cuts
    assembly = Assembly(negatives, config.id_dropout, one_table)
    lessons = Lessons(pairs.histories, lists, config.batch_size, pairs.config.history_length, assembly, seed)
    # About as many lessons as cuts, also where few users are taught: early on lists teach more than cuts do.
    times = max(1, round(cuts.steps / max(lessons.steps, 1)))
    return InTurn((cuts, *(replace(lessons, seed=seed + n) for n in range(times))), seed)


def _start(kept: Checkpoints, learner: Learner, reporter: Reporter) -> Standing | None:
    """Go on from the last checkpoint if it is of this training; None if there is none."""
    if kept.last is None:
        return None
    if not kept.is_ours():
        reporter.say(
            f"The checkpoint in {kept.folder} is of other data or settings; training starts from the beginning."
        )
        return None
    standing = kept.restore(learner)
    reporter.say(f"Going on from {kept.last}: epoch {standing.epoch}, step {standing.step}.")
    return standing


def _epochs(  # noqa: PLR0913 - what `train` was given, and what it made of that
    learner: Learner,
    batches: Deal,
    kept: Checkpoints,
    standing: Standing,
    last_epoch: int,
    validate: Validate | None,
    *,
    watch: Watch | None,
    reporter: Reporter,
) -> Standing:
    while standing.epoch <= last_epoch and not standing.stopped_early:
        standing = _epoch(learner, batches, kept, standing, reporter)
        standing = _close_epoch(learner, batches, standing, validate)
        is_best = standing.best_epoch == standing.epoch - 1
        if is_best and (validate is not None or standing.epoch > last_epoch):  # else a later one is sure to be better
            kept.save_best(learner, standing.best_epoch)
        if watch is not None:
            watch(standing.curve[-1])
        if kept.is_due:
            kept.save(learner, standing)
        _tell(reporter, standing)
    kept.save(learner, standing)
    return standing


def _epoch(learner: Learner, batches: Deal, kept: Checkpoints, standing: Standing, reporter: Reporter) -> Standing:
    config = learner.config
    with reporter.bar(f"epoch {standing.epoch}", batches.steps) as advance:
        advance(standing.step, "")
        started = time.monotonic()
        for batch in made_ahead(batches.epoch(standing.epoch, standing.step)):
            rate = learning_rate(_steps_before(standing, batches), batches.steps * config.epochs, config)
            loss = learner.step(batch, rate)
            if not math.isfinite(loss):
                raise _not_finite(loss, standing, len(batch), kept)
            now = time.monotonic()
            standing, started = standing.after_step(loss, now - started, len(batch.positives)), now
            _show(advance, standing)
            if kept.is_due:
                kept.save(learner, standing)
    return standing


def _close_epoch(learner: Learner, batches: Deal, standing: Standing, validate: Validate | None) -> Standing:
    config = learner.config
    rate = learning_rate(_steps_before(standing, batches) - 1, batches.steps * config.epochs, config)
    learner.settle(rate)
    validation = None if validate is None else float(validate(learner.served()))
    return standing.after_epoch(validation, rate, config.patience)


def _steps_before(standing: Standing, batches: Deal) -> int:
    return (standing.epoch - 1) * batches.steps + standing.step


def _show(advance: Advance, standing: Standing) -> None:
    advance(1, f"loss {standing.loss / standing.step:.3f}, {standing.pairs_per_second:,.0f} pairs/s")


def _tell(reporter: Reporter, standing: Standing) -> None:
    record = standing.curve[-1]
    validation = "" if record["validation"] is None else f", validation {record['validation']:.4f}"
    reporter.say(
        f"epoch {record['epoch']}: loss {record['loss']:.4f}{validation}, {record['pairs_per_second']:,.0f} pairs/s"
    )


def _not_finite(loss: float, standing: Standing, batch_size: int, kept: Checkpoints) -> TrainingError:
    good = f"The last good checkpoint is {kept.last}." if kept.last else "No checkpoint was kept."
    return TrainingError(
        f"The loss or its gradient became {loss} in epoch {standing.epoch}, step {standing.step}, a batch of "
        f"{batch_size} queries; the weights were not changed by it. {good} A lower --learning-rate or a higher "
        "--temperature usually helps."
    )


def _check(pairs: PairSet, n_users: int) -> None:
    """Refuse data from which nothing can be learned."""
    if len(pairs.histories) != n_users:
        raise InputError(f"The pairs are of {len(pairs.histories)} users, but {n_users} were announced.")
    users, items = int(np.count_nonzero(pairs.histories.lengths)), int(np.isfinite(pairs.log_q).sum())
    if len(pairs) >= users * items and pairs.histories.matrix().nnz == users * items:
        raise InputError(
            f"There is nothing to contrast: each of the {users} user(s) has each of the {items} item(s). "
            "A model needs users who differ in what they took; use more data or a longer time range."
        )
