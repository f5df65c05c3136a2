"""Which items the same users take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.ragged import positions

_RECENT = 200  # items of a history that are looked at: pairs grow with its square
_BLOCK = 2048  # items whose neighbours are sought together


def most_similar_items(histories: Histories, k: int) -> npt.NDArray[np.int32]:
    """Return the ``k`` items whose users are most like an item's, best first, (n_items, k) int32; -1 for none.

    They are alike by the cosine of who took them.

    Args:
        histories: of which the most recent 200 items each are looked at.
        k: neighbours of an item, which is none of its own.
    """
    recent = _recent(histories)
    lengths = np.sqrt(np.asarray(recent.sum(0)).ravel())
    users = (recent @ sp.diags(1 / np.maximum(lengths, 1))).tocsc()
    found = np.full((histories.n_items, k), -1, dtype=np.int32)
    for start in range(0, histories.n_items, _BLOCK):
        cosines = (users[:, start : start + _BLOCK].T @ users).tocsr()
        rows = np.repeat(np.arange(cosines.shape[0]), np.diff(cosines.indptr))
        others = cosines.indices != rows + start
        rows, items, scores = rows[others], cosines.indices[others], cosines.data[others]
        order = np.lexsort((items, -scores, rows))
        rows, items = rows[order], items[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        near = rank < k
        found[rows[near] + start, rank[near]] = items[near]
    return found


def _recent(histories: Histories) -> sp.csr_matrix:
    """Return who took what of late, (rows, n_items) float32, each once."""
    lengths = np.minimum(histories.lengths, _RECENT)
    items = histories.item_nums[positions(histories.indptr[1:] - lengths, lengths)]
    rows = np.repeat(np.arange(len(histories)), lengths)
    matrix = sp.csr_matrix((np.ones(len(items), np.float32), (rows, items)), (len(histories), histories.n_items))
    matrix.data[:] = 1.0
    return matrix
