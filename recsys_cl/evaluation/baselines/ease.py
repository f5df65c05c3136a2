"""EASE: the linear item-to-item model with a closed form that is hard to beat on small catalogues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg.lapack import spotrf, spotri
from torch import Tensor

from recsys_cl.config import EvaluateConfig
from recsys_cl.evaluation.recommender import NotApplicable
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.retrieval.exact import rank_blocks
from recsys_cl.retrieval.matches import Matches

REGULARISATION = 250.0
_BLOCK_ITEMS = 512


@dataclass(frozen=True)
class Ease:
    """Scores an item by a weighted sum over the items of the history; nothing follows from an empty history.

    Attributes:
        name: the name reports use.
        weights: (n_items, n_items) float32 with a zero diagonal; row i is what having seen item i says of others.
    """

    name: str
    weights: npt.NDArray[np.float32]

    def rank(self, queries: Queries, k: int, *, exclude_seen: bool = True) -> Matches:
        """Return the ``k`` items with the highest weighted sums; an empty row for an empty history."""
        history = queries.histories.matrix()

        def score_block(start: int, stop: int) -> Tensor:
            scores = history[start:stop] @ self.weights  # (block, n_items)
            scores[queries.histories.lengths[start:stop] == 0] = -np.inf
            return torch.from_numpy(scores)

        seen = queries.histories if exclude_seen else None
        return rank_blocks(score_block, len(queries), len(self.weights), k, seen=seen)


def fit(histories: Histories, *, seed: int, config: EvaluateConfig) -> Ease:  # noqa: ARG001 - one signature
    """Solve for the weights (Steck, 2019, "Embarrassingly Shallow Autoencoders for Sparse Data").

    With P the inverse of X'X + lambda I, the weights are -P[i, j] / P[j, j]. Time grows with the cube of the
    catalogue, memory with its square: 4 bytes a cell. Lambda is `REGULARISATION`, from the range the paper
    finds good (200 to 1000).

    Raises:
        NotApplicable: the catalogue is larger than ``config.ease_max_items``.
    """
    if histories.n_items > config.ease_max_items:
        raise NotApplicable(
            f"the catalogue has {histories.n_items:,} items, and EASE is solved for at most "
            f"{config.ease_max_items:,} (--ease-max-items)"
        )
    # The condition number is below (largest eigenvalue of X'X) / lambda + 1, which float32 bears easily.
    gram = _gram(histories)
    gram[np.diag_indices_from(gram)] += np.float32(REGULARISATION)
    inverse = _inverse(gram)
    inverse /= -inverse.diagonal().copy()  # column j by -P[j, j]
    np.fill_diagonal(inverse, 0.0)
    return Ease("ease", inverse)


def _gram(histories: Histories) -> npt.NDArray[np.float32]:
    by_user = histories.matrix()
    by_item = by_user.T.tocsr()
    gram = np.empty((histories.n_items, histories.n_items), dtype=np.float32)
    for start in range(0, histories.n_items, _BLOCK_ITEMS):
        gram[start : start + _BLOCK_ITEMS] = (by_item[start : start + _BLOCK_ITEMS] @ by_user).toarray()
    return gram


def _inverse(gram: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # Cholesky's two steps in place: no second matrix of the catalogue's square is ever held.
    factor, failed = spotrf(gram.T, lower=0, overwrite_a=1)
    upper, failed_too = spotri(factor, lower=0, overwrite_c=1)
    if failed or failed_too:
        raise NotApplicable("the item-to-item matrix of this log could not be inverted")
    for start in range(0, len(gram), _BLOCK_ITEMS):  # only the upper half is filled: mirror it
        stop = min(start + _BLOCK_ITEMS, len(gram))
        upper[stop:, start:stop] = upper[start:stop, stop:].T
        square = np.triu(upper[start:stop, start:stop])
        upper[start:stop, start:stop] = square + np.triu(square, 1).T
    return np.asarray(upper.T)  # symmetric, and in C order this way round
