"""Search for as much more as a user has seen, then leave that out: what FAISS does not do by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.histories import Histories
from recsys_cl.retrieval.matches import Matches

WIDEST = 2048
"""Results asked of a search for one query where something else serves who needs more."""

_STEP = 32  # results by which the needs of rows that are searched together may differ
_TOGETHER = 512  # rows that are searched together all the same: a search of a few is slow
_RESULTS = 1 << 23  # results of one search: 96 MiB of numbers and scores
_CELLS = 1 << 21  # bytes of the table in which seen items are marked; fits the caches

Nearest = Callable[[npt.NDArray[np.int64], int], tuple[npt.NDArray[np.integer], npt.NDArray[np.float32]]]
"""Gives item numbers and scores, (r, width) each and best first, of the queries in r rows; -1 where there is none."""


def fill_unseen(
    found: Matches,
    rows: npt.NDArray[np.int64],
    nearest: Nearest,
    seen: Histories | None,
    n_items: int,
    *,
    widest: int,
) -> None:
    """Put the best unseen items of some queries into ``found``, in place and best first.

    Args:
        found: (q, k); rows that need more results than ``widest`` stay as they are.
        rows: numbers of the queries.
        nearest: the search.
        seen: q rows of items to leave out; None leaves out none.
        n_items: items there are to find.
        widest: results that may be asked for.
    """
    k = found.item_nums.shape[1]
    needed = np.full(len(rows), k) if seen is None else k + seen.lengths[rows]
    for some, width in _by_width(np.minimum(needed, n_items), widest):
        asked = rows[some]
        nums, scores = nearest(asked, min(width, n_items))
        kept = nums >= 0 if seen is None else _unseen(nums, seen.take(asked))
        place = kept.cumsum(axis=1, dtype=np.int32)
        kept &= place <= k
        found.item_nums[asked], found.scores[asked] = -1, -np.inf
        row, column = np.nonzero(kept)
        asked, place = asked[row], place[row, column] - 1
        found.item_nums[asked, place] = nums[row, column]
        found.scores[asked, place] = scores[row, column]


def _by_width(needed: npt.NDArray[np.int64], widest: int) -> Iterator[tuple[npt.NDArray[np.int64], int]]:
    """Gather rows that need about as many results; rows that need more than ``widest`` are left out."""
    order = np.argsort(needed, kind="stable")
    order = order[: np.searchsorted(needed[order], widest, side="right")]
    rising = needed[order]
    start = 0
    while start < len(order):
        alike = np.searchsorted(rising, rising[start] + _STEP, side="right")
        stop = min(max(int(alike), start + _TOGETHER), len(order))
        width = int(rising[stop - 1])
        stop = min(stop, start + max(1, _RESULTS // width))
        yield order[start:stop], width
        start = stop


def _unseen(nums: npt.NDArray[np.integer], seen: Histories) -> npt.NDArray[np.bool_]:
    """Tell which of ``nums`` (q, w) are neither padding nor in the row of ``seen`` of the same number, (q, w) bool."""
    kept = nums >= 0
    block = max(1, min(len(nums), _CELLS // seen.n_items))
    cells = np.zeros((block, seen.n_items), dtype=np.bool_)
    for start in range(0, len(nums), block):
        stop = min(start + block, len(nums))
        rows, items = seen.cells(start, stop)
        cells[rows, items] = True
        kept[start:stop] &= ~cells[np.arange(stop - start)[:, None], nums[start:stop]]
        cells[rows, items] = False  # cheaper than a fresh table
    return kept
