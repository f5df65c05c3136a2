"""What most people chose lately, for everyone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_cl.config import EvaluateConfig
from recsys_cl.evaluation.baselines.popularity import Popularity
from recsys_cl.pairs.histories import Histories

HALF_LIFE = 0.1
"""An interaction counts half when a tenth of all interactions came after it.

Age is measured in interactions, not in days, so that one number suits a shop's year and a film site's decades, and
a quiet season does not make everything old.
"""


def fit(histories: Histories, *, seed: int, config: EvaluateConfig) -> Popularity:  # noqa: ARG001 - one signature
    """Count the interactions of each item, each weighing half as much for every `HALF_LIFE` of its age.

    Without times, age is the share of its own user's history that came after an interaction.
    """
    age = _age_in_row(histories) if histories.times is None else _age(histories.times)
    weights = 0.5 ** (age / HALF_LIFE)
    scores = np.bincount(histories.item_nums, weights=weights, minlength=histories.n_items)
    return Popularity("recent_popularity", scores.astype(np.float64))


def _age(times: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return 1.0 - np.searchsorted(np.sort(times), times, side="right") / max(len(times), 1)


def _age_in_row(histories: Histories) -> npt.NDArray[np.float64]:
    lengths = np.repeat(histories.lengths, histories.lengths)
    ends = np.repeat(histories.indptr[1:], histories.lengths)
    return (ends - 1 - np.arange(len(histories.item_nums))) / np.maximum(lengths, 1)
