"""What a contender is handed and what it hands back: plain numbers, the same in every environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Lists = npt.NDArray[np.int32]

_BLOCK_USERS = 1024


@dataclass(frozen=True)
class Log:
    """The part of a log that is learnt from, users and items being numbered from 0.

    Attributes:
        indptr: (n_users + 1,) int64; user u did ``item_nums[indptr[u]:indptr[u + 1]]``, oldest first.
        item_nums: (n,) int32.
        n_items: size of the catalogue.
        test_users: (q,) int32, whom to recommend to.
    """

    indptr: npt.NDArray[np.int64]
    item_nums: npt.NDArray[np.int32]
    n_items: int
    test_users: npt.NDArray[np.int32]

    @property
    def n_users(self) -> int:
        """Users who did anything."""
        return len(self.indptr) - 1

    @cached_property
    def user_nums(self) -> npt.NDArray[np.int32]:
        """Who did it, for each of ``item_nums``, (n,) int32."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), np.diff(self.indptr))

    @cached_property
    def places(self) -> npt.NDArray[np.int64]:
        """How many things the same user had done before, for each of ``item_nums``, (n,) int64."""
        return np.arange(len(self.item_nums)) - self.indptr[self.user_nums]

    @cached_property
    def matrix(self) -> sp.csr_matrix:
        """Return who did what as a binary matrix, (n_users, n_items) float32."""
        ones = np.ones(len(self.item_nums), dtype=np.float32)
        return sp.csr_matrix((ones, (self.user_nums, self.item_nums)), shape=(self.n_users, self.n_items))

    def save(self, path: Path) -> None:
        """Write to one `.npz` without pickles."""
        np.savez(path, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> Log:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["indptr"], arrays["item_nums"], int(arrays["n_items"]), arrays["test_users"])


@dataclass(frozen=True)
class Fitted:
    """A contender that has learnt.

    Attributes:
        recommend: given k, returns (q, k) item numbers for the log's test users, best first, without what each has
            seen, padded with -1.
        bytes_per_item: what must be in memory for each item to serve it: float32 vectors, or rows of a matrix of items.
    """

    recommend: Callable[[int], Lists]
    bytes_per_item: float


def checked(lists: Lists, log: Log, k: int) -> Lists:
    """Return the lists if they are what `Fitted` promises.

    Raises:
        ValueError: they have the wrong shape, unknown items, items that the user has seen, or an item twice.
    """
    if lists.shape != (len(log.test_users), k):
        raise ValueError(f"lists of shape {lists.shape} for {len(log.test_users)} users and k = {k}")
    if lists.min() < -1 or lists.max() >= log.n_items:
        raise ValueError(f"item numbers from {lists.min()} to {lists.max()} in a catalogue of {log.n_items}")
    for user, items in zip(log.test_users, lists, strict=True):
        given = items[items >= 0]
        if len(np.unique(given)) < len(given):
            raise ValueError(f"user {user} is given an item twice")
        if np.isin(given, log.item_nums[log.indptr[user] : log.indptr[user + 1]]).any():
            raise ValueError(f"user {user} is given a seen item")
    return lists


def without_seen(lists: Lists, log: Log) -> Lists:
    """Return the lists with -1 in the place of seen items, which a library may fill up short lists with."""
    seen = np.asarray(log.matrix[log.test_users[:, None].repeat(lists.shape[1], 1).ravel(), lists.ravel()])
    return np.where(seen.reshape(lists.shape) > 0, -1, lists).astype(np.int32)


def rank_vectors(
    log: Log, user_vectors: npt.NDArray[np.float32], item_vectors: npt.NDArray[np.float32], k: int
) -> Lists:
    """Rank by inner product, for libraries that leave it to the caller.

    Args:
        log: whose test users are asked.
        user_vectors: (q, d), a row for each test user.
        item_vectors: (n_items, d).
        k: length of the lists, no more than there are items.
    """
    blocks = []
    for start in range(0, len(log.test_users), _BLOCK_USERS):
        scores = user_vectors[start : start + _BLOCK_USERS] @ item_vectors.T  # (block, n_items)
        seen = log.matrix[log.test_users[start : start + _BLOCK_USERS]]
        scores[seen.nonzero()] = -np.inf
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1), axis=1)
        best[np.isneginf(np.take_along_axis(scores, best, axis=1))] = -1
        blocks.append(best.astype(np.int32))
    return np.concatenate(blocks)


def lists_of(
    log: Log, users: npt.NDArray[np.integer], items: npt.NDArray[np.integer], ranks: npt.NDArray[np.integer], k: int
) -> Lists:
    """Return the lists that a long table (user, item, rank from 1) holds."""
    row_of = np.full(log.n_users, -1)
    row_of[log.test_users] = np.arange(len(log.test_users))
    lists = np.full((len(log.test_users), k), -1, dtype=np.int32)
    lists[row_of[users], ranks - 1] = items
    return lists
