"""The unit that is registered, promoted, served and rolled back: model and index in one folder, never apart.

======================  ==============================================================================
towers.safetensors      weights of the two towers, with towers.json to build them
users.parquet           `user_id` by user number
items.parquet           `item_id`, `title`, `categories`, `interactions` (popularity) by item number
histories.safetensors   what each user of the vocabulary has seen: `indptr` int64, `item_nums` int32
index.faiss             the index, with index.json telling its kind, parameters and measured recall
config.json             the settings it was made with
report.json             the evaluation, where there was one
per_user.parquet        the evaluation of each test user, where there was one; the gate compares these
manifest.json           name, data digest, version of the package, commit, and the SHA-256 of each file
======================  ==============================================================================

No file is a pickle or holds code. Every load holds every file against its checksum first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys_cl.errors import IntegrityError
from recsys_cl.files import read_json, whole_folder, write_json
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.vocabulary import Vocabulary
from recsys_cl.retrieval.faiss_index import FaissIndex
from recsys_cl.retrieval.manifest import Manifest
from recsys_cl.retrieval.search import Search
from recsys_cl.retrieval.tuning import IndexReport
from recsys_cl.towers.two_tower import TwoTower

REPORT = "report.json"
PER_USER = "per_user.parquet"


@dataclass(frozen=True)
class Bundle:
    """All that recommending takes.

    Attributes:
        towers: the two towers.
        vocabulary: users and items by number.
        items: a row for each item by number: `item_id` as written, `title` (String), `categories` (List of String),
            `interactions` (Int64).
        histories: a row for each user by number.
        search: the index, and what it takes to leave out seen items.
        index: how the index was chosen.
        config: the settings it was made with.
    """

    towers: TwoTower
    vocabulary: Vocabulary
    items: pl.DataFrame
    histories: Histories
    search: Search
    index: IndexReport
    config: Mapping[str, Any]

    @cached_property
    def popularity(self) -> npt.NDArray[np.float64]:
        """Interactions with each item, (n_items,) float64."""
        return self.items["interactions"].to_numpy().astype(np.float64)


@dataclass(frozen=True)
class Origin:
    """Where a bundle comes from.

    Attributes:
        name: of the model.
        fitted_on: the data the towers learned from.
        data_digest: digest of the snapshot (64 hex digits).
        created: the instant (UTC).
    """

    name: str
    fitted_on: Literal["train_and_validation", "all"]
    data_digest: str
    created: datetime


def items_table(vocabulary: Vocabulary, histories: Histories, known: pl.DataFrame | None) -> pl.DataFrame:
    """Return a bundle's table of items.

    Args:
        vocabulary: which items, in which order.
        histories: whose interactions are counted.
        known: `item_id` (String) and, where there are such, `title` and `categories` (`Interactions.items`).
    """
    table = vocabulary.item_ids.to_frame("item_id").with_columns(interactions=pl.Series(histories.counts()))
    columns = {"title": pl.String(), "categories": pl.List(pl.String())}
    if known is not None:
        table = table.join(known.unique("item_id", keep="first"), on="item_id", how="left", maintain_order="left")
    lacking = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in columns.items() if name not in table.columns]
    return table.with_columns(lacking).select(vocabulary.items_as_written().alias("item_id"), *columns, "interactions")


def write_bundle(
    folder: Path,
    bundle: Bundle,
    origin: Origin,
    *,
    report: Mapping[str, Any] | None = None,
    per_user: pl.DataFrame | None = None,
) -> Manifest:
    """Write a bundle, whole or not at all; one that stood there before is replaced.

    Args:
        folder: where to.
        bundle: what recommending takes.
        origin: where it comes from.
        report: the evaluation, JSON-ready.
        per_user: the evaluation of each test user.
    """
    with whole_folder(folder) as scratch:
        bundle.towers.save(scratch)
        bundle.vocabulary.save(scratch)
        bundle.items.write_parquet(scratch / "items.parquet")  # the vocabulary's own file with more columns
        rows = {"indptr": bundle.histories.indptr, "item_nums": bundle.histories.item_nums}
        save_file({name: np.ascontiguousarray(part) for name, part in rows.items()}, scratch / _HISTORIES)
        bundle.search.index.write(scratch / _INDEX)
        write_json(scratch / "index.json", bundle.index.describe())
        write_json(scratch / "config.json", bundle.config)
        if report is not None:
            write_json(scratch / REPORT, report)
        if per_user is not None:
            per_user.write_parquet(scratch / PER_USER)
        return Manifest.seal(
            scratch,
            name=origin.name,
            fitted_on=origin.fitted_on,
            data_digest=origin.data_digest,
            created=origin.created,
        )


def read_bundle(folder: Path) -> tuple[Bundle, Manifest]:
    """Verify a bundle and read it.

    Raises:
        IntegrityError: a file is missing, was changed, is damaged or does not belong there; the message names it.
    """
    manifest = Manifest.verify(folder)
    towers = TwoTower.load(folder)
    vocabulary = Vocabulary.load(folder)
    report = IndexReport.of(read_json(folder / "index.json"))
    index = FaissIndex.read(folder / _INDEX, report.kind, report.parameters)
    bundle = Bundle(
        towers=towers,
        vocabulary=vocabulary,
        items=pl.read_parquet(folder / "items.parquet"),
        histories=_read_histories(folder / _HISTORIES, vocabulary.n_items),
        search=Search(index),
        index=report,
        config=read_json(folder / "config.json"),
    )
    _require_agreement(folder, bundle)
    return bundle, manifest


def read_per_user(folder: Path) -> pl.DataFrame | None:
    """Return the evaluation of each test user that is in a bundle; None where there was none."""
    path = folder / PER_USER
    return pl.read_parquet(path) if path.exists() else None


_HISTORIES = "histories.safetensors"
_INDEX = "index.faiss"


def _read_histories(path: Path, n_items: int) -> Histories:
    try:
        rows = load_file(path)
    except SafetensorError as error:
        raise IntegrityError(f"{path} cannot be read ({error}); it was damaged.") from error
    return Histories(
        rows["indptr"], rows["item_nums"], None, np.ones(len(rows["item_nums"]), dtype=np.float32), n_items
    )


def _require_agreement(folder: Path, bundle: Bundle) -> None:
    sizes = {
        "towers.safetensors": bundle.towers.spec.n_items,
        "items.parquet": bundle.items.height,
        _INDEX: len(bundle.search.index),
    }
    if len(set(sizes.values())) > 1:
        raise IntegrityError(f"The parts of {folder} are of different models; they count these items: {sizes}.")
    if len(bundle.histories) != bundle.vocabulary.n_users:
        raise IntegrityError(
            f"The parts of {folder} are of different models: {len(bundle.histories)} histories of "
            f"{bundle.vocabulary.n_users} users."
        )
