"""The k-core of a log: users and items with enough interactions, found with counts alone in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from recsys_cl.interactions.buckets import Buckets


class Degrees:
    """How many interactions each user and each item has, counted as rows come.

    Args:
        users: number of users known.
        items: number of items known.
    """

    def __init__(self, users: int, items: int) -> None:
        self.users = np.zeros(users, np.int64)
        self.items = np.zeros(items, np.int64)

    def count(self, rows: pl.DataFrame) -> None:
        """Count some rows."""
        self.users += np.bincount(rows["user"].to_numpy(), minlength=len(self.users))
        self.items += np.bincount(rows["item"].to_numpy(), minlength=len(self.items))

    def suffices(self, rows: pl.DataFrame, user_core: int, item_core: int) -> pl.Series:
        """Tell which rows have a user and an item with enough interactions."""
        users = self.users[rows["user"].to_numpy()] >= user_core
        items = self.items[rows["item"].to_numpy()] >= item_core
        return pl.Series(users & items)

    def short(self, user_core: int, item_core: int) -> bool:
        """Tell whether someone or something has interactions, but too few."""
        return bool(
            ((self.users > 0) & (self.users < user_core)).any() or ((self.items > 0) & (self.items < item_core)).any()
        )


def to_core(
    rows: Buckets,
    degrees: Degrees,
    user_core: int,
    item_core: int,
    store: Callable[[], Buckets],
) -> tuple[Buckets, Degrees, int]:
    """Drop users and items with too few interactions until all have enough.

    Args:
        rows: parts of the log.
        degrees: of all rows.
        user_core: fewest interactions of a user.
        item_core: fewest interactions of an item.
        store: makes a place for the parts that are left after a round.

    Returns:
        The parts left, their degrees, and how many rows were dropped.
    """
    dropped = 0
    while degrees.short(user_core, item_core):
        left, place = Degrees(len(degrees.users), len(degrees.items)), store()
        for part in rows:
            kept = part.filter(degrees.suffices(part, user_core, item_core))
            dropped += part.height - kept.height
            left.count(kept)
            place.add(kept)
        rows, degrees = place, left
    return rows, degrees, dropped
