"""Implicit-feedback matrix factorisation by alternating least squares, through the ``implicit`` library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_cl.config import EvaluateConfig
from recsys_cl.evaluation.recommender import NotApplicable
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.retrieval.exact import rank_exact
from recsys_cl.retrieval.matches import Matches

FACTORS = 64
CONFIDENCE = 10.0
REGULARISATION = 0.1
ITERATIONS = 15


@dataclass(frozen=True)
class ALS:
    """Scores an item by the inner product with a user vector solved for from the history, for known users too.

    Attributes:
        name: the name reports use.
        model: the fitted ``implicit`` model.
    """

    name: str
    model: Any

    def rank(self, queries: Queries, k: int, *, exclude_seen: bool = True) -> Matches:
        """Return the ``k`` items with the highest inner products; an empty row for an empty history."""
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with the optional library

        histories = queries.histories
        with threadpool_limits(1, "blas"):
            vectors = self.model.recalculate_user(np.arange(len(queries)), histories.matrix())
        found = rank_exact(
            np.asarray(vectors, dtype=np.float32), self.model.item_factors, histories if exclude_seen else None, k
        )
        found.item_nums[histories.lengths == 0] = -1
        found.scores[histories.lengths == 0] = -np.inf
        return found


def fit(histories: Histories, *, seed: int, config: EvaluateConfig) -> ALS:  # noqa: ARG001 - one signature
    """Factorise (Hu, Koren and Volinsky, 2008), every interaction having the confidence `CONFIDENCE`, all else 1.

    Raises:
        NotApplicable: the optional library is not installed.
    """
    try:
        from implicit.cpu.als import AlternatingLeastSquares  # noqa: PLC0415 - an optional library
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with it
    except ImportError as error:
        raise NotApplicable("the library implicit is not installed: pip install 'recsys-cl[als]'") from error
    with threadpool_limits(1, "blas"):  # the library has threads of its own, and asks for this
        model = AlternatingLeastSquares(
            factors=FACTORS,
            regularization=REGULARISATION,
            alpha=CONFIDENCE,
            iterations=ITERATIONS,
            random_state=seed,
        )
        model.fit(histories.matrix(), show_progress=False)
    return ALS("als", model)
