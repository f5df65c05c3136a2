"""Figures of the catalogue, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recsys_cl.evaluation import catalogue
from recsys_cl.pairs.histories import Histories

NOTHING = np.zeros(4, dtype=np.int64)
POPULARITY = np.array([8, 4, 2, 2])
counts = arrays(np.int64, st.integers(1, 30), elements=st.integers(0, 50))


def test_coverage_is_the_share_ever_recommended():
    assert catalogue.coverage(np.array([3, 0, 1, 0])) == 0.5


def test_gini_of_even_and_of_one_sided_recommendations():
    assert catalogue.gini(np.array([5, 5, 5, 5])) == pytest.approx(0.0)
    assert catalogue.gini(np.array([0, 0, 0, 9])) == pytest.approx(3 / 4)
    assert catalogue.gini(np.array([1, 3])) == pytest.approx(1 / 4)


@given(counts)
def test_gini_is_half_the_mean_difference_over_the_mean(recommended):
    if recommended.sum() == 0:
        assert catalogue.gini(recommended) == 0.0
        return
    apart = np.abs(recommended[:, None] - recommended[None, :]).mean()
    assert catalogue.gini(recommended) == pytest.approx(apart / (2 * recommended.mean()))


def test_popularity_of_what_is_recommended_and_its_lift_over_what_users_chose():
    recommended = np.array([1, 0, 1, 0])
    assert catalogue.average_popularity(recommended, POPULARITY) == 5.0
    chosen = Histories(np.array([0, 2]), np.array([2, 3], dtype=np.int32), None, np.ones(2, dtype=np.float32), 4)
    assert catalogue.popularity_lift(recommended, POPULARITY, chosen) == 2.5


def test_novelty_is_self_information_in_bits():
    assert catalogue.novelty(np.array([1, 0, 0, 0]), POPULARITY) == pytest.approx(1.0)
    assert catalogue.novelty(np.array([1, 0, 1, 0]), POPULARITY) == pytest.approx((1 + 3) / 2)


def test_recommending_nothing_is_no_trouble():
    nobody = Histories(np.array([0]), np.zeros(0, dtype=np.int32), None, np.zeros(0, dtype=np.float32), 4)
    assert catalogue.coverage(NOTHING) == 0.0
    assert catalogue.gini(NOTHING) == 0.0
    assert catalogue.popularity_lift(NOTHING, POPULARITY, nobody) == 0.0
    assert catalogue.novelty(NOTHING, POPULARITY) == 0.0


@given(counts)
def test_thirds_go_down_in_popularity_and_hold_about_a_third_each(popularity):
    parts = catalogue.thirds(popularity)
    for earlier, later in ((0, 1), (1, 2), (0, 2)):
        if (parts == earlier).any() and (parts == later).any():
            assert popularity[parts == earlier].min() >= popularity[parts == later].max()
    total, largest = popularity.sum(), popularity.max()
    held = np.cumsum([popularity[parts == part].sum() for part in range(3)])
    for part in range(3):  # each cut is off by at most the one item that straddles it
        assert abs(held[part] - total * (part + 1) / 3) <= largest + 1
