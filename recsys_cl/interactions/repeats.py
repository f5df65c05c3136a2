"""The same user and item again: what is an exact repeat, and which of the others is kept."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from recsys_cl.interactions.schema import Ordering

Policy = Literal["first", "last", "all"]
Mask = npt.NDArray[np.bool_]


def part_repeats(rows: pl.DataFrame, policy: Policy, ordering: Ordering) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Take repeats out of rows that hold all interactions of their users.

    A row is an exact repeat if an earlier one (by position) has the same user, item, value and time. Where rows have
    no times, being repeated can be all that a second row says: there it is an exact repeat only if order tells
    nothing and the policy does not keep all.

    Args:
        rows: as in `clean.ROWS`, sorted by position.
        policy: which of a user's interactions with an item is kept, by time and position.
        ordering: what tells before from after in the log.

    Returns:
        The rows kept (sorted by position), the exact repeats, and how many other rows the policy took out.
    """
    pairs = rows.select((pl.col("user").cast(pl.UInt64) * 2**32 + pl.col("item")).alias("pair")).to_series()
    if pairs.n_unique() == len(pairs):
        return rows, rows.clear(), 0
    numbers = np.flatnonzero(pairs.is_duplicated().to_numpy())
    some = rows.select(pairs, pl.col("time").cast(pl.Int64).fill_null(0), "value")[numbers]
    some = some.with_columns(number=pl.Series(numbers)).sort("pair", "time", "value", "number")
    exact = _exact(some, policy, ordering)
    left = some.filter(pl.Series(~exact))
    kept = _kept(left, policy)
    stays, leaves = np.ones(rows.height, np.bool_), np.zeros(rows.height, np.bool_)
    stays[numbers] = False
    stays[kept] = True
    leaves[some["number"].to_numpy()[exact]] = True
    return rows.filter(pl.Series(stays)), rows.filter(pl.Series(leaves)), left.height - len(kept)


def _exact(some: pl.DataFrame, policy: Policy, ordering: Ordering) -> Mask:
    """Tell which rows, sorted by all columns, are like the one above in all but their number."""
    repeated = np.zeros(some.height, np.bool_)
    if ordering == "time" or (ordering == "none" and policy != "all"):
        columns = [some[name].to_numpy() for name in ("pair", "time", "value")]
        repeated[1:] = np.logical_and.reduce([column[1:] == column[:-1] for column in columns])
    return repeated


def _kept(left: pl.DataFrame, policy: Policy) -> npt.NDArray[np.int64]:
    """Return the numbers of the rows that the policy keeps, from rows sorted by pair and time."""
    numbers: npt.NDArray[np.int64] = left["number"].to_numpy()
    if policy == "all":
        return numbers
    pairs, times = left["pair"].to_numpy(), left["time"].to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]]))
    sizes = np.diff(starts, append=len(pairs))
    # Several rows can have the time that counts; position, which numbers follow, decides between them.
    if policy == "first":
        candidates = np.where(times == np.repeat(times[starts], sizes), numbers, np.iinfo(np.int64).max)
        return np.minimum.reduceat(candidates, starts)
    candidates = np.where(times == np.repeat(times[starts + sizes - 1], sizes), numbers, -1)
    return np.maximum.reduceat(candidates, starts)
