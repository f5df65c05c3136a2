"""Batches of whole histories, whose positives are what a teacher would recommend for them.

A teacher that is too large to serve, or too dear to train further, passes on what it knows to a small model by its
rankings alone (Tang and Wang, KDD 2018). A batch looks as one of `pairs.cuts` does, so both teach in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.assembly import Assembly, Chances, Questions
from recsys_cl.pairs.batches import Batch
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.ragged import positions, row_numbers
from recsys_cl.pairs.rounds import Rounds

_STREAMS = 4, 5  # streams of randomness that must not meet those of `pairs.batches` and `pairs.cuts`
_FADING = 30.0  # places after which an item counts 1/e of the first


@dataclass(frozen=True)
class Lessons:
    """How a teacher's lists are dealt out, each once an epoch.

    Without any list there is no batch.

    Attributes:
        histories: from which the teacher's items are to be found.
        lists: (n_users, k) int32, the teacher's items, the best first, none that the user took; -1 where there are
            fewer. A user without any is never dealt.
        batch_size: most histories in a batch.
        history_length: most recent items of a history that are used.
        assembly: how batches are put together.
        seed: of the order and the draws.
    """

    histories: Histories
    lists: npt.NDArray[np.int32]
    batch_size: int
    history_length: int
    assembly: Assembly
    seed: int

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self._rounds.steps

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch (counted from 1), from ``first_step`` on."""
        for step, users, rng in self._rounds.epoch(epoch, first_step):
            yield self.assembly.batch(epoch, step, self._questions(users), self._chances, rng)

    def _questions(self, users: npt.NDArray[np.int32]) -> Questions:
        histories = self.histories
        lengths = histories.lengths[users]
        taken = histories.item_nums[positions(histories.indptr[users], lengths)]
        rows = row_numbers(lengths)
        recent = positions(-lengths, lengths) >= -self.history_length
        positive_rows, places = np.nonzero(self.lists[users] >= 0)
        return Questions(
            users,
            rows,
            taken,
            asked=recent,
            known=np.ones(len(taken), dtype=np.bool_),
            positive_rows=positive_rows,
            positives=self.lists[users][positive_rows, places],
            weights=np.exp(-places / _FADING).astype(np.float32),
        )

    @cached_property
    def _rounds(self) -> Rounds:
        taught = np.flatnonzero((self.lists >= 0).any(axis=1)).astype(np.int32)
        return Rounds(taught, self.batch_size, self.seed, _STREAMS)

    @cached_property
    def _chances(self) -> Chances:
        counts = np.bincount(self.lists[self.lists >= 0], minlength=self.histories.n_items)
        return self.assembly.chances(self._rounds.users, len(self.histories), self.steps, counts / self.steps)
