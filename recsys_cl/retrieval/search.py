"""Search that leaves out what it must and still gives as many items as there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.histories import Histories
from recsys_cl.retrieval.exact import rank_exact
from recsys_cl.retrieval.faiss_index import FaissIndex, Vectors
from recsys_cl.retrieval.matches import Matches
from recsys_cl.retrieval.unseen import WIDEST, fill_unseen

_FEW_ITEMS = 10_000  # an allowed part of the catalogue no larger than this is searched exhaustively


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
        found = Matches.none(len(queries), k)
        searches = [(self.index, WIDEST), (self.index.exhaustive(), len(self.index))]
        for index, widest in searches[1:] if allowed is not None and allowed.sum() <= _FEW_ITEMS else searches:
            short = np.flatnonzero(found.item_nums[:, -1] < 0)
            nearest = partial(_nearest, index, queries, allowed)
            fill_unseen(found, short, nearest, seen, len(self.index), widest=widest)
        found.put_lower_numbers_first()
        return found


def _nearest(
    index: FaissIndex, queries: Vectors, allowed: npt.NDArray[np.bool_] | None, rows: npt.NDArray[np.int64], width: int
) -> tuple[npt.NDArray[np.int64], Vectors]:
    return index.nearest(queries[rows], width, allowed)


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
