"""Items like those in the history, likeness being cosine between the sets of users that chose them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor

from recsys_cl.config import EvaluateConfig
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.retrieval.exact import rank_blocks, top_k
from recsys_cl.retrieval.matches import Matches

NEIGHBOURS = 100
SHRINKAGE = 10.0
_BLOCK_CELLS = 1 << 23  # likenesses held at a time: 32 MiB of float32


@dataclass(frozen=True)
class ItemKNN:
    """Scores an item by the sum of its likenesses to the items of the history.

    An item without any likeness to the history is not recommended, so rows can be shorter than asked for.

    Attributes:
        name: the name reports use.
        likeness: (n_items, n_items) float32 sparse; column j holds item j's neighbours.
    """

    name: str
    likeness: sp.csr_matrix

    def rank(self, queries: Queries, k: int, *, exclude_seen: bool = True) -> Matches:
        """Return the ``k`` items most like what each user has seen."""
        history = queries.histories.matrix()

        def score_block(start: int, stop: int) -> Tensor:
            return torch.from_numpy((history[start:stop] @ self.likeness).toarray())  # (block, n_items)

        seen = queries.histories if exclude_seen else None
        return rank_blocks(score_block, len(queries), self.likeness.shape[0], k, seen=seen, above=0.0)


def fit(histories: Histories, *, seed: int, config: EvaluateConfig) -> ItemKNN:  # noqa: ARG001 - one signature
    """Find each item's `NEIGHBOURS` nearest, by cosine with shrinkage (Sarwar et al., 2001; Bell and Koren, 2007).

    likeness(i, j) = users of both / (sqrt(users of i * users of j) + `SHRINKAGE`): a likeness that rests on few
    users is drawn towards 0. Memory is bounded by a block of rows and the neighbours kept.
    """
    by_user = histories.matrix()  # (users, n_items)
    by_item = by_user.T.tocsr()
    norms = np.sqrt(np.diff(by_item.indptr)).astype(np.float32)
    size = max(1, _BLOCK_CELLS // max(histories.n_items, 1))
    blocks = [
        _nearest(by_item, by_user, norms, np.arange(start, min(start + size, histories.n_items)))
        for start in range(0, histories.n_items, size)
    ]
    return ItemKNN("item_knn", sp.vstack(blocks).T.tocsr())


def _nearest(
    by_item: sp.csr_matrix, by_user: sp.csr_matrix, norms: npt.NDArray[np.float32], items: npt.NDArray[np.int64]
) -> sp.csr_matrix:
    both = by_item[items] @ by_user  # (block, n_items): users of both
    both.sort_indices()
    rows = np.repeat(np.arange(len(items)), np.diff(both.indptr))
    likeness = both.data / (norms[items[rows]] * norms[both.indices] + np.float32(SHRINKAGE))
    likeness[both.indices == items[rows]] = 0.0  # an item is no neighbour of itself
    # The cells of a row are pushed together, in item order, so that only pairs with a user in common are compared.
    width = int(np.diff(both.indptr).max(initial=1))
    packed = np.zeros((len(items), width), dtype=np.float32)
    packed[rows, np.arange(len(rows)) - both.indptr[rows]] = likeness
    best = top_k(torch.from_numpy(packed), NEIGHBOURS, above=0.0)
    found = best.item_nums >= 0
    cells = (both.indptr[:-1, None] + best.item_nums)[found]
    indptr = np.concatenate([[0], np.cumsum(found.sum(axis=1))])
    return sp.csr_matrix((best.scores[found], both.indices[cells], indptr), shape=both.shape)
