"""The same user and item again: what is an exact repeat, and which of the others is kept."""

from __future__ import annotations

from typing import Literal

import polars as pl

from recsys_cl.interactions.schema import Ordering

Policy = Literal["first", "last", "all"]

_PAIR = "pair"


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
    pairs = rows.select(
        ((pl.col("user").cast(pl.UInt64) * 2**32) + pl.col("item").cast(pl.UInt64)).alias(_PAIR)
    ).to_series()
    again = ~pairs.is_first_distinct()
    if not again.any():
        return rows, rows.clear(), 0
    several = pairs.is_in(pairs.filter(again).unique().implode())
    some = rows.filter(several).with_columns(pairs.filter(several))
    exact = _exact(some, policy, ordering)
    left = some.filter(~exact)
    kept = _kept(left, policy)
    out = some.filter(exact).drop(_PAIR)
    single = rows.filter(~several)
    return pl.concat([single, kept.drop(_PAIR)]).sort("position"), out, left.height - kept.height


def _exact(rows: pl.DataFrame, policy: Policy, ordering: Ordering) -> pl.Series:
    if ordering == "order" or (ordering == "none" and policy == "all"):
        return pl.Series([False]).new_from_index(0, rows.height)
    return ~rows.select(pl.struct(_PAIR, "value", "time")).to_series().is_first_distinct()


def _kept(rows: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    if policy == "all":
        return rows
    return rows.sort("time", "position").unique(_PAIR, keep=policy, maintain_order=True)
