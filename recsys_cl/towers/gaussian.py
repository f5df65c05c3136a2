"""Vectors that are diagonal Gaussians: means in the first half of the columns, variances in the second."""

from __future__ import annotations

import torch
from torch.nn import functional

from recsys_cl.errors import ConfigError

_LEAST = 1e-2  # of a variance, in units of what it starts from: below it a divergence is no number to learn by


def halves(vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return means and variances, (n, d / 2) each, of vectors (n, d)."""
    mean, variance = vectors.chunk(2, dim=1)
    return mean, variance


def with_variances(mean: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
    """Return means and variances side by side, (n, 2 h).

    The variances of a vector start with a sum near one, as the squares of a mean of length one have.

    Args:
        mean: (n, h).
        free: (n, h) any real numbers; nought gives log(2) / h.
    """
    return torch.hstack([mean, (functional.softplus(free) + _LEAST) / mean.shape[1]])


def half_of(columns: int) -> int:
    """Return how many columns are means.

    Raises:
        ConfigError: there is an odd number of columns.
    """
    half, rest = divmod(columns, 2)
    if rest:
        raise ConfigError(f"Means and variances need an even --embedding-dim, not {columns}.")
    return half
