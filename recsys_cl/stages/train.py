"""From pairs to trained towers: once with the validation part held out, then once more without holding it out."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from recsys_cl.config import RunConfig
from recsys_cl.evaluation.facts import TrainingFacts
from recsys_cl.evaluation.findings import kept_of
from recsys_cl.files import read_json, whole_folder, write_json
from recsys_cl.stages.choice import CLOSED_FORMS, Choice, Recipe
from recsys_cl.stages.choose import Chooser
from recsys_cl.stages.fit import MARKS, Fitter
from recsys_cl.stages.job import Job
from recsys_cl.stages.judge import best_of
from recsys_cl.stages.pairs import FittedOn, Prepared, open_prepared
from recsys_cl.stages.tried import compared
from recsys_cl.towers.two_tower import TwoTower

_CHOICE = "choice.json"


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
    began = time.monotonic()
    key = job.key(prepared.facts["key"], job.config.spectral, job.config.train)
    run = TrainedRun(job.workspace.run(job.name, key), prepared, key, job.config.train.refit)
    best = _find(job, run, Fitter(job, prepared, "train"), began)
    recipes, like = run.choice().recipes, run.training("train")
    _refit(run, Fitter(job, prepared, "train_and_validation"), recipes, best, like)
    if run.registered == "all":
        _refit(run, Fitter(job, prepared, "all"), recipes, best, like)
    link = os.path.relpath(prepared.folder, run.folder)
    write_json(run.folder / "run.json", {"key": key, "registered": run.registered, "prepared": link})
    return run


def open_trained(folder: Path) -> TrainedRun:
    """Open what `train` wrote."""
    facts = read_json(folder / "run.json")
    prepared = open_prepared((folder / facts["prepared"]).resolve())
    return TrainedRun(folder, prepared, facts["key"], facts["registered"])


def _find(job: Job, run: TrainedRun, fitter: Fitter, began: float) -> str:
    """Choose, fit and compare; keep the towers that are best on validation, and return their name."""
    recipes, tried = _chosen(job, run, fitter, began).recipes, run.folder / "tried"
    for name, recipe in recipes.items():
        fitter.fit(recipe, tried / name)
    likeliest = _joined(job, fitter, list(recipes), tried)
    best = _best(tried, (folder.name for folder in _tried(run)), likeliest)
    if not (run.folder / "train").exists():
        facts = read_json(tried / best / "training.json") | compared(_tried(run), best)
        if "parts" in facts:
            fitter.join_like(tried, run.folder / "train", facts)
        else:
            with whole_folder(run.folder / "train") as scratch:
                shutil.copytree(tried / best, scratch, dirs_exist_ok=True)
                write_json(scratch / "training.json", facts)
        for sentence in kept_of(TrainingFacts.model_validate(facts)):
            job.reporter.say(sentence)
    return best


def _chosen(job: Job, run: TrainedRun, fitter: Fitter, began: float) -> Choice:
    """Return the settings to fit: as given where there is no budget or nothing to choose by, else as chosen."""
    path, config, spectral = run.folder / _CHOICE, job.config.train, job.config.spectral
    if path.exists():
        return run.choice()
    validation = fitter.validation
    if validation is None or config.budget_seconds == 0 or config.method == "gradient":
        method = "hybrid" if config.method == "auto" else config.method
        why = "Nobody in the validation part can be asked, so settings" if validation is None else "Settings"
        given = config.model_copy(update={"method": method, "embedding_dim": config.dim})
        choice = Choice({method: Recipe(given, spectral)}, [f"{why} are as given."], [])
    else:
        job.reporter.say(f"Choosing settings within {config.budget}.")
        choice = Chooser(
            fitter.pairs,
            validation,
            config,
            spectral,
            ordered=run.prepared.ordered,
            seed=job.config.seed,
            device=job.config.device,
            solver=fitter.solver,
            reporter=job.reporter,
            gone=time.monotonic() - began,
        ).choose()
    choice = replace(choice, told=[*choice.told, *_unheeded(job.config, ordered=run.prepared.ordered)])
    for sentence in choice.told:
        job.reporter.say(sentence)
    write_json(path, choice.describe())
    return choice


def _unheeded(config: RunConfig, *, ordered: bool) -> list[str]:
    """Tell which settings were given that a log without an order has no use for."""
    parts = {
        "age_exponents": config.train,
        "spectral_age_exponents": config.spectral,
        "pair_age_exponent": config.spectral,
        "neighbour_window": config.spectral,
        "neighbour_exponent": config.spectral,
    }
    names = [name for name, part in parts.items() if getattr(part, name) != type(part).model_fields[name].default]
    if ordered or not names:
        return []
    given = " and ".join(f"--{name.replace('_', '-')}" for name in names)
    return [
        f"The log tells no order, so {given} went unheeded; --ordered says that the order of its rows means something."
    ]


def _joined(job: Job, fitter: Fitter, fitted: list[str], tried: Path) -> str:
    """Join the closed forms, then each kind of gradient descent with what of them is best; return what is likeliest.

    Parts that err apart are better together, and the less can be told on validation the more so: what was joined with
    the first kind is likeliest. Nothing is joined where the length of vectors is given.
    """
    closed = [name for name in fitted if name in CLOSED_FORMS]
    if job.config.train.embedding_dim is not None or not closed or len(fitted) == 1:
        return fitted[0]
    base = closed[0]
    for name in closed[1:]:
        fitter.join(tried / base, tried / name, tried / f"joined_{name}")
        base = _best(tried, (*closed, f"joined_{name}"), f"joined_{name}")
    kinds = [name for name in fitted if name not in closed]
    for name in kinds:
        fitter.join(tried / base, tried / name, tried / f"joined_{name}")
    return f"joined_{kinds[0]}" if kinds else base


def _best(tried: Path, names: Iterable[str], given: str) -> str:
    """Return which is best on validation, or what is ``given`` where that is as good but for chance."""
    marks = {name: np.load(tried / name / MARKS) for name in names if (tried / name / MARKS).exists()}
    return best_of(marks, given) if marks else given


def _tried(run: TrainedRun) -> list[Path]:
    return sorted(folder for folder in (run.folder / "tried").iterdir() if (folder / "training.json").exists())


def _refit(run: TrainedRun, fitter: Fitter, recipes: dict[str, Recipe], best: str, like: dict[str, Any]) -> None:
    """Fit on more data what was found best, as long as was found best."""
    folder = run.folder / fitter.fitted_on
    if best in recipes:
        fitter.fit(recipes[best], folder, like=like)
        return
    parts = run.folder / f"{fitter.fitted_on}-parts"
    for name in like["parts"]:
        facts: dict[str, Any] = read_json(run.folder / "tried" / name / "training.json")
        fitter.fit(recipes[name], parts / name, like=facts)
    fitter.join_like(parts, folder, like)
