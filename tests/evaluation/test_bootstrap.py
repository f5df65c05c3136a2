"""Intervals against scipy and against what is known of the normal distribution."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.errors import RecsysError
from recsys_cl.evaluation import bootstrap


def test_intervals_are_those_of_scipy():
    values = np.random.default_rng(0).exponential(size=(300, 1))
    (low,), (high,) = bootstrap.intervals(values, samples=4000, confidence=0.9, seed=1)
    theirs = scipy.stats.bootstrap(
        (values[:, 0],), np.mean, n_resamples=4000, confidence_level=0.9, method="percentile", rng=2
    ).confidence_interval
    assert low == pytest.approx(theirs.low, abs=0.01)
    assert high == pytest.approx(theirs.high, abs=0.01)


def test_blocks_of_resamples_are_all_used(monkeypatch):
    values = np.random.default_rng(0).normal(size=(100, 2))
    monkeypatch.setattr(bootstrap, "_BLOCK_DRAWS", 100 * 7)
    means = np.concatenate(list(bootstrap._resampled_means(values, 50, seed=3)))
    assert means.shape == (50, 2)
    assert len(np.unique(means[:, 0])) == 50
    assert means.std(axis=0) == pytest.approx([0.1, 0.1], rel=0.3)


def test_equal_seeds_give_equal_intervals():
    values = np.random.default_rng(0).normal(size=(50, 3))
    first, second, other = (bootstrap.intervals(values, samples=200, confidence=0.95, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_paired_comparison_sees_what_an_unpaired_one_cannot():
    draw = np.random.default_rng(0)
    hardness = draw.uniform(size=500)  # users differ much more than the two rankings do
    ours, theirs = hardness + 0.01 + draw.normal(0, 0.01, 500), hardness
    found = bootstrap.paired_bootstrap(ours, theirs, samples=1000, seed=0)
    assert found.low > 0.005
    assert found.high < 0.015
    assert found.probability == 1.0
    assert found.difference == pytest.approx((ours - theirs).mean())


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_ranking_is_neither_better_nor_worse_than_itself(values):
    found = bootstrap.paired_bootstrap(np.array(values), np.array(values), samples=100, seed=0)
    assert found == bootstrap.PairedDifference(0.0, 0.0, 0.0, 0.5)


@pytest.mark.parametrize(("ours", "theirs"), [([], []), ([0.1], [0.1, 0.2])])
def test_only_the_same_users_can_be_compared(ours, theirs):
    with pytest.raises(RecsysError, match="same users"):
        bootstrap.paired_bootstrap(np.array(ours), np.array(theirs), samples=100, seed=0)


def frame(users: list[str], recall: list[float], *, warm: list[bool] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {"user_id": users, "warm": warm or [True] * len(users), "n_relevant": [1] * len(users), "recall_at_20": recall}
    )


def test_frames_are_compared_user_by_user_whatever_their_order():
    ours = frame(["a", "b", "c"], [0.1, 0.2, 0.9], warm=[True, True, False])
    theirs = frame(["b", "a", "d"], [0.1, 0.0, 0.5])
    found = bootstrap.compare(ours, theirs, "recall_at_20", samples=100, seed=0)
    assert found.difference == pytest.approx(0.1)


def test_a_metric_that_was_not_measured_is_named():
    with pytest.raises(RecsysError, match="'recall_at_7' was not measured"):
        bootstrap.compare(frame(["a"], [1.0]), frame(["a"], [1.0]), "recall_at_7", samples=100, seed=0)
