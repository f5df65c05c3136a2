"""Projections of Gaussian vectors are called normal, others not; and how large the difference is."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from recsys_cl.contrast.diagnostics.normality import normality


def gaussian(rows: int, dim: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, dim)) @ rng.normal(size=(dim, dim)) + 5


def test_gaussian_vectors_of_any_mean_and_covariance_are_rejected_as_seldom_as_the_level_says():
    found = normality(gaussian(3000), projections=400)
    assert found.rejected < 0.12  # projections are not independent of each other
    assert found.distance == pytest.approx(found.chance, rel=0.25)
    assert found.skewness < 0.1
    assert abs(found.kurtosis) < 0.15
    normal, middle, low, high = found.quantiles.T
    assert middle == pytest.approx(normal, abs=0.1)
    assert (low <= middle).all()
    assert (middle <= high).all()


def test_heavy_tails_are_rejected_and_their_size_told():
    vectors = gaussian(3000) * np.random.default_rng(1).exponential(size=(3000, 1))
    found = normality(vectors - vectors.mean(axis=0))
    assert found.rejected == 1
    assert found.distance > 3 * found.chance
    assert found.kurtosis > 1
    assert found.quantiles[-1, 1] > found.quantiles[-1, 0]


def test_a_single_coordinate_against_scipy():
    values = np.random.default_rng(2).gamma(3, size=(500, 1))
    found = normality(values, projections=7)
    scaled = (values[:, 0] - values.mean()) / values.std()
    assert found.rejected == float(scipy.stats.normaltest(values[:, 0]).pvalue < 0.05) == 1
    assert found.distance == pytest.approx(scipy.stats.kstest(scaled, "norm").statistic, abs=0.02)  # of either sign
    assert found.skewness == pytest.approx(abs(scipy.stats.skew(values[:, 0])))
    assert found.kurtosis == pytest.approx(scipy.stats.kurtosis(values[:, 0]))
    assert found.projections == 7


def test_the_distance_by_chance_is_that_of_normal_numbers():
    found = normality(np.random.default_rng(3).normal(size=(400, 300)), projections=300)
    assert found.distance == pytest.approx(found.chance, rel=0.05)


def test_the_seed_draws_the_projections():
    vectors = gaussian(100)
    first, again, other = (normality(vectors, seed=seed) for seed in (0, 0, 1))
    assert first.distance == again.distance != other.distance


@pytest.mark.parametrize("vectors", [np.zeros((0, 4)), gaussian(19), np.zeros((50, 4)), np.ones((50, 4)) * 1e6])
def test_too_few_vectors_and_vectors_that_do_not_vary_give_none(vectors):
    assert normality(vectors) is None
