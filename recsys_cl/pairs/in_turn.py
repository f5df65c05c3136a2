"""Several ways to deal, whose batches come in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from recsys_cl.pairs.batches import Batch

_TURNS = 6  # a stream of randomness that must not meet those of the deals


class Deal(Protocol):
    """A way to deal out what is to be learned from."""

    @property
    def steps(self) -> int:
        """Batches in an epoch."""

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch (counted from 1), from ``first_step`` on."""


@dataclass(frozen=True)
class InTurn:
    """All batches of several deals, in an order drawn anew for each epoch.

    Attributes:
        deals: whose batches are mixed.
        seed: of the order.
    """

    deals: tuple[Deal, ...]
    seed: int

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return sum(deal.steps for deal in self.deals)

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch (counted from 1), from ``first_step`` on."""
        turns = np.repeat(np.arange(len(self.deals)), [deal.steps for deal in self.deals])
        turns = np.random.default_rng((self.seed, _TURNS, epoch)).permutation(turns)
        done = np.bincount(turns[:first_step], minlength=len(self.deals))
        batches = [deal.epoch(epoch, int(steps)) for deal, steps in zip(self.deals, done, strict=True)]
        for turn in turns[first_step:]:
            yield next(batches[turn])
