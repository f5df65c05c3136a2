"""From a snapshot to everything training needs: the split, a vocabulary and the contrastive pairs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from recsys_cl.errors import InputError
from recsys_cl.files import read_json, whole_folder, write_json
from recsys_cl.interactions.schema import Interactions
from recsys_cl.interactions.snapshot import Snapshot, load, open_snapshot
from recsys_cl.interactions.split import Split, split
from recsys_cl.pairs.categories import categories_of
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
        snapshot: the log it was made from.
        facts: key, ordering, kind of split, cut-off instants, rows a part, kinds of ids.
    """

    folder: Path
    snapshot: Snapshot
    facts: dict[str, Any]

    @property
    def ordered(self) -> bool:
        """Whether the order of a history means something; if not, histories are sets."""
        return bool(self.facts["ordering"] != "none")

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

    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know, JSON-ready."""
        split = {name: self.facts[name] for name in ("split", "cutoffs", "rows")}
        return {"split": split, "pairs": self.pairs("train").describe()}


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
            link = os.path.relpath(snapshot.folder, folder)
            write_json(scratch / "prepared.json", {"key": key, "snapshot": link, **_facts(interactions, parts)})
            _write_parts(scratch, interactions, parts)
    prepared = open_prepared(folder)
    for fitted_on in ("train", "train_and_validation"):
        add_pairs(job, prepared, fitted_on)
    return prepared


def add_pairs(job: Job, prepared: Prepared, fitted_on: FittedOn) -> None:
    """Write the vocabulary and the pairs of what ``fitted_on`` names, unless they are there.

    Raises:
        InputError: all listed items are asked for, and none are listed.
    """
    folder = prepared.folder / fitted_on
    if folder.exists():
        return
    learned, items, config = prepared.seen(fitted_on), prepared.items(), job.config.pairs
    if config.catalogue == "listed" and items is None:
        raise InputError("No file lists what there is to recommend; give one with --items, or say --catalogue taken.")
    listed = items["item_id"] if items is not None and config.catalogue == "listed" else None
    vocabulary = Vocabulary.fit(learned, prepared.facts["user_kind"], prepared.facts["item_kind"], listed)
    with whole_folder(folder) as scratch:
        vocabulary.save(scratch)
        histories = histories_of(learned, vocabulary)
        write_pairs(histories, scratch / "pairs", config, categories_of(items, vocabulary))


def open_prepared(folder: Path) -> Prepared:
    """Open what `prepare` wrote."""
    facts = read_json(folder / "prepared.json")
    return Prepared(folder, open_snapshot((folder / facts["snapshot"]).resolve()), facts)


def _write_parts(folder: Path, interactions: Interactions, parts: Split) -> None:
    for name in PARTS["all"]:
        getattr(parts, name).write_parquet(folder / f"{name}.parquet")
    if interactions.items is not None:
        interactions.items.write_parquet(folder / "items.parquet")


def _facts(interactions: Interactions, parts: Split) -> dict[str, Any]:
    return {
        "user_kind": interactions.user_kind,
        "item_kind": interactions.item_kind,
        "ordering": interactions.ordering,
        "split": parts.kind,
        "cutoffs": [instant.isoformat() for instant in parts.cutoffs or ()],
        "rows": {name: getattr(parts, name).height for name in PARTS["all"]},
    }
