"""Whether all directions are alike to a set of vectors (Mu and Viswanath 2018, arXiv 1702.01417)."""

from __future__ import annotations

import numpy as np

from recsys_cl.contrast.diagnostics.directions import Array

_MOST = 1024  # vectors that are looked at where there are more dimensions than that: eigenvectors take their cube


def isotropy(units: Array) -> float | None:
    """Return min Z(c) / max Z(c), where Z(c) is the sum of exp(c·w) over the rows w of ``units`` (n, d).

    As in the paper, c runs over the eigenvectors of WᵀW; here both c and -c are tried, since the sign of an eigenvector
    means nothing, and vectors have length one, so that their unit of length means nothing either. 1 where no direction
    is preferred; e⁻², about 0.14, where all vectors are one. None for no vector. Of more than 1,024 dimensions the
    first 1,024 vectors are looked at.
    """
    if len(units) == 0:
        return None
    if units.shape[1] > _MOST:
        units = units[:_MOST]
    if len(units) < units.shape[1]:  # W = U S Vᵀ, so WV is US, which takes the smaller Gram matrix alone
        squares, left = np.linalg.eigh(units @ units.T)
        products = left * np.sqrt(np.maximum(squares, 0))
    else:
        products = units @ np.linalg.eigh(units.T @ units)[1]
    sums = np.concatenate([np.exp(products).sum(axis=0), np.exp(-products).sum(axis=0)])
    return float(sums.min() / sums.max())
