"""Nearness of diagonal Gaussians: the negative squared 2-Wasserstein distance.

Between Gaussians with commuting covariances it is |mean - mean|^2 + |deviation - deviation|^2 (Olkin and Pukelsheim
1982), which is the squared Euclidean distance of [mean, deviation].
"""

from __future__ import annotations

import torch

from recsys_cl.towers.gaussian import halves
from recsys_cl.towers.similarities import euclidean

GAUSSIAN = True
IS_DISTANCE = True


def dim(d: int) -> int:
    """Return the length of mapped vectors."""
    return euclidean.dim(d)


def point_dim(d: int) -> int:
    """Return how many leading coordinates of mapped vectors are means and deviations, of queries twice as long."""
    return d


def queries(vectors: torch.Tensor) -> torch.Tensor:
    """Return (b, d + 2) for means and variances side by side, (b, d)."""
    return euclidean.queries(_mean_and_deviation(vectors))


def candidates(vectors: torch.Tensor) -> torch.Tensor:
    """Return (n, d + 2) for means and variances side by side, (n, d)."""
    return euclidean.candidates(_mean_and_deviation(vectors))


def _mean_and_deviation(vectors: torch.Tensor) -> torch.Tensor:
    mean, variance = halves(vectors)
    return torch.hstack([mean, variance.sqrt()])
