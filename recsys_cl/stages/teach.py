"""What a teacher that is too large to serve recommends to the users of a log, for a small model to learn from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.retrieval.exact import rank_exact
from recsys_cl.towers.two_tower import TwoTower

_SCORES = 1 << 29  # a teacher scores at most so many pairs of user and item
_BLOCK = 4096  # users whose vectors are held at a time


def taught_users(histories: Histories, seed: int) -> npt.NDArray[np.int64]:
    """Return who is asked about, rising: users with a history, some of them where the catalogue makes all too dear."""
    users = np.flatnonzero(histories.lengths)
    most = max(1, _SCORES // histories.n_items)
    return np.sort(np.random.default_rng(seed).permutation(users)[:most])


def lists_of(teacher: TwoTower, histories: Histories, k: int, seed: int) -> npt.NDArray[np.int32]:
    """Return the ``k`` items not taken that the teacher ranks first, (n_users, k) int32; -1 for who is not asked about.

    Args:
        teacher: scores every item for every history.
        histories: of all users.
        k: length of a list.
        seed: of the draw of users.
    """
    lists = np.full((len(histories), k), -1, dtype=np.int32)
    users, items = taught_users(histories, seed), teacher.item_vectors()
    for start in range(0, len(users), _BLOCK):
        some = users[start : start + _BLOCK]
        queries = Queries(some.astype(np.int32), histories.take(some))
        lists[some] = rank_exact(teacher.query_vectors(queries), items, queries.histories, k).item_nums
    return lists


def popular_lists(histories: Histories, k: int, seed: int) -> npt.NDArray[np.int32]:
    """Return lists such as `lists_of` gives, drawn by popularity: they teach nothing, but take as long to learn."""
    lists = np.full((len(histories), k), -1, dtype=np.int32)
    users, counts = taught_users(histories, seed), histories.counts()
    shape = (len(users), k)
    lists[users] = np.random.default_rng(seed).choice(len(counts), shape, p=counts / counts.sum())
    return lists
