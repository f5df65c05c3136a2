"""Search that leaves out what it must and still gives as many items as there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.histories import Histories
from recsys_cl.retrieval.exact import rank_exact, seen_cells
from recsys_cl.retrieval.faiss_index import FaissIndex, Vectors
from recsys_cl.retrieval.matches import Matches

_WIDEST = 2048  # results asked of an approximate index for one query; who needs more is served exhaustively
_FEW_ITEMS = 10_000  # an allowed part of the catalogue no larger than this is searched exhaustively
_STEP = 32  # results by which the widths of two searches differ at least
_RESULTS = 1 << 23  # results of one search of an index: 96 MiB of numbers and scores
_CELLS = 1 << 21  # bytes of the table in which seen items are marked; fits the caches


@dataclass(frozen=True)
class Search:
    """An index, asked so that what it must leave out does not shorten what it gives.

    Exact search multiplies the index's own vectors, with the same routine by which rankings are evaluated, so what
    is served is what was measured, ties included. An approximate index is asked for as many more items as a user
    has seen. A user for whom it comes back with too few is served by looking at all the index holds, in the form in
    which it holds it, so that no other copy of the vectors is needed and all scores of a kind are alike.

    Attributes:
        index: the FAISS index.
    """

    index: FaissIndex

    def __call__(
        self,
        queries: Vectors,
        k: int,
        *,
        seen: Histories | None = None,
        allowed: npt.NDArray[np.bool_] | None = None,
    ) -> Matches:
        """Return the ``k`` best items of each query.

        Args:
            queries: (q, d) float32.
            k: items wanted a query.
            seen: q rows of items never to return; None excludes nothing.
            allowed: (n_items,) bool, the only items that may be returned; None allows all.

        Returns:
            Matches (q, k), padded only where nothing is left to return.
        """
        if self.index.kind != "exact":
            return self._approximate(queries, k, seen, allowed)
        if allowed is None:
            return rank_exact(queries, self.index.vectors, seen, k)
        return _exact_among(np.flatnonzero(allowed), queries, self.index.vectors, seen, k)

    def _approximate(
        self, queries: Vectors, k: int, seen: Histories | None, allowed: npt.NDArray[np.bool_] | None
    ) -> Matches:
        found = Matches(
            np.full((len(queries), k), -1, dtype=np.int32), np.full((len(queries), k), -np.inf, dtype=np.float32)
        )
        needed = np.full(len(queries), k) if seen is None else k + seen.lengths
        searches = [(self.index, _WIDEST), (self.index.exhaustive(), len(self.index))]
        for index, widest in searches[1:] if allowed is not None and allowed.sum() <= _FEW_ITEMS else searches:
            short = np.flatnonzero(found.item_nums[:, -1] < 0)
            for some, width in _by_width(np.minimum(needed[short], len(self.index)), widest):
                rows = short[some]
                nums, scores = index.nearest(queries[rows], width, allowed)
                banned = nums < 0 if seen is None else _seen_among(nums, seen.take(rows))
                places = np.argsort(banned, axis=1, kind="stable")[:, :k]
                kept = ~np.take_along_axis(banned, places, axis=1)
                best = slice(places.shape[1])
                found.item_nums[rows, best] = np.where(kept, np.take_along_axis(nums, places, axis=1), -1)
                found.scores[rows, best] = np.where(kept, np.take_along_axis(scores, places, axis=1), -np.inf)
        _put_lower_numbers_first(found)
        return found


def _exact_among(
    items: npt.NDArray[np.int64], queries: Vectors, vectors: Vectors, seen: Histories | None, k: int
) -> Matches:
    """Rank a part of the catalogue: ``items`` are its item numbers, rising."""
    found = rank_exact(queries, vectors[items], None if seen is None else _within(seen, items), k)
    if len(items) == 0:
        return found
    nums = np.where(found.item_nums >= 0, items[found.item_nums], -1).astype(np.int32)
    return Matches(nums, found.scores)


def _within(seen: Histories, items: npt.NDArray[np.int64]) -> Histories:
    place = np.full(seen.n_items, -1, dtype=np.int32)
    place[items] = np.arange(len(items), dtype=np.int32)
    moved = place[seen.item_nums]
    kept = moved >= 0
    indptr = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])[seen.indptr]
    return Histories(indptr, moved[kept], None, seen.values[kept], len(items))


def _put_lower_numbers_first(found: Matches) -> None:
    """Order equal scores, which rounded vectors often have, by item number, in place."""
    tied = np.flatnonzero((found.scores[:, 1:] == found.scores[:, :-1]).any(axis=1))
    order = np.lexsort((found.item_nums[tied], -found.scores[tied]), axis=1)
    found.item_nums[tied] = np.take_along_axis(found.item_nums[tied], order, axis=1)


def _by_width(needed: npt.NDArray[np.int64], widest: int) -> Iterator[tuple[npt.NDArray[np.int64], int]]:
    """Gather rows that need about as many results; rows that need more than ``widest`` are left out."""
    widths = np.minimum(-(-needed // _STEP) * _STEP, widest)
    for width in np.unique(widths[needed <= widest]):
        rows = np.flatnonzero((widths == width) & (needed <= widest))
        for start in range(0, len(rows), size := max(1, _RESULTS // width)):
            yield rows[start : start + size], int(width)


def _seen_among(nums: npt.NDArray[np.int64], seen: Histories) -> npt.NDArray[np.bool_]:
    """Tell which of ``nums`` (q, w) are padding or in the row of ``seen`` of the same number, (q, w) bool."""
    banned = nums < 0
    block = max(1, min(len(nums), _CELLS // seen.n_items))
    cells = np.zeros((block, seen.n_items), dtype=np.bool_)
    for start in range(0, len(nums), block):
        stop = min(start + block, len(nums))
        rows, items = seen_cells(seen, start, stop)
        cells[rows, items] = True
        banned[start:stop] |= cells[np.arange(stop - start)[:, None], nums[start:stop]]
        cells[rows, items] = False  # cheaper than a fresh table
    return banned
