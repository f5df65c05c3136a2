"""Alignment, uniformity, mean cosine and isotropy: hand-worked numbers, slow oracles, and what must not matter."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.contrast.diagnostics.alignment import alignment, uniformity, uniformity_of_sphere
from recsys_cl.contrast.diagnostics.directions import mean_cosine, paired_cosines, pairwise_cosines, unit
from recsys_cl.contrast.diagnostics.isotropy import isotropy

SEEDS = st.integers(0, 10_000)


def cloud(seed: int, rows: int = 30, dim: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, dim)) + 0.3


def rotation(seed: int, dim: int = 5) -> np.ndarray:
    return scipy.stats.ortho_group.rvs(dim, random_state=seed)


def test_alignment_by_hand():
    users, items = np.array([[1.0, 0], [0, 2], [0, 3]]), np.array([[5.0, 0], [1, 0], [0, -1]])
    cosines = paired_cosines(users, items)
    assert cosines.tolist() == [1, 0, -1]
    assert alignment(cosines) == (0 + 2 + 4) / 3
    assert alignment(paired_cosines(users, users)) == 0


def test_alignment_against_distances_one_by_one():
    left, right = cloud(0), cloud(1)
    distances = [
        np.linalg.norm(x / np.linalg.norm(x) - y / np.linalg.norm(y)) ** 2 for x, y in zip(left, right, strict=True)
    ]
    assert alignment(paired_cosines(left, right)) == pytest.approx(np.mean(distances))


def test_uniformity_by_hand():
    # Distances squared on the axes of the plane: 2 between neighbours (four pairs), 4 between opposites (two pairs).
    axes = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    assert uniformity(axes) == pytest.approx(math.log((4 * math.exp(-4) + 2 * math.exp(-8)) / 6))
    assert uniformity(np.ones((5, 1))) == 0


def test_uniformity_against_pairs_one_by_one():
    units = unit(cloud(2))
    potentials = [math.exp(-2 * np.linalg.norm(x - y) ** 2) for x, y in itertools.combinations(units, 2)]
    assert uniformity(units) == pytest.approx(math.log(np.mean(potentials)))


@pytest.mark.parametrize("dim", [2, 3, 16, 200])
def test_nothing_is_more_uniform_than_the_sphere(dim):
    even = unit(np.random.default_rng(3).normal(size=(1500, dim)))
    assert uniformity(even) == pytest.approx(uniformity_of_sphere(dim), abs=0.02)
    assert uniformity_of_sphere(dim) < uniformity(unit(even + 0.3))


def test_the_circle_against_an_integral():
    angles = (np.arange(20_000) + 0.5) * 2 * np.pi / 20_000
    assert uniformity_of_sphere(2) == pytest.approx(np.log(np.mean(np.exp(-2 * (2 - 2 * np.cos(angles))))))


def test_mean_cosine_against_all_pairs():
    units = unit(cloud(4))
    assert mean_cosine(units) == pytest.approx(pairwise_cosines(units).mean())
    assert mean_cosine(np.array([[1.0, 0], [-1, 0]])) == -1


def slow_isotropy(units: np.ndarray) -> float:
    _, vectors = np.linalg.eigh(units.T @ units)
    sums = [sum(math.exp(sign * w @ c) for w in units) for c in vectors.T for sign in (1, -1)]
    return min(sums) / max(sums)


def test_isotropy_against_the_definition():
    units = unit(cloud(5))
    assert isotropy(units) == pytest.approx(slow_isotropy(units))


def test_isotropy_at_both_ends():
    axes = np.vstack([np.eye(6), -np.eye(6)])
    assert isotropy(axes) == pytest.approx(1)
    assert isotropy(np.ones((7, 1))) == pytest.approx(math.exp(-2))


@given(seed=SEEDS)
def test_the_smaller_gram_matrix_gives_the_same_isotropy(seed):
    few = unit(cloud(seed, rows=4, dim=9))
    spanned = np.linalg.svd(few, full_matrices=False)[2]
    assert isotropy(few) == pytest.approx(isotropy(few @ spanned.T))


@given(seed=SEEDS)
def test_turning_the_space_changes_nothing(seed):
    left, right, turn = cloud(seed), cloud(seed + 1), rotation(seed)
    units, turned = unit(left), unit(left @ turn)
    assert alignment(paired_cosines(left @ turn, right @ turn)) == pytest.approx(alignment(paired_cosines(left, right)))
    assert uniformity(turned) == pytest.approx(uniformity(units))
    assert mean_cosine(turned) == pytest.approx(mean_cosine(units))
    assert isotropy(turned) == pytest.approx(isotropy(units))


@given(seed=SEEDS, scale=st.floats(1e-3, 1e3))
def test_the_unit_of_length_means_nothing(seed, scale):
    assert np.allclose(unit(cloud(seed) * scale), unit(cloud(seed)))


def test_zero_vectors_are_left_out_and_nothing_gives_none():
    vectors = np.array([[0.0, 0], [3, 4], [0, 0]])
    assert unit(vectors).tolist() == [[0.6, 0.8]]
    assert len(paired_cosines(vectors, vectors)) == 1
    nothing = unit(np.zeros((4, 3)))
    assert nothing.shape == (0, 3)
    assert alignment(np.zeros(0)) is uniformity(nothing) is mean_cosine(nothing) is isotropy(nothing) is None
    assert uniformity(unit(vectors)) is mean_cosine(unit(vectors)) is None
