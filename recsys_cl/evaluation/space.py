"""What diagnostics look at: the vectors of a model, and what its users took and are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.histories import Histories

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HeldOut:
    """User-item pairs that the model has not seen, drawn from all there are.

    Attributes:
        users: (p, d) vectors of their users, as `Space.users`.
        item_nums: (p,) int32 their items.
        seen: p rows, what each user had before; never the pair's own item.
        queries: (p, s) vectors with which the users search.
        catalogue: (n_items, s) vectors that are searched; an inner product with a query is a score.
        counts: (n_items,) int64, how often each item is held out.
    """

    users: Vectors
    item_nums: npt.NDArray[np.int32]
    seen: Histories
    queries: Vectors
    catalogue: Vectors
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Space:
    """Some users and all items.

    Attributes:
        users: (u, d) vectors of some users, as they are compared with items.
        items: (n_items, d) vectors of all items, without what is added to the score of an item whoever asks.
        offsets: (n_items,) what is added.
        there_are: how many users the model knows.
        histories: u rows, what these users took.
        interactions: (n_items,) int64 with each item.
        categories: of each item; empty or None where none is known. None where that holds for all.
        titles: of each item, None where it is unknown. None where that holds for all.
        lists: (u, k) int32 item numbers that each user is given, padded with -1; None where nobody could be.
        one_list: (u, k) the same if all users had the mean of their vectors.
        held_out: pairs the model has not seen; None where there are none.
    """

    users: Vectors
    items: Vectors
    offsets: Vectors
    there_are: int
    histories: Histories
    interactions: npt.NDArray[np.int64]
    categories: Sequence[Sequence[str] | None] | None = None
    titles: Sequence[str | None] | None = None
    lists: npt.NDArray[np.int32] | None = None
    one_list: npt.NDArray[np.int32] | None = None
    held_out: HeldOut | None = None


def some(rng: np.random.Generator, among: Numbers, count: int) -> Numbers:
    """Return at most so many ``among`` (n,), in an order that ``rng`` draws."""
    return rng.permutation(among)[:count]


def short(values: npt.NDArray[np.floating]) -> tuple[float, ...]:
    """Return ``values`` (n,) with five digits, which is more than a plot shows."""
    return tuple(float(f"{value:.5g}") for value in values)
