"""From a snapshot to everything training needs: the split, a vocabulary and the contrastive pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from recsys_cl.files import read_json, whole_folder, write_json
from recsys_cl.interactions.schema import Interactions
from recsys_cl.interactions.snapshot import Snapshot, load
from recsys_cl.interactions.split import Split, split
from recsys_cl.pairs.histories import Histories, histories_of
from recsys_cl.pairs.pair_set import PairSet, open_pairs, write_pairs
from recsys_cl.pairs.vocabulary import Vocabulary
from recsys_cl.stages.job import Job

FittedOn = Literal["train", "train_and_validation", "all"]
PARTS: dict[FittedOn, tuple[str, ...]] = {
    "train": ("train",),
    "train_and_validation": ("train", "validation"),
    "all": ("train", "validation", "test"),
}


@dataclass(frozen=True)
class Prepared:
    """A folder with the parts of a split and, for each choice of parts to learn from, a vocabulary and pairs.

    Attributes:
        folder: where it is.
        facts: source, data digest, ordering, kind of split, cut-off instants, rows a part, pairs described.
    """

    folder: Path
    facts: dict[str, Any]

    def part(self, *names: str) -> pl.DataFrame:
        """Return the rows of the parts named, a frame of `interactions.schema.COLUMNS`."""
        return pl.concat([pl.read_parquet(self.folder / f"{name}.parquet") for name in names])

    def seen(self, fitted_on: FittedOn) -> pl.DataFrame:
        """Return the rows that a model fitted on ``fitted_on`` has seen."""
        return self.part(*PARTS[fitted_on])

    def vocabulary(self, fitted_on: FittedOn) -> Vocabulary:
        """Return the vocabulary of what ``fitted_on`` names."""
        return Vocabulary.load(self.folder / fitted_on)

    def pairs(self, fitted_on: FittedOn) -> PairSet:
        """Open the contrastive pairs of what ``fitted_on`` names."""
        return open_pairs(self.folder / fitted_on / "pairs")

    def histories(self, fitted_on: FittedOn) -> Histories:
        """Return the history of every user in the vocabulary of ``fitted_on``."""
        return self.pairs(fitted_on).histories

    def items(self) -> pl.DataFrame | None:
        """Return item titles and categories where they are known."""
        path = self.folder / "items.parquet"
        return pl.read_parquet(path) if path.exists() else None


def prepare(job: Job, snapshot: Snapshot) -> Prepared:
    """Split the log of ``snapshot`` and write its pairs, or find that this was done before.

    Raises:
        InputError: the log is too small to be split.
    """
    config = job.config
    key = job.key(snapshot.digest, config.split, config.pairs)
    folder = job.workspace.pairs(job.name, key)
    if not folder.exists():
        interactions = load(snapshot)
        parts = split(interactions, config.split, seed=config.seed)
        with whole_folder(folder) as scratch:
            _write(scratch, key, interactions, parts, job)
    return open_prepared(folder)


def open_prepared(folder: Path) -> Prepared:
    """Open what `prepare` wrote."""
    return Prepared(folder, read_json(folder / "prepared.json"))


def _write(folder: Path, key: str, interactions: Interactions, parts: Split, job: Job) -> None:
    frames = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")
    if interactions.items is not None:
        interactions.items.write_parquet(folder / "items.parquet")
    choices: list[FittedOn] = ["train", "train_and_validation"]
    if job.config.train.refit == "all":
        choices.append("all")
    described = {}
    for choice in choices:
        learned = pl.concat([frames[name] for name in PARTS[choice]])
        vocabulary = Vocabulary.fit(learned, interactions.user_kind, interactions.item_kind)
        (folder / choice).mkdir()
        vocabulary.save(folder / choice)
        pairs = write_pairs(histories_of(learned, vocabulary), folder / choice / "pairs", job.config.pairs)
        described[choice] = pairs.describe()
    write_json(
        folder / "prepared.json",
        {
            "key": key,
            "source": interactions.source,
            "data_digest": interactions.digest,
            "ordering": interactions.ordering,
            "split": parts.kind,
            "cutoffs": [instant.isoformat() for instant in parts.cutoffs or ()],
            "rows": {name: frame.height for name, frame in frames.items()},
            "pairs": described,
        },
    )
