"""From pairs to trained towers: once with the validation part held out, then once more without holding it out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from recsys_cl.config import SpectralConfig, TrainConfig
from recsys_cl.evaluation import metrics
from recsys_cl.evaluation.protocol import Examination, examine, mean_of_vectors
from recsys_cl.files import read_json, whole_folder, write_json
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.pairs.vocabulary import Vocabulary
from recsys_cl.stages.choose import Choice, Chooser, some_of
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import FittedOn, Prepared, add_pairs, open_prepared
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.loop import Trained
from recsys_cl.training.loop import train as train_towers
from recsys_cl.training.prior import PopularityPrior, fit_prior
from recsys_cl.training.spectral import solve_log

_CHOICE = "choice.json"
# Users drawn for what is asked after every epoch, and for what is asked of every prior that is tried.
_STOPPING_USERS, _PRIOR_USERS = 5000, 2048
_WEIGHTS = (0.2, 0.35, 0.5, 0.65, 0.8)  # of the closed form where it is joined with trained towers
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

    def choice(self) -> Choice:
        """Return the settings that were fitted, and how they came about."""
        return Choice.of(read_json(self.folder / _CHOICE))

    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know, JSON-ready."""
        facts = self.training("train") | {"told": self.choice().told}
        return {"training": facts | {"registered": self.registered, "path": str(self.folder)}}


def train(job: Job, prepared: Prepared) -> TrainedRun:
    """Choose settings within the budget, fit them with validation, then refit the best as long on more data.

    The refit on train and validation is what the test part examines. With ``refit: all`` a third fit sees the test
    part too, and is what gets registered. What was chosen is kept, so that a run which was killed goes on with it.
    """
    key = job.key(prepared.facts["key"], job.config.spectral, job.config.train)
    run = TrainedRun(job.workspace.run(job.name, key), prepared, key, job.config.train.refit)
    choice = _chosen(job, run)
    fits = {method: _Fit(*settings) for method, settings in choice.settings.items()}
    for method, fit in fits.items():
        _fit(job, run, fit, "train", None, run.folder / "tried" / method)
    if len(fits) > 1 and job.config.train.embedding_dim is None:  # joined vectors are as long as both
        _join(job, run, "train", None, run.folder / "tried" / "joined", run.folder / "tried")
    best = max((folder.name for folder in _tried(run)), key=lambda name: _judged(run.folder / "tried" / name))
    if not (run.folder / "train").exists():
        with whole_folder(run.folder / "train") as scratch:
            shutil.copytree(run.folder / "tried" / best, scratch, dirs_exist_ok=True)
    like = run.training("train")
    _refit(job, run, fits, best, like, "train_and_validation")
    if run.registered == "all":
        _refit(job, run, fits, best, like, "all")
    link = os.path.relpath(prepared.folder, run.folder)
    write_json(run.folder / "run.json", {"key": key, "registered": run.registered, "prepared": link})
    return run


def open_trained(folder: Path) -> TrainedRun:
    """Open what `train` wrote."""
    facts = read_json(folder / "run.json")
    prepared = open_prepared((folder / facts["prepared"]).resolve())
    return TrainedRun(folder, prepared, facts["key"], facts["registered"])


@dataclass(frozen=True)
class _Fit:
    """Complete settings of one fit."""

    train: TrainConfig
    spectral: SpectralConfig


def _chosen(job: Job, run: TrainedRun) -> Choice:
    """Return the settings to fit: as given where there is no budget or nothing to choose by, else as chosen."""
    path, config, spectral = run.folder / _CHOICE, job.config.train, job.config.spectral
    if path.exists():
        return run.choice()
    validation = _validation(run.prepared, run.prepared.vocabulary("train"))
    if validation is None or config.budget_seconds == 0 or config.method == "gradient":
        method = "hybrid" if config.method == "auto" else config.method
        why = "Nobody in the validation part can be asked, so settings" if validation is None else "Settings"
        given = config.model_copy(update={"method": method, "embedding_dim": config.dim})
        choice = Choice({method: (given, spectral)}, [f"{why} are as given."], [])
    else:
        job.reporter.say(f"Choosing settings within {config.budget}.")
        add_pairs(job, run.prepared, "train")
        choice = Chooser(
            run.prepared.pairs("train"),
            validation,
            config,
            spectral,
            ordered=run.prepared.ordered,
            seed=job.config.seed,
            device=job.config.device,
            reporter=job.reporter,
        ).choose()
    for sentence in choice.told:
        job.reporter.say(sentence)
    write_json(path, choice.describe())
    return choice


def _tried(run: TrainedRun) -> list[Path]:
    return sorted(folder for folder in (run.folder / "tried").iterdir() if (folder / "training.json").exists())


def _refit(
    job: Job, run: TrainedRun, fits: dict[str, _Fit], best: str, like: dict[str, Any], fitted_on: FittedOn
) -> None:
    """Fit on more data what was found best, as long as was found best."""
    if best != "joined":
        _fit(job, run, fits[best], fitted_on, like, run.folder / fitted_on)
        return
    parts = run.folder / f"{fitted_on}-parts"
    for method, fit in fits.items():
        facts: dict[str, Any] = read_json(run.folder / "tried" / method / "training.json")
        _fit(job, run, fit, fitted_on, facts, parts / method)
    _join(job, run, fitted_on, like, run.folder / fitted_on, parts)


