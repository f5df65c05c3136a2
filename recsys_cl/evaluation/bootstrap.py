"""How sure a difference or an average is, given that the test users are a sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from recsys_cl.errors import RecsysError

_BLOCK_DRAWS = 1 << 22  # users drawn at a time: 32 MiB of int64


@dataclass(frozen=True)
class PairedDifference:
    """By how much one ranking is better than another on the same users.

    Attributes:
        difference: mean of ours less mean of theirs; above 0, ours is better.
        low: lower end of the confidence interval.
        high: upper end.
        probability: share of resamples in which ours was better, a tie counting half.
    """

    difference: float
    low: float
    high: float
    probability: float


def intervals(
    values: npt.NDArray[np.float64], *, samples: int, confidence: float, seed: int
) -> npt.NDArray[np.float64]:
    """Return percentile bootstrap intervals (Efron, 1979) of the mean of each column of ``values`` (users, columns).

    Returns:
        (2, columns) float64: lower ends, then upper ends. Equal seeds draw equal users.
    """
    tail = (1 - confidence) / 2
    means = np.concatenate(list(_resampled_means(values, samples, seed)))
    return np.asarray(np.quantile(means, [tail, 1 - tail], axis=0))


def paired_bootstrap(
    ours: npt.NDArray[np.float64],
    theirs: npt.NDArray[np.float64],
    *,
    samples: int,
    seed: int,
    confidence: float = 0.95,
) -> PairedDifference:
    """Compare two rankings user by user, so that what makes users easy or hard cancels out.

    To ask whether ours is within a relative tolerance of theirs, pass ``theirs * (1 - tolerance)``.

    Args:
        ours: (users,) a metric for each user.
        theirs: (users,) the same metric for the same users in the same order.
        samples: resamples of the users.
        seed: of the draws.
        confidence: coverage of the interval.

    Raises:
        RecsysError: there are no users, or not the same number of them.
    """
    if len(ours) != len(theirs) or len(ours) == 0:
        raise RecsysError(
            f"Two rankings can only be compared on the same users, of whom there must be some: {len(ours)} of ours, "
            f"{len(theirs)} of theirs."
        )
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    means = np.concatenate(list(_resampled_means(differences[:, None], samples, seed)))[:, 0]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    probability = float(np.mean(means > 0) + np.mean(means == 0) / 2)
    return PairedDifference(float(differences.mean()), float(low), float(high), probability)


def compare(
    ours: pl.DataFrame, theirs: pl.DataFrame, metric: str, *, samples: int, seed: int, confidence: float = 0.95
) -> PairedDifference:
    """Compare the column ``metric`` of two per-user frames (`Evaluation.per_user`) over warm users that both hold.

    Raises:
        RecsysError: the frames share no warm user, or one lacks the metric.
    """
    for frame in (ours, theirs):
        if metric not in frame.columns:
            raise RecsysError(f"{metric!r} was not measured; measured: {', '.join(frame.columns)}.")
    headline = pl.col("warm") & (pl.col("n_relevant") > 0)
    columns = pl.col("user_id"), pl.col(metric)
    both = ours.filter(headline).select(columns).join(theirs.filter(headline).select(columns), on="user_id")
    both = both.sort("user_id")
    return paired_bootstrap(
        both[metric].to_numpy(),
        both[f"{metric}_right"].to_numpy(),
        samples=samples,
        seed=seed,
        confidence=confidence,
    )


def _resampled_means(values: npt.NDArray[np.float64], samples: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    # How often each user is drawn is a weight, so that a block of resamples is one matrix product.
    users = len(values)
    draw = np.random.default_rng(seed)
    block = max(1, _BLOCK_DRAWS // users)
    for start in range(0, samples, block):
        rows = min(block, samples - start)
        drawn = draw.integers(0, users, size=(rows, users))
        drawn += np.arange(rows)[:, None] * users
        weights = np.bincount(drawn.ravel(), minlength=rows * users).reshape(rows, users)
        yield weights.astype(np.float64) @ values / users
