"""Alignment and uniformity of Wang and Isola (2020, arXiv 2005.10242), which a contrastive loss seeks to make small.

Both are of vectors brought to length one.
"""

from __future__ import annotations

import numpy as np
import scipy.special

from recsys_cl.contrast.diagnostics.directions import Array, pairwise_cosines

_TEMPERATURE = 2.0  # t of the paper


def alignment(cosines: Array) -> float | None:
    """Return the mean squared distance of pairs that belong together, from their cosines (n,); None for no pair.

    0 where both always point the same way, 2 where they do not know of each other, 4 at most. This is the paper's
    measure with its exponent 2, as |x - y|² is 2 - 2 cos.
    """
    return float(np.mean(2 - 2 * cosines)) if len(cosines) else None


def uniformity(units: Array) -> float | None:
    """Return log E exp(-2 |x - y|²) over all pairs of different rows of ``units`` (n, d); None for fewer than two.

    0 where all vectors are one, and the lower the more evenly they cover the sphere: `uniformity_of_sphere` is the
    best of many vectors. Squared distances run from 0 to 4, so it is never below -8.
    """
    if len(units) < 2:
        return None
    exponents = -_TEMPERATURE * (2 - 2 * pairwise_cosines(units))
    return float(np.minimum(scipy.special.logsumexp(exponents) - np.log(len(exponents)), 0))


def uniformity_of_sphere(dim: int) -> float:
    """Return the uniformity of the even distribution over the sphere in ``dim`` dimensions, the least there is.

    With x and y even over the sphere, E exp(c x·y) is 0F1(; dim / 2; c² / 4).
    """
    concentration = 2 * _TEMPERATURE
    return float(np.log(scipy.special.hyp0f1(dim / 2, concentration**2 / 4)) - concentration)
