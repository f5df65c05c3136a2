"""Entropy of lists, likeness of neighbours, rank correlation and the map."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp

from recsys_cl.contrast.diagnostics.directions import unit
from recsys_cl.contrast.diagnostics.neighbours import kindred
from recsys_cl.contrast.diagnostics.plane import plane
from recsys_cl.contrast.diagnostics.ranks import constant, rank_correlation
from recsys_cl.contrast.diagnostics.spread import entropy, occurrences, spread_between


def test_the_entropy_of_one_list_for_all_is_log_k():
    lists = np.tile(np.arange(5), (30, 1))
    assert entropy(occurrences(lists, 100)) == pytest.approx(math.log(5))


def test_the_entropy_of_an_even_spread_is_the_logarithm_of_the_catalogue():
    lists = np.arange(60).reshape(12, 5)
    assert entropy(occurrences(lists, 60)) == pytest.approx(math.log(60))


def test_entropy_by_hand_and_padding():
    lists = np.array([[0, 1], [0, -1], [0, -1]])
    assert occurrences(lists, 3).tolist() == [3, 1, 0]
    assert entropy(occurrences(lists, 3)) == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    assert entropy(np.zeros(3, dtype=int)) is None
    assert entropy(np.array([4])) == 0


def test_spread_lies_between_one_list_and_all():
    assert spread_between(3.0, 1.0, 5.0) == 0.5
    assert spread_between(0.5, 1.0, 5.0) == 0
    assert spread_between(5.0, 5.0, 5.0) is None
    assert spread_between(4.0, 4.4, 5.0) is None  # one list for all is half as varied as lists can be


def test_kindred_by_hand():
    # Two tight pairs, far apart; the first pair shares a label, the second does not.
    units = unit(np.array([[1, 0.1], [1, -0.1], [-1, 0.1], [-1, -0.1]]))
    labels = sp.csr_matrix(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]))
    same, chance = kindred(units, labels, 1)
    assert same == 0.5
    assert chance == 4 / 12  # items 0 and 1, 1 and 2, each way
    assert kindred(units, labels, 3) == (chance, chance)
    assert kindred(units, labels, 50) == (chance, chance)
    assert kindred(units[:2], labels[:2], 1) is None


def test_rank_correlation_by_hand_and_where_there_is_none():
    assert rank_correlation(np.array([1, 5, 9]), np.array([2, 3, 400])) == 1
    assert rank_correlation(np.array([1, 5, 9]), np.array([3, 2, 1])) == -1
    assert rank_correlation(np.ones(9), np.arange(9)) is None
    assert rank_correlation(np.arange(2), np.arange(2)) is None
    assert constant(1 + 1e-7 * np.random.default_rng(0).normal(size=50))
    assert constant(np.zeros(0))
    assert not constant(np.array([1, 1.01]))


def test_a_map_keeps_groups_together_and_can_be_drawn_again():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.eye(8)[:3], 20, axis=0)
    units = unit(groups + 0.1 * rng.normal(size=groups.shape))
    places = plane(units, seed=3)
    assert places.shape == (60, 2)
    assert np.abs(places).max() == pytest.approx(1)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + 9 * np.eye(60)
    assert (distances.argmin(axis=1) // 20 == np.repeat(np.arange(3), 20)).all()
    assert np.array_equal(places, plane(units, seed=3))


@pytest.mark.parametrize("units", [np.eye(9), np.ones((30, 1)), np.zeros((0, 3))])
def test_too_few_vectors_or_all_the_same_have_no_map(units):
    assert plane(units) is None


def test_vectors_of_one_coordinate_have_a_map():
    assert np.isfinite(plane(np.array([[1.0], [-1.0]] * 10))).all()
