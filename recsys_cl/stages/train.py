"""From pairs to trained towers: once with the validation part held out, then once more without holding it out."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from recsys_cl.evaluation.protocol import examine, recall_of_vectors
from recsys_cl.files import read_json, whole_folder, write_json
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import FittedOn, Prepared, add_pairs, open_prepared
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.loop import train as train_towers


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
    """Train with early stopping on the validation part, then refit for as many epochs on more data.

    The refit on train and validation is what the test part examines. With ``refit: all`` a third fit sees the test
    part too, and is what gets registered.
    """
    key = job.key(prepared.facts["key"], job.config.train)
    run = TrainedRun(job.workspace.run(job.name, key), prepared, key, job.config.train.refit)
    _fit(job, run, "train", None)
    epochs = run.training("train")["best_epoch"]
    _fit(job, run, "train_and_validation", epochs)
    if run.registered == "all":
        _fit(job, run, "all", epochs)
    link = os.path.relpath(prepared.folder, run.folder)
    write_json(run.folder / "run.json", {"key": key, "registered": run.registered, "prepared": link})
    return run


def open_trained(folder: Path) -> TrainedRun:
    """Open what `train` wrote."""
    facts = read_json(folder / "run.json")
    prepared = open_prepared((folder / facts["prepared"]).resolve())
    return TrainedRun(folder, prepared, facts["key"], facts["registered"])


def _fit(job: Job, run: TrainedRun, fitted_on: FittedOn, epochs: int | None) -> None:
    if (run.folder / fitted_on).exists():
        return
    prepared = run.prepared
    add_pairs(job, prepared, fitted_on)
    pairs = prepared.pairs(fitted_on)
    vocabulary = prepared.vocabulary(fitted_on)
    validate = None
    if fitted_on == "train" and prepared.facts["rows"]["validation"]:
        k = job.config.train.early_stop_k
        examination = examine(prepared.seen("train"), prepared.part("validation"), vocabulary)

        def validate(towers: TwoTower) -> float:
            return recall_of_vectors(towers.query_vectors(examination.queries), towers.item_vectors(), examination, k)

    trained = train_towers(
        pairs,
        vocabulary.n_users,
        job.config.train,
        seed=job.config.seed,
        device=job.config.device,
        epochs=epochs,
        validate=validate,
        checkpoints=run.folder / f"{fitted_on}-checkpoints",
        reporter=job.reporter,
    )
    with whole_folder(run.folder / fitted_on) as scratch:
        trained.towers.save(scratch)
        facts = asdict(trained)
        write_json(scratch / "training.json", {name: facts[name] for name in facts if name != "towers"})
