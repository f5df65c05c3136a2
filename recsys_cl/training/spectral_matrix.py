"""The matrix that the closed form decomposes: R of a log, whole or as blocks of users that are made anew when read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys_cl.config import SpectralConfig
from recsys_cl.contrast.closed_form.rows import Matrix
from recsys_cl.errors import InputError
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.neighbours import neighbours_of
from recsys_cl.pairs.ragged import row_numbers

_HELD = 1 << 27  # interactions of a block; a log with more is read from disk in every round, not held
Sums = npt.NDArray[np.float32]


def normalised(histories: Histories, config: SpectralConfig, *, ordered: bool) -> tuple[Matrix, Sums]:
    """Return R, as in `training.spectral`, (users or items, n_items) float32, and the sums (n_items,) of M's columns.

    Raises:
        InputError: neighbours are sought where there is no order.
    """
    if config.spectral_positives == "user_item":
        return _of_users(histories, config, config.pair_age_exponent if ordered else 0.0)
    if not ordered:
        raise InputError("The log tells no order, so items have no neighbours; use --spectral-positives user_item.")
    return _of_neighbours(histories, config)


def power(sums: Sums, exponent: float) -> Sums:
    """Return ``sums`` to a power, and zero where they are zero: who did nothing is nowhere."""
    raised = np.zeros_like(sums)
    np.power(sums, np.float32(exponent), out=raised, where=sums > 0)
    return raised


def _of_neighbours(histories: Histories, config: SpectralConfig) -> tuple[sp.csr_matrix, Sums]:
    weights = neighbours_of(histories, config.neighbour_window, config.neighbour_exponent)
    item_sums = np.asarray(weights.sum(axis=0), np.float32).ravel()
    scale = power(item_sums, -config.item_exponent)
    weights.data *= np.repeat(scale, np.diff(weights.indptr)) * scale[weights.indices]
    return weights, item_sums


def _of_users(histories: Histories, config: SpectralConfig, age_exponent: float) -> tuple[Matrix, Sums]:
    cuts = np.searchsorted(histories.indptr, np.arange(_HELD, len(histories.item_nums), _HELD))
    bounds = np.unique([0, *cuts, len(histories)])
    blocks = _Users(histories, bounds, age_exponent, config.user_exponent)
    item_sums = np.zeros(histories.n_items)
    for number in range(len(blocks)):
        items, weights = blocks.weighed(number)
        item_sums += np.bincount(items, weights, histories.n_items)
    blocks.by_item = power(item_sums.astype(np.float32), -config.item_exponent)
    return blocks[0] if len(blocks) == 1 else blocks, item_sums.astype(np.float32)


@dataclass
class _Users(Sequence[sp.csr_matrix]):
    """R as blocks of users, each made anew whenever it is asked for.

    Attributes:
        histories: which may lie on disk.
        bounds: (blocks + 1,) int64, where blocks begin and end.
        age_exponent: of M.
        user_exponent: of R.
        by_item: (n_items,) float32, what columns of M are multiplied by.
    """

    histories: Histories
    bounds: npt.NDArray[np.int64]
    age_exponent: float
    user_exponent: float

    def __post_init__(self) -> None:
        self.by_item = np.ones(self.histories.n_items, np.float32)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @overload
    def __getitem__(self, number: int) -> sp.csr_matrix: ...
    @overload
    def __getitem__(self, number: slice) -> list[sp.csr_matrix]: ...
    def __getitem__(self, number: int | slice) -> sp.csr_matrix | list[sp.csr_matrix]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(number)
        items, weights = self.weighed(number)
        indptr = self._indptr(number)
        users = row_numbers(np.diff(indptr))
        user_sums = np.bincount(users, weights, len(indptr) - 1).astype(np.float32)
        weights *= power(user_sums, -self.user_exponent)[users] * self.by_item[items]
        return sp.csr_matrix((weights, items, indptr), shape=(len(indptr) - 1, self.histories.n_items))

    def weighed(self, number: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return the items of a block, and their weights in M."""
        indptr = self._indptr(number)
        first = self.histories.indptr[self.bounds[number]]
        # A copy, because torch warns of what lies on disk and can't be written.
        items = np.array(self.histories.item_nums[first : first + indptr[-1]])
        ages = np.repeat(indptr[1:], np.diff(indptr)) - np.arange(indptr[-1])
        return items, ages.astype(np.float32) ** np.float32(-self.age_exponent)

    def _indptr(self, number: int) -> npt.NDArray[np.int64]:
        start, stop = self.bounds[number : number + 2]
        within = self.histories.indptr[start : stop + 1]
        return np.asarray(within - within[0])
