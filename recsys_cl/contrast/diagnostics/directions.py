"""Vectors brought to length one, and what their cosines tell together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def unit(vectors: npt.NDArray[np.floating]) -> Array:
    """Return the rows of ``vectors`` (n, d) at length one, (m, d) float64; those of length zero are left out."""
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    return np.asarray(vectors[lengths > 0] / lengths[lengths > 0, None])


def paired_cosines(left: npt.NDArray[np.floating], right: npt.NDArray[np.floating]) -> Array:
    """Return the cosine of each row of ``left`` (n, d) with the same row of ``right``, (m,) float64.

    Pairs of which one vector has the length zero are left out.
    """
    left, right = left.astype(np.float64), right.astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    kept = lengths > 0
    return np.asarray(np.clip((left[kept] * right[kept]).sum(axis=1) / lengths[kept], -1, 1))


def pairwise_cosines(units: Array) -> Array:
    """Return the cosines of all n (n - 1) / 2 pairs of different rows of ``units`` (n, d), which have length one."""
    rows, columns = np.triu_indices(len(units), 1)
    return np.asarray(np.clip((units @ units.T)[rows, columns], -1, 1))


def mean_cosine(units: Array) -> float | None:
    """Return the mean cosine over all pairs of different rows of ``units`` (n, d); None for fewer than two.

    0 where directions cancel out, 1 where all vectors point the same way (Ethayarajh 2019, arXiv 1909.00512).
    """
    n = len(units)
    if n < 2:
        return None
    return float(np.clip((np.square(units.sum(axis=0)).sum() - n) / (n * (n - 1)), -1, 1))
