"""Marks of parts: users with short and long histories, popular and rare items, cold users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import polars as pl

POPULARITY_PARTS = ("head", "mid", "tail")
"""Items by popularity, each part holding about a third of all interactions; see `catalogue.thirds`."""

_HISTORY_STARTS = (0, 1, 3, 6, 11, 21, 51, 101)


@dataclass(frozen=True)
class Group:
    """Some users and the means of their metrics.

    Attributes:
        users: how many.
        metrics: mean of each metric over them; empty where there are none.
    """

    users: int
    metrics: dict[str, float]

    @classmethod
    def of(cls, per_user: pl.DataFrame) -> Self:
        """Average the metrics of ``per_user`` (`protocol.Evaluation.per_user`)."""
        names = [name for name in per_user.columns if "_at_" in name and not name.startswith("recall_of_")]
        means = per_user.select(pl.col(names).mean()).row(0, named=True) if per_user.height else {}
        return cls(per_user.height, means)


@dataclass(frozen=True)
class Slice:
    """One part of the headline users, or of what they should have found.

    Attributes:
        by: what divides the parts.
        label: which part, in words; parts come in their natural order.
        users: users in it, or users with such an item to find.
        metrics: means over those users.
    """

    by: Literal["history_length", "item_popularity"]
    label: str
    users: int
    metrics: dict[str, float]


def history_slices(per_user: pl.DataFrame) -> list[Slice]:
    """Slice the headline users by how many items they had seen; parts without users are left out."""
    asked = _headline(per_user)
    found = []
    for start, following in zip(_HISTORY_STARTS, (*_HISTORY_STARTS[1:], None), strict=True):
        inside = pl.col("history_length") >= start
        inside &= pl.lit(True) if following is None else pl.col("history_length") < following
        group = Group.of(asked.filter(inside))
        if group.users:
            found.append(Slice("history_length", _range(start, following), group.users, group.metrics))
    return found


def popularity_slices(per_user: pl.DataFrame, ks: list[int]) -> list[Slice]:
    """Slice what the headline users should have found by popularity; parts nobody had to find are left out."""
    asked = _headline(per_user)
    found = []
    for part in POPULARITY_PARTS:
        columns = {f"recall_at_{k}": asked[f"recall_of_{part}_at_{k}"] for k in ks}
        users = asked.height - columns[f"recall_at_{ks[0]}"].null_count()
        if users:
            means = {name: float(column.mean()) for name, column in columns.items()}  # type: ignore[arg-type]  # polars says mean may be a date
            found.append(Slice("item_popularity", part, users, means))
    return found


def _headline(per_user: pl.DataFrame) -> pl.DataFrame:
    return per_user.filter(pl.col("warm") & (pl.col("n_relevant") > 0))


def _range(start: int, following: int | None) -> str:
    if following is None:
        return f"{start}+"
    return str(start) if following == start + 1 else f"{start} to {following - 1}"
