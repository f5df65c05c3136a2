"""The shape an interaction log has once it is inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

Ordering = Literal["time", "order", "none"]
IdKind = Literal["integer", "string"]

COLUMNS: dict[str, pl.DataType] = {
    "user_id": pl.String(),  # the id as text; `IdKind` tells how a person wrote it
    "item_id": pl.String(),
    "value": pl.Float32(),  # 1.0 where the log has no values
    "time": pl.Datetime("us", "UTC"),  # null throughout unless ordering is "time"
    "position": pl.Int64(),  # row number over all source files in order; tells the order when there are no times
    "part": pl.String(),  # "train", or "test" for rows that came as the test of a given split
}


@dataclass(frozen=True)
class Interactions:
    """A clean log, ready to be split.

    Attributes:
        frame: `COLUMNS`, sorted by (time, position).
        ordering: what tells before from after: "time" (instants), "order" (position alone) or "none".
        user_kind: how users are written outside: integers or strings.
        item_kind: the same for items.
        digest: SHA-256 of the content, by which caches and reports know this log.
        items: `item_id` (String), `title` (String), `categories` (List of String) where known; else None.
        source: a few words for reports: file or data set name, and "synthetic" if it is.
    """

    frame: pl.DataFrame
    ordering: Ordering
    user_kind: IdKind
    item_kind: IdKind
    digest: str
    items: pl.DataFrame | None
    source: str


def as_written(ids: pl.Series, kind: IdKind) -> pl.Series:
    """Give ids (String) the type they had outside: Int64 for kind "integer", String otherwise."""
    return ids.cast(pl.Int64) if kind == "integer" else ids
