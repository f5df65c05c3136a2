"""The cosine of the angle: the inner product of vectors of length one."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

GAUSSIAN = False


def dim(d: int) -> int:
    """Return the length of mapped vectors."""
    return d


def point_dim(d: int) -> int:
    """Return how many leading coordinates of mapped vectors are the whole vector."""
    return d


def queries(vectors: torch.Tensor) -> torch.Tensor:
    """Return (b, d) of length one; a zero vector stays zero."""
    return functional.normalize(vectors)


def candidates(vectors: torch.Tensor) -> torch.Tensor:
    """Return (n, d) of length one; a zero vector stays zero."""
    return functional.normalize(vectors)


def query_divisor(readings: int) -> float:
    """Return the length of so many readings of length one, side by side."""
    return math.sqrt(readings)
