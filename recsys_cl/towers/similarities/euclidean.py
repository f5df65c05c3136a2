"""Nearness: the negative squared Euclidean distance, as in collaborative metric learning (Hsieh et al., WWW 2017).

-|q - i|^2 = 2 q.i - |q|^2 - |i|^2 is the inner product of [2 q, -|q|^2, 1] and [i, 1, -|i|^2].
"""

from __future__ import annotations

import torch

GAUSSIAN = False
IS_DISTANCE = True


def dim(d: int) -> int:
    """Return the length of mapped vectors."""
    return d + 2


def point_dim(d: int) -> int:
    """Return how many leading coordinates of what is mapped are the vector, of queries twice as long."""
    return d


def queries(vectors: torch.Tensor) -> torch.Tensor:
    """Return [2 q, -|q|^2, 1], (b, d + 2)."""
    squares = vectors.square().sum(1, keepdim=True)
    return torch.hstack([2 * vectors, -squares, torch.ones_like(squares)])


def candidates(vectors: torch.Tensor) -> torch.Tensor:
    """Return [i, 1, -|i|^2], (n, d + 2)."""
    squares = vectors.square().sum(1, keepdim=True)
    return torch.hstack([vectors, torch.ones_like(squares), -squares])
