"""Whether one thing rises with another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.stats

_ALIKE = 1e-4  # share of the largest value: what differs by less differs by rounding


def rank_correlation(values: npt.NDArray[np.number], others: npt.NDArray[np.number]) -> float | None:
    """Return Spearman's rank correlation of two arrays (n,); None for fewer than three, or where one is constant."""
    if len(values) < 3 or constant(values) or constant(others):
        return None
    return float(scipy.stats.spearmanr(values, others).statistic)


def constant(values: npt.NDArray[np.number]) -> bool:
    """Tell whether ``values`` (n,) are one value but for rounding, as the lengths of normalised vectors are."""
    return len(values) == 0 or float(np.ptp(values)) <= _ALIKE * float(np.abs(values).max())
