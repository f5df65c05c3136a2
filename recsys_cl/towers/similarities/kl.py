"""How well a user's Gaussian covers an item's: the negative Kullback-Leibler divergence, KL(item || user).

Energy of Gaussian embeddings (Vilnis and McCallum, ICLR 2015, section 3.2): a user of wide taste is near many items,
and an item that few would take is far from all who are not sure to. With means m, variances v and k dimensions,

    -2 KL = sum(log v_i - v_i / v_q - (m_i - m_q)^2 / v_q - log v_q) + k,

which is linear in what depends on the item: [m_i, v_i + m_i^2, 1, sum(log v_i)].
"""

from __future__ import annotations

import torch

from recsys_cl.towers.gaussian import halves

GAUSSIAN = True


def dim(d: int) -> int:
    """Return the length of mapped vectors."""
    return d + 2


def point_dim(d: int) -> int:
    """Return how many leading coordinates of mapped vectors are the means, of queries over the variances."""
    return d // 2


def queries(vectors: torch.Tensor) -> torch.Tensor:
    """Return (b, d + 2) for means and variances side by side, (b, d)."""
    mean, variance = halves(vectors)
    own = (1 - variance.log() - mean.square() / variance).sum(1, keepdim=True) / 2
    return torch.hstack([mean / variance, -0.5 / variance, own, torch.ones_like(own)])


def candidates(vectors: torch.Tensor) -> torch.Tensor:
    """Return (n, d + 2) for means and variances side by side, (n, d)."""
    mean, variance = halves(vectors)
    own = variance.log().sum(1, keepdim=True) / 2
    return torch.hstack([mean, variance + mean.square(), torch.ones_like(own), own])
