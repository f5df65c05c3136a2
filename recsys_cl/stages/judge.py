"""What is asked of everything that is tried on validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from recsys_cl.evaluation import metrics
from recsys_cl.evaluation.protocol import Examination
from recsys_cl.retrieval.exact import rank_blocks
from recsys_cl.retrieval.rough import rank_roughly
from recsys_cl.towers.two_tower import TwoTower

Marks = npt.NDArray[np.float64]
Tried = TypeVar("Tried")

_CHANCE = 2  # standard errors
_USERS = 2048  # drawn for what is asked of a fit
_SCORES_EACH_EPOCH = 1 << 25  # of fewer users where they would take more
_FEWEST_USERS = 500  # asked at least, if there are so many
_MANY_USERS, _K, _LONG_K = 500, 20, 100  # few users' top twenty holds too few hits to choose by


def some_of(validation: Examination, users: int, seed: int, *, scores: int = 1 << 26) -> Examination:
    """Draw so many users, fewer where they would take more than so many ``scores``, or take all there are."""
    users = min(users, max(_FEWEST_USERS, scores // validation.n_items))
    if len(validation) <= users:
        return validation
    rows = np.random.default_rng(seed).permutation(len(validation))[:users]
    return validation.take(np.sort(rows))


def best_of(marks: Mapping[Tried, Marks], given: Tried) -> Tried:
    """Return whose mean is highest, or what was ``given`` where its users are worse off by no more than chance.

    A difference within two standard errors (of the mean of paired differences) is called chance: many are compared, and
    what wins by less on validation often loses on what comes later.
    """
    best = max(marks, key=lambda one: marks[one].mean())
    gain = marks[best] - marks[given]
    return best if gain.mean() > _CHANCE * gain.std() / np.sqrt(len(gain)) else given


@dataclass(frozen=True)
class Judge:
    """Judges by NDCG: at 20, or at 100 where few users can be asked.

    Attributes:
        users: who are asked; all of them can be judged.
    """

    users: Examination

    @classmethod
    def of_fits(cls, validation: Examination, seed: int) -> Self:
        """Return who judges what was fitted."""
        return cls(some_of(validation, _USERS, seed))

    @classmethod
    def of_epochs(cls, validation: Examination, seed: int) -> Self:
        """Return who judges after each epoch."""
        return cls(some_of(validation, _USERS, seed, scores=_SCORES_EACH_EPOCH))

    @property
    def k(self) -> int:
        """Length of the lists that are judged."""
        return _K if len(self.users) >= _MANY_USERS else _LONG_K

    def marks(self, towers: TwoTower) -> Marks:
        """Return the NDCG of each user, (users,)."""
        vectors = towers.query_vectors(self.users.queries), towers.item_vectors()
        return self._marks(rank_roughly(*vectors, self.users.queries.histories, self.k))

    def scores(self, towers: TwoTower) -> torch.Tensor:
        """Return what the users' items score, (users, n_items) float32, without the prior of the towers."""
        towers.set_prior(np.zeros(towers.spec.n_items, np.float32))
        return torch.from_numpy(towers.query_vectors(self.users.queries) @ towers.item_vectors().T)

    def marks_by(self, scores: torch.Tensor, prior: npt.NDArray[np.float32] | None = None) -> Marks:
        """Return the NDCG of each user, (users,), by such scores with a prior, (n_items,), added to them."""
        added = torch.zeros(scores.shape[1]) if prior is None else torch.from_numpy(prior)
        ranked = rank_blocks(
            lambda start, stop: scores[start:stop] + added,
            len(scores),
            scores.shape[1],
            self.k,
            seen=self.users.queries.histories,
        )
        return self._marks(ranked.item_nums)

    def _marks(self, ranked: npt.NDArray[np.int32]) -> Marks:
        return metrics.ndcg_at_k(self.users.hits(ranked), self.users.n_relevant, self.k)
