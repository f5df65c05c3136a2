"""The popularity prior: what it adds to scores, and that validation decides how much."""

from __future__ import annotations

import numpy as np
import pytest
from planted_log import ITEMS, USERS, planted_histories

from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.towers.spec import TowerSpec
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.prior import PopularityPrior, judged, log_popularity


@pytest.fixture
def towers():
    spec = TowerSpec(
        n_users=USERS,
        n_items=ITEMS,
        embedding_dim=4,
        query_encoder="history_and_id",
        candidate_encoder="item_id",
        similarity="cosine",
        history_length=10,
    )
    made = TwoTower(spec)
    rng = np.random.default_rng(0)
    for table in made.tables.values():
        table.copy_(table.new_tensor(rng.normal(size=table.shape)))
    return made


def timed(times):
    plain = planted_histories()
    return Histories(plain.indptr, plain.item_nums, times, plain.values, plain.n_items)


def scores(towers):
    histories = planted_histories()
    queries = Queries(np.arange(USERS, dtype=np.int32), histories)
    return towers.query_vectors(queries) @ towers.item_vectors().T


def test_the_prior_adds_its_number_to_every_score_of_an_item(towers):
    before = scores(towers)
    prior = np.random.default_rng(1).normal(size=ITEMS).astype(np.float32)
    towers.set_prior(prior)
    np.testing.assert_allclose(scores(towers), before + prior, atol=1e-5)
    assert towers.item_vectors(with_offsets=False).shape == (ITEMS, 4)


def test_the_prior_is_saved_with_the_towers(towers, tmp_path):
    towers.set_prior(np.arange(ITEMS, dtype=np.float32))
    towers.save(tmp_path)
    np.testing.assert_array_equal(TwoTower.load(tmp_path).item_vectors(), towers.item_vectors())


def test_a_half_life_halves_what_is_that_old():
    histories = Histories(
        np.array([0, 3]), np.array([0, 1, 2], np.int32), np.array([0, 50, 100]), np.ones(3, np.float32), 4
    )
    found = np.expm1(log_popularity(histories, half_life=0.5))
    np.testing.assert_allclose(found, [0.25, 0.5, 1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(np.expm1(log_popularity(histories, None)), [1, 1, 1, 0], atol=1e-6)


@pytest.mark.parametrize("wanted", [0.0, 2.0, 8.0])
def test_each_is_judged_by_what_it_adds(wanted):
    histories = planted_histories()
    target = 0.1 * wanted * log_popularity(histories, None)
    marks = judged(histories, 0.1, lambda prior: np.full(3, -np.abs(prior - target).sum()))
    assert next(iter(marks)) == PopularityPrior()
    best = max(marks, key=lambda prior: marks[prior].mean())
    assert best.strength == wanted
    np.testing.assert_allclose(best.scores(histories, 0.1), target, atol=1e-6)


def test_a_very_strong_prior_is_popularity_itself(towers):
    histories = planted_histories()
    towers.set_prior(PopularityPrior(None, 1e6).scores(histories, 0.1))
    popular = histories.counts()
    ranked = np.argsort(-scores(towers), axis=1)
    assert (np.diff(popular[ranked], axis=1) <= 0).all()


def test_half_lives_are_tried_only_where_there_are_times():
    tried = []
    judged(planted_histories(), 0.1, lambda prior: tried.append(prior) or np.zeros(3))
    without = len(tried)
    tried.clear()
    judged(timed(np.arange(USERS * 6)), 0.1, lambda prior: tried.append(prior) or np.zeros(3))
    assert len(tried) > without
