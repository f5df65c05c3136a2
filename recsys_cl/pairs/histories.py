"""What each user did, as ragged rows of item numbers, oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from recsys_cl.pairs.vocabulary import Vocabulary


@dataclass(frozen=True)
class Histories:
    """Ragged rows of items (compressed sparse rows).

    Attributes:
        indptr: (rows + 1,) int64; row r is ``item_nums[indptr[r]:indptr[r + 1]]``, oldest first.
        item_nums: (n,) int32, never -1.
        times: (n,) int64 microseconds since 1970 (UTC), or None where the log has no times.
        values: (n,) float32.
        n_items: size of the catalogue the numbers refer to.
    """

    indptr: npt.NDArray[np.int64]
    item_nums: npt.NDArray[np.int32]
    times: npt.NDArray[np.int64] | None
    values: npt.NDArray[np.float32]
    n_items: int

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Items in each row, (rows,) int64."""
        return np.diff(self.indptr)

    def row(self, number: int) -> npt.NDArray[np.int32]:
        """Return the items of one row, oldest first, (length,) int32."""
        return self.item_nums[self.indptr[number] : self.indptr[number + 1]]

    def cells(self, start: int, stop: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return row (from 0 at ``start``) and item number of everything in rows ``start`` to ``stop``."""
        rows = np.repeat(np.arange(stop - start), self.lengths[start:stop])
        return rows, self.item_nums[self.indptr[start] : self.indptr[stop]]

    def take(self, rows: npt.NDArray[np.integer]) -> Histories:
        """Return the rows asked for, in that order; -1 gives an empty row."""
        known = rows >= 0
        safe = np.where(known, rows, 0)
        lengths = np.where(known, self.indptr[safe + 1] - self.indptr[safe], 0) if len(self) else np.zeros(len(rows))
        indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        starts = np.repeat(self.indptr[safe] - indptr[:-1], lengths.astype(np.int64)) if len(self) else np.zeros(0)
        where = (starts + np.arange(indptr[-1])).astype(np.int64)
        times = None if self.times is None else self.times[where]
        return Histories(indptr, self.item_nums[where], times, self.values[where], self.n_items)

    def counts(self) -> npt.NDArray[np.int64]:
        """Return how often each item occurs, (n_items,) int64."""
        return np.bincount(self.item_nums, minlength=self.n_items)

    def matrix(self) -> sp.csr_matrix:
        """Return the rows as a binary matrix (rows, n_items) float32 with sorted, unique columns."""
        ones = np.ones(len(self.item_nums), dtype=np.float32)
        matrix = sp.csr_matrix((ones, self.item_nums, self.indptr), shape=(len(self), self.n_items), copy=True)
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        return matrix


@dataclass(frozen=True)
class Queries:
    """Users to recommend to.

    Attributes:
        user_nums: (q,) int32; -1 for a user the vocabulary lacks, who is served from history alone.
        histories: q rows, what each has seen.
    """

    user_nums: npt.NDArray[np.int32]
    histories: Histories

    def __len__(self) -> int:
        return len(self.user_nums)

    def slice(self, start: int, stop: int) -> Queries:
        """Return queries ``start`` to ``stop``."""
        rows = np.arange(start, min(stop, len(self)))
        return Queries(self.user_nums[rows], self.histories.take(rows))


def histories_of(frame: pl.DataFrame, vocabulary: Vocabulary) -> Histories:
    """Return one row for each user of the vocabulary, from a frame of `interactions.schema.COLUMNS`.

    Rows whose user or item the vocabulary lacks are left out; repeats stay.
    """
    users = vocabulary.user_nums(frame["user_id"])
    return ragged(frame, users, vocabulary, vocabulary.n_users)


def ragged(frame: pl.DataFrame, rows: npt.NDArray[np.integer], vocabulary: Vocabulary, n_rows: int) -> Histories:
    """Gather ``frame`` into ``n_rows`` ragged rows; ``rows`` (len(frame),) gives each interaction its row or -1."""
    items = vocabulary.item_nums(frame["item_id"])
    timed = frame["time"].null_count() == 0
    times = frame["time"].dt.epoch("us").to_numpy() if timed else None
    order = np.lexsort((frame["position"].to_numpy(), times if times is not None else np.zeros(len(rows)), rows))
    order = order[(rows[order] >= 0) & (items[order] >= 0)]
    counts = np.bincount(rows[order], minlength=n_rows)
    return Histories(
        np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
        np.ascontiguousarray(items[order]),
        None if times is None else times[order],
        frame["value"].to_numpy()[order].astype(np.float32),
        vocabulary.n_items,
    )
