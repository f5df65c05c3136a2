"""What most people chose, for everyone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_cl.config import EvaluateConfig
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.retrieval.exact import rank_same
from recsys_cl.retrieval.matches import Matches


@dataclass(frozen=True)
class Popularity:
    """Ranks items by their number of interactions, the same for every user but for what each has seen.

    Attributes:
        name: the name reports use.
        scores: (n_items,) float64, interactions.
    """

    name: str
    scores: npt.NDArray[np.float64]

    def rank(self, queries: Queries, k: int, *, exclude_seen: bool = True) -> Matches:
        """Return the ``k`` most popular items that each user has not seen."""
        return rank_same(self.scores, len(queries), k, seen=queries.histories if exclude_seen else None)


def fit(histories: Histories, *, seed: int, config: EvaluateConfig) -> Popularity:  # noqa: ARG001 - one signature
    """Count the interactions of each item."""
    return Popularity("popularity", histories.counts().astype(np.float64))
