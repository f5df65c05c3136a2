"""Whether vectors are Gaussian: by Cramér and Wold they are if all their projections on a line are.

Projections of almost any cloud in many dimensions look nearly normal (Diaconis and Freedman 1984), so a distance from
normal says much, its absence little. And of many vectors a test rejects what nobody could see: hence the sizes of the
effect beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats

from recsys_cl.contrast.diagnostics.directions import Array

_FEWEST = 20  # vectors from which the test's approximation holds
_LEVEL = 0.05
_FLAT = 1e-9  # share of the largest deviation under which a projection does not vary


@dataclass(frozen=True)
class Normality:
    """How far from normal the projections of vectors are.

    Attributes:
        vectors: how many were projected.
        projections: on how many directions.
        rejected: share of the projections that D'Agostino and Pearson's test (1973) of skewness and kurtosis rejects
            at 5%; about 0.05 for Gaussian vectors.
        distance: mean over projections of the largest difference between the distribution function of what was
            projected, standardised, and that of the normal distribution.
        chance: that distance for as many Gaussian vectors.
        skewness: median over projections of the absolute skewness; 0 for the normal distribution.
        kurtosis: median over projections of the excess kurtosis; 0 for the normal distribution, above it tails are
            heavier.
        quantiles: (q, 4) of the normal distribution, and of standardised projections the median, the lower and the
            upper end of the middle 90%: what a Q-Q plot shows.
    """

    vectors: int
    projections: int
    rejected: float
    distance: float
    chance: float
    skewness: float
    kurtosis: float
    quantiles: Array


def normality(
    vectors: npt.NDArray[np.floating], *, projections: int = 200, quantiles: int = 41, seed: int = 0
) -> Normality | None:
    """Test random projections of ``vectors`` (n, d) for normality.

    Args:
        vectors: finite; their mean and the spread of each projection do not matter.
        projections: directions, drawn evenly from the sphere.
        quantiles: points of the Q-Q plot, between the 0.5% and the 99.5% quantile.
        seed: of the directions.

    Returns:
        None for fewer than twenty vectors, or where they do not vary.
    """
    projected = _standardised(vectors, projections, seed)
    n, count = projected.shape
    if n < _FEWEST or count == 0:
        return None
    test = scipy.stats.normaltest(projected, axis=0)
    ordered = np.sort(projected, axis=0)
    levels = np.linspace(0.005, 0.995, quantiles)
    found = np.quantile(ordered, levels, axis=0)
    spread = [scipy.stats.norm.ppf(levels), np.median(found, axis=1), *np.quantile(found, (0.05, 0.95), axis=1)]
    return Normality(
        n,
        count,
        float(np.mean(test.pvalue < _LEVEL)),
        float(_distances(ordered).mean()),
        _chance(n),
        float(np.median(np.abs(scipy.stats.skew(projected, axis=0)))),
        float(np.median(scipy.stats.kurtosis(projected, axis=0))),
        np.stack(spread, axis=1),
    )


def _standardised(vectors: npt.NDArray[np.floating], projections: int, seed: int) -> Array:
    """Return projections (n, p) with mean 0 and deviation 1; those that do not vary are left out."""
    drawn = np.random.default_rng(seed).normal(size=(vectors.shape[1], projections))
    directions = drawn / np.linalg.norm(drawn, axis=0)
    projected = vectors.astype(np.float64) @ directions
    if len(projected) == 0:
        return np.asarray(projected)
    reach = np.abs(projected).max(axis=0)
    projected -= projected.mean(axis=0)
    deviations = projected.std(axis=0)
    varying = deviations > _FLAT * reach
    return np.asarray(projected[:, varying] / deviations[varying])


def _distances(ordered: Array) -> Array:
    """Return the Kolmogorov-Smirnov distance of each column of ``ordered`` (n, p), rising, from the normal."""
    expected, n = scipy.stats.norm.cdf(ordered), len(ordered)
    steps = np.arange(n + 1)[:, None] / n
    return np.asarray(np.maximum(expected - steps[:-1], steps[1:] - expected).max(axis=0))


def _chance(n: int) -> float:
    """Return about what the distance of ``n`` normal numbers is, when standardised by themselves (Lilliefors 1967)."""
    return float(0.64 / np.sqrt(n))
