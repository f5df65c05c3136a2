"""What the parts of a search, and what follows it, take in seconds, as far as that can be told from what was timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch

from recsys_cl.evaluation.protocol import Examination
from recsys_cl.pairs.histories import Histories
from recsys_cl.stages.fit import WEIGHTS
from recsys_cl.stages.judge import Judge, some_of
from recsys_cl.training.prior import priors

_NEIGHBOURS = 1.7  # it takes so many times as long to solve the neighbours of items
_STORING = 3  # looks' worth of time to make towers, to score by them and to store them
_FEW = 500  # by whom it is told how long judging takes


@dataclass(frozen=True)
class Cost:
    """What the closed form of users and items costs.

    Attributes:
        dim: its dimensions.
        solving: to solve it.
        looking: to see how it fares on the users asked.
        teaching: to see what it recommends to those whom it teaches.
        looks: how often it is looked at until its settings are known.
    """

    dim: int
    solving: float
    looking: float
    teaching: float
    looks: int

    def grown(self, dim: int) -> Cost:
        """Return what more dimensions would cost, by how costs were seen to grow."""
        times = dim / self.dim
        looking, teaching = (each * times**0.66 for each in (self.looking, self.teaching))
        return Cost(dim, self.solving * times**1.3, looking, teaching, self.looks)

    @property
    def search(self) -> float:
        """Until its settings are known."""
        return self.solving + self.looks * self.looking

    @property
    def search_of_neighbours(self) -> float:
        """Until the settings are known of the closed form of items and their neighbours."""
        return _NEIGHBOURS * self.solving + self.looks * self.looking

    def later(self, judging: Judging, *, neighbours: bool, served: bool) -> float:
        """Return what follows once settings are known: fits, which take up these solutions, and refits, which don't.

        Args:
            judging: what it takes to judge fits.
            neighbours: whether neighbours are solved, too.
            served: whether the closed forms may be served, or else only begin gradient descent.
        """
        forms, storing = 1 + neighbours, _STORING * self.looking
        refits = (1 + neighbours * _NEIGHBOURS) * self.solving
        if not served:
            return refits
        return refits + forms * (judging.fit + 2 * storing) + neighbours * judging.join + 2 * forms * storing


@dataclass(frozen=True)
class Judging:
    """What judging takes.

    Attributes:
        fit: to find the prior of what was fitted.
        join: to find weights and prior of what is joined.
        epoch: to judge what one epoch came to.
    """

    fit: float
    join: float
    epoch: float

    @classmethod
    def timed(
        cls, validation: Examination, histories: Histories, seed: int, clock: Callable[[], float], *, with_prior: bool
    ) -> Self:
        """Time it by few users and scores that mean nothing."""
        few = Judge(some_of(validation, _FEW, seed))
        scores = torch.rand(len(few.users), few.users.n_items, generator=torch.Generator().manual_seed(seed))
        few.marks_by(scores)  # the first time, some things are made that are kept
        began = clock()
        few.marks_by(scores)
        once = (clock() - began) / len(few.users)
        tried = 1 + with_prior * sum(1 for _ in priors(histories))
        fit = once * len(Judge.of_fits(validation, seed).users)
        epoch = once * len(Judge.of_epochs(validation, seed).users)
        return cls((tried + 1) * fit, (tried + len(WEIGHTS) + 2) * fit, tried * epoch)
