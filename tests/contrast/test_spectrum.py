"""Effective rank and what it is compared with."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.contrast.diagnostics.spectrum import (
    effective_rank,
    random_singular_values,
    score_singular_values,
    singular_values,
)

SEEDS = st.integers(0, 10_000)


def rank_of(vectors: np.ndarray) -> float | None:
    return effective_rank(singular_values(vectors))


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (1, 3), (5, 1)])
def test_singular_values_are_those_of_the_matrix(shape):
    vectors = np.random.default_rng(0).normal(size=shape)
    assert singular_values(vectors) == pytest.approx(np.linalg.svd(vectors, compute_uv=False))


@pytest.mark.parametrize("dim", [1, 2, 5, 16])
def test_the_effective_rank_of_an_orthogonal_matrix_is_its_dimension(dim):
    assert rank_of(3 * np.eye(dim)) == pytest.approx(dim)
    turned = scipy.stats.ortho_group.rvs(dim, random_state=1) if dim > 1 else np.eye(1)
    assert rank_of(np.vstack([turned, turned, -turned])) == pytest.approx(dim)


def test_the_effective_rank_of_rank_one_is_one():
    left, right = np.random.default_rng(1).normal(size=(2, 30))
    assert rank_of(np.outer(left, right[:6])) == pytest.approx(1, abs=1e-6)


def test_effective_rank_by_hand():
    of_shares = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)  # three quarters and one quarter
    assert effective_rank(np.array([3.0, 1.0, 0.0])) == pytest.approx(math.exp(of_shares))
    assert effective_rank(np.zeros(3)) is None


@given(seed=SEEDS, scale=st.floats(1e-3, 1e3))
def test_turning_and_stretching_change_no_effective_rank(seed, scale):
    vectors = np.random.default_rng(seed).normal(size=(20, 4)) * [4, 2, 1, 0.1]
    turn = scipy.stats.ortho_group.rvs(4, random_state=seed)
    assert rank_of(scale * vectors @ turn) == pytest.approx(rank_of(vectors))
    assert 1 <= rank_of(vectors) <= 4


@given(seed=SEEDS)
def test_scores_are_compared_without_making_them(seed):
    rng = np.random.default_rng(seed)
    users, items = rng.normal(size=(12, 3)), rng.normal(size=(9, 3)) + 2
    scores = users @ items.T
    expected = np.linalg.svd(scores - scores.mean(axis=1, keepdims=True), compute_uv=False)
    assert score_singular_values(users, items)[:3] == pytest.approx(expected[:3])


@given(seed=SEEDS)
def test_how_scores_are_split_between_sides_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    users, items, mix = rng.normal(size=(30, 4)), rng.normal(size=(20, 4)), rng.normal(size=(4, 4)) + 3 * np.eye(4)
    plain = score_singular_values(users, items)
    mixed = score_singular_values(users @ mix, items @ np.linalg.inv(mix).T)
    assert mixed == pytest.approx(plain, rel=1e-4)


def test_more_dimensions_than_vectors():
    rng = np.random.default_rng(2)
    users, items = rng.normal(size=(6, 50)), rng.normal(size=(8, 50))
    scores = users @ (items - items.mean(axis=0)).T
    assert score_singular_values(users, items) == pytest.approx(np.linalg.svd(scores, compute_uv=False))


@pytest.mark.parametrize(("rows", "columns"), [(2000, 64), (500, 400), (300, 300), (100, 900)])
def test_random_values_are_those_of_a_random_matrix(rows, columns):
    drawn = singular_values(np.random.default_rng(3).normal(size=(rows, columns)))
    expected = random_singular_values(rows, columns)
    assert expected.shape == drawn.shape
    assert np.abs(expected - drawn).max() < 0.05 * drawn[0]
    assert effective_rank(expected) == pytest.approx(effective_rank(drawn), rel=0.005)


def test_a_random_row_or_column_has_rank_one():
    assert effective_rank(random_singular_values(1, 30)) == 1
    assert effective_rank(random_singular_values(30, 1)) == 1
