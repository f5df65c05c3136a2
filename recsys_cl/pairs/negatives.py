"""Which candidates a batch shares as negatives, how likely each was to be among them, and which are none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from recsys_cl.config import TrainConfig
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.ragged import positions, row_numbers


@dataclass(frozen=True)
class Negatives:
    """What candidates a batch has beside its positives, shared by its queries.

    An item that several sources could have given has one sampling distribution, their mixture, whichever of them it
    came from (mixed negatives, Yang et al. 2020).

    Attributes:
        n_items: size of the catalogue.
        in_batch: whether the positives of other queries are negatives.
        uniform: items drawn uniformly.
        popular: items drawn by ``popularity``.
        popularity: (n_items,) float64, adding up to one; None where none are drawn by it.
        untaken: (n_items,) bool, items that nobody took: to go without them says nothing, so they are no negatives;
            None where there are none.
    """

    n_items: int
    in_batch: bool = True
    uniform: int = 0
    popular: int = 0
    popularity: npt.NDArray[np.float64] | None = None
    untaken: npt.NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, histories: Histories, config: TrainConfig) -> Self:
        """Return what is asked for; popularity is a power of interactions, as in word2vec (Mikolov et al. 2013)."""
        counts = histories.counts()
        untaken = counts == 0
        weights = (
            counts.astype(np.float64) ** config.popularity_exponent * ~untaken if config.popular_negatives else None
        )
        return cls(
            histories.n_items,
            config.in_batch_negatives,
            config.uniform_negatives,
            config.popular_negatives,
            None if weights is None else weights / weights.sum(),
            untaken if untaken.any() else None,
        )

    def drawn(self, rng: np.random.Generator) -> npt.NDArray[np.int32]:
        """Return items drawn for one batch, (uniform + popular,) int32, with repeats."""
        drawn = rng.integers(self.n_items, size=self.uniform, dtype=np.int32)
        if self.popularity is None:
            return drawn
        by_popularity = np.searchsorted(self._cumulated, rng.random(self.popular), side="right")
        return np.concatenate([drawn, np.minimum(by_popularity, self.n_items - 1).astype(np.int32)])

    def log_expected(
        self, shares: npt.NDArray[np.float64], positives: int, candidates: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.float32]:
        """Return the log of how often each candidate is expected among a batch's negatives, (n,) float32.

        Args:
            shares: (n_items,) of the pairs' positives.
            positives: in the batch; they come first among the candidates.
            candidates: (n,) items. Positives are no negatives, inf, unless they are in-batch negatives.
        """
        expected = self._expected[candidates] + self.in_batch * positives * shares[candidates]
        if not self.in_batch:
            expected[:positives] = np.inf
        if self.untaken is not None:
            expected[self.untaken[candidates]] = np.inf
        return np.log(expected).astype(np.float32)

    def log_inclusion(self, expected: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        """Return the log of the probability that an item is a candidate, (n_items,) float32; -inf if it never is.

        Args:
            expected: (n_items,) how often it is expected among the positives of a batch.
        """
        missed = np.exp(-expected * self.in_batch) * (1 - 1 / self.n_items) ** self.uniform
        if self.popularity is not None:
            missed *= (1 - self.popularity) ** self.popular
        with np.errstate(divide="ignore"):
            log_chance = np.log1p(-missed)
        if self.untaken is not None:
            log_chance[self.untaken] = np.inf
        return log_chance.astype(np.float32)

    @cached_property
    def _expected(self) -> npt.NDArray[np.float64]:
        popular = 0.0 if self.popularity is None else self.popular * self.popularity
        return np.full(self.n_items, self.uniform / self.n_items) + popular

    @cached_property
    def _cumulated(self) -> npt.NDArray[np.float64]:
        return np.cumsum(np.zeros(0) if self.popularity is None else self.popularity)


def known_entries(
    histories: Histories,
    users: npt.NDArray[np.int32],
    candidates: npt.NDArray[np.int32],
    scratch: npt.NDArray[np.int32],
) -> npt.NDArray[np.int64]:
    """Return which entries of the (b, n) score matrix join a user and an item the user is known to have taken.

    They are no negatives. The positive of row r, which stands in column r, is not among them; the same item in
    another column (an accidental hit) is.

    Args:
        histories: every user's whole history.
        users: (b,) the user of each row.
        candidates: (n,) item of each column, the positives of the rows first.
        scratch: (n_items,) all -1, used and left all -1.

    Returns:
        (m,) positions ``row * n + column``, rising in row; a position can be given twice where a history repeats.
    """
    order = np.argsort(candidates, kind="stable")
    items, first, counts = np.unique(candidates[order], return_index=True, return_counts=True)
    lengths = histories.lengths[users]
    seen = histories.item_nums[positions(histories.indptr[users], lengths)]
    scratch[items] = np.arange(len(items), dtype=np.int32)
    slots = scratch[seen]
    scratch[items] = -1
    hits = np.flatnonzero(slots >= 0)
    slots = slots[hits]
    rows = np.repeat(row_numbers(lengths)[hits], counts[slots])
    columns = order[positions(first[slots], counts[slots])]
    entries: npt.NDArray[np.int64] = (rows * len(candidates) + columns)[columns != rows]
    return entries
