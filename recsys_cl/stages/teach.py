"""What a teacher that is too large to serve recommends to the users of a log, for a small model to learn from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from recsys_cl.contrast.precision import quick_dtype
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.retrieval.rough import likeliest
from recsys_cl.towers.two_tower import TwoTower

_SCORES = 1 << 31  # a teacher scores at most so many pairs of user and item
_BLOCK_SCORES = 1 << 25  # of them are held at a time


def taught_users(histories: Histories, seed: int) -> npt.NDArray[np.int64]:
    """Return who is asked about, rising: users with a history, some of them where the catalogue makes all too dear."""
    users = np.flatnonzero(histories.lengths)
    most = max(1, _SCORES // histories.n_items)
    # A stream of its own: were those who are judged the ones who were taught, validation would flatter.
    return np.sort(np.random.default_rng((seed, 1)).permutation(users)[:most])


def lists_of(teacher: TwoTower, histories: Histories, k: int, users: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return the ``k`` items not taken that the teacher ranks first, (n_users, k) int32, -1 where there is none.

    Scores are rounded to what the processor multiplies most quickly: a lesson is no examination.

    Args:
        teacher: scores every item for every history.
        histories: of all users.
        k: length of a list.
        users: numbers of those who are asked about; the lists of others are -1 throughout.
    """
    lists = np.full((len(histories), k), -1, dtype=np.int32)
    dtype = quick_dtype(teacher.device)
    items = torch.from_numpy(teacher.item_vectors()).to(teacher.device, dtype)
    width, block = min(k, len(items)), max(1, _BLOCK_SCORES // len(items))
    for start in range(0, len(users), block):
        some = users[start : start + block]
        queries = Queries(some.astype(np.int32), histories.take(some))
        vectors = torch.from_numpy(teacher.query_vectors(queries))
        best, found = likeliest(vectors, items, queries.histories, 0, width)
        lists[some, :width] = found.masked_fill(best == -torch.inf, -1).cpu().numpy()
    return lists


def popular_lists(histories: Histories, k: int, users: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int32]:
    """Return lists such as `lists_of` gives, drawn by popularity: they teach nothing, but take as long to learn."""
    lists = np.full((len(histories), k), -1, dtype=np.int32)
    counts, shape = histories.counts(), (len(users), k)
    lists[users] = np.random.default_rng(seed).choice(len(counts), shape, p=counts / counts.sum())
    return lists