def _join(
    job: Job, run: TrainedRun, fitted_on: FittedOn, like: dict[str, Any] | None, folder: Path, parts: Path
) -> None:
    """Join the closed form and the trained towers in ``parts``, with the weight that validation or ``like`` gives."""
    if folder.exists():
        return
    pairs, vocabulary = run.prepared.pairs(fitted_on), run.prepared.vocabulary(fitted_on)
    towers = [TwoTower.load(parts / method) for method in ("spectral", "hybrid")]
    temperature = job.config.train.temperature
    facts = like or dict[str, Any](read_json(parts / "hybrid" / "training.json"))
    if like is None:
        validation = _validation(run.prepared, vocabulary)
        if validation is None:
            return
        judge = _ndcg(some_of(validation, _PRIOR_USERS, job.config.seed))
        weight = max(_WEIGHTS, key=lambda one: judge(TwoTower.joined(towers, (one, 1 - one))))
        joined = TwoTower.joined(towers, (weight, 1 - weight))
        recall = _recall(some_of(validation, _STOPPING_USERS, job.config.seed), job.config.train.early_stop_k)(joined)
        prior = _prior(job.config.train, joined, pairs, judge)
        facts |= {"method": "joined", "weight": weight, "dim": joined.spec.embedding_dim}
        facts |= {"best_validation": recall, "prior": asdict(prior)}
    joined, prior = TwoTower.joined(towers, (facts["weight"], 1 - facts["weight"])), PopularityPrior(**facts["prior"])
    prior.apply(joined, pairs.histories, temperature)
    with whole_folder(folder) as scratch:
        joined.save(scratch)
        write_json(scratch / "training.json", facts)


def _judged(folder: Path) -> float:
    """Return what validation gave with the best prior; nothing where there was no validation."""
    facts = read_json(folder / "training.json")
    return float(facts["prior"]["validation"] or 0.0)


def _fit(job: Job, run: TrainedRun, fit: _Fit, fitted_on: FittedOn, like: dict[str, Any] | None, folder: Path) -> None:
    """Fit towers, choosing epochs and prior by validation or, given an earlier fit, ``like`` that one."""
    if folder.exists():
        return
    prepared, config, seed = run.prepared, fit.train, job.config.seed
    job.reporter.say(f"{_SAID[fitted_on]} Method: {config.method}, {config.dim} dimensions.")
    add_pairs(job, prepared, fitted_on)
    pairs = prepared.pairs(fitted_on)
    vocabulary = prepared.vocabulary(fitted_on)
    validation = _validation(prepared, vocabulary) if like is None else None
    trained = _trained(job, fit, pairs, ordered=prepared.ordered, validation=validation, like=like, folder=folder)
    prior = PopularityPrior(**like["prior"]) if like else PopularityPrior()
    if validation is not None:
        prior = _prior(config, trained.towers, pairs, _ndcg(some_of(validation, _PRIOR_USERS, seed)))
    prior.apply(trained.towers, pairs.histories, config.temperature)
    with whole_folder(folder) as scratch:
        trained.towers.save(scratch)
        facts = {field.name: getattr(trained, field.name) for field in fields(trained) if field.name != "towers"}
        write_json(
            scratch / "training.json", facts | {"prior": asdict(prior), "method": config.method, "dim": config.dim}
        )


def _prior(
    config: TrainConfig, towers: TwoTower, pairs: PairSet, judge: Callable[[TwoTower], float]
) -> PopularityPrior:
    """Return the prior that is judged best, or none with its figure where none is wanted."""
    if config.popularity_prior:
        return fit_prior(towers, pairs.histories, config.temperature, judge)
    return PopularityPrior(validation=judge(towers))


def _trained(
    job: Job,
    fit: _Fit,
    pairs: PairSet,
    *,
    ordered: bool,
    validation: Examination | None,
    like: dict[str, Any] | None,
    folder: Path,
) -> Trained:
    """Return towers by the method of ``fit``; what is needed to go on after a kill lies beside ``folder``."""
    config, seed, device = fit.train, job.config.seed, job.config.device
    checkpoints = folder.with_name(f"{folder.name}-checkpoints")
    some = None if validation is None else some_of(validation, _STOPPING_USERS, seed)
    validate = None if some is None else _recall(some, config.early_stop_k)
    start = None
    if config.method != "gradient":
        solved = solve_log(
            pairs.histories,
            fit.spectral,
            dim=config.dim,
            ordered=ordered,
            seed=seed,
            device=device,
            checkpoint=checkpoints / "spectral",
            reporter=job.reporter,
        )
        start = solved.towers(fit.spectral, dim=config.dim, history_length=pairs.config.history_length, device=device)
    if start is not None and config.method == "spectral":
        return Trained.in_closed_form(start, validate)
    return train_towers(
        pairs,
        len(pairs.histories),
        config,
        ordered=ordered,
        seed=seed,
        device=device,
        start=start,
        epochs=None if like is None else like["best_epoch"],
        validate=validate,
        checkpoints=checkpoints,
        reporter=job.reporter,
    )


def _validation(prepared: Prepared, vocabulary: Vocabulary) -> Examination | None:
    examination = examine(prepared.seen("train"), prepared.part("validation"), vocabulary).asked
    return examination if len(examination) else None


def _recall(validation: Examination, k: int) -> Callable[[TwoTower], float]:
    return lambda towers: mean_of_vectors(
        towers.query_vectors(validation.queries), towers.item_vectors(), validation, k
    )


def _ndcg(validation: Examination) -> Callable[[TwoTower], float]:
    # A long list, since the choice is often made on few users.
    return lambda towers: mean_of_vectors(
        towers.query_vectors(validation.queries), towers.item_vectors(), validation, 100, metrics.ndcg_at_k
    )
