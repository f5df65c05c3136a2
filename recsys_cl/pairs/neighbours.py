"""How often items come near each other in ordered histories: positives of items and items."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.ragged import row_numbers


def has_neighbours(histories: Histories) -> bool:
    """Return whether anybody took two different items, so that `neighbours_of` has an entry."""
    users, items = row_numbers(histories.lengths), histories.item_nums
    return bool(((users[1:] == users[:-1]) & (items[1:] != items[:-1])).any())


def most_entries(histories: Histories, window: int) -> int:
    """Return how many entries `neighbours_of` has at most."""
    return int(2 * np.minimum(np.maximum(histories.lengths - 1, 0), window).dot(histories.lengths))


def neighbours_of(histories: Histories, window: int, exponent: float) -> sp.csr_matrix:
    """Return the weights of all pairs of neighbours, (n_items, n_items) float32, symmetric with an empty diagonal.

    Items at places k apart in one history weigh k^-``exponent``, and what they weigh in all histories is summed.

    Args:
        histories: rows of items in order.
        window: how far apart neighbours are at most.
        exponent: how fast farther neighbours count less.
    """
    users, items = row_numbers(histories.lengths), np.asarray(histories.item_nums)
    shape = (histories.n_items, histories.n_items)
    following = sp.csr_matrix(shape, dtype=np.float32)
    for apart in range(1, min(window, int(histories.lengths.max(initial=0)) - 1) + 1):
        near = users[apart:] == users[:-apart]
        pair = items[:-apart][near], items[apart:][near]
        weights = np.full(len(pair[0]), apart**-exponent, dtype=np.float32)
        following += sp.csr_matrix((weights, pair), shape=shape)
    following.setdiag(0)  # that an item was taken again tells nothing of others
    both = (following + following.T).tocsr()
    both.eliminate_zeros()
    both.sort_indices()
    return both
