"""In how many dimensions vectors really lie: their singular values, and one number made of these."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_cl.contrast.diagnostics.directions import Array

_GRID = 1 << 14  # points at which the Marchenko-Pastur law is summed


def singular_values(vectors: npt.NDArray[np.floating]) -> Array:
    """Return the min(n, d) singular values of ``vectors`` (n, d), falling.

    They are roots of the eigenvalues of the smaller Gram matrix, in float64: those under a hundred-millionth of the
    largest are rounding.
    """
    vectors = vectors.astype(np.float64)
    gram = vectors.T @ vectors if len(vectors) > vectors.shape[1] else vectors @ vectors.T
    return np.asarray(np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0)))


def score_singular_values(users: npt.NDArray[np.floating], items: npt.NDArray[np.floating]) -> Array:
    """Return the leading singular values, falling, of the scores of ``users`` (u, d) for ``items`` (n, d).

    Of each user's scores their mean is taken away, which ranks nothing. Unlike the singular values of either side these
    do not change if users are multiplied by a matrix and items by its inverse. Of U Vᵀ with U = Q R and V = P S they
    are those of R Sᵀ, which has no more than d rows and columns.
    """
    sides = users.astype(np.float64), items.astype(np.float64) - items.mean(axis=0, dtype=np.float64)
    left, right = (np.asarray(np.linalg.qr(side, mode="r")) if len(side) > side.shape[1] else side for side in sides)
    return singular_values(left @ right.T)


def effective_rank(values: Array) -> float | None:
    """Return the effective rank of a matrix from its singular values (Roy and Vetterli 2007); None for a zero matrix.

    It is exp of the entropy of the values divided by their sum: r where r of them are equal and the others zero, and
    1 for a matrix of rank one.
    """
    if not values.sum() > 0:
        return None
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def random_singular_values(rows: int, columns: int) -> Array:
    """Return what the singular values of a matrix with independent standard normal entries are about, falling.

    Their squares, divided by the larger side, follow the Marchenko-Pastur law (1967) of ratio min / max: the values
    given are its min(rows, columns) evenly spaced quantiles.
    """
    small, large = min(rows, columns), max(rows, columns)
    ratio = small / large
    angles = np.pi * (np.arange(_GRID) + 0.5) / _GRID  # squares are 1 + ratio + 2 root(ratio) cos(angle)
    squares = 1 + ratio + 2 * np.sqrt(ratio) * np.cos(angles)
    weights = np.cumsum(np.sin(angles) ** 2 / squares)  # from the largest square down
    places = (np.arange(small) + 0.5) / small
    return np.asarray(np.sqrt(large * np.interp(places, weights / weights[-1], squares)))
