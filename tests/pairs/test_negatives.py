"""Negatives: from where they come, how often each is expected, and that none is something the user took."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.config import PairsConfig, TrainConfig
from recsys_cl.contrast.entries import entries_of
from recsys_cl.pairs.assembly import Assembly
from recsys_cl.pairs.batches import Batches
from recsys_cl.pairs.cuts import Cuts
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.lessons import Lessons
from recsys_cl.pairs.negatives import Negatives
from recsys_cl.pairs.pair_set import write_pairs

USERS, ITEMS = 60, 40
SOURCES = {
    "in batch": {"uniform_negatives": 0},
    "uniform": {"in_batch_negatives": False, "uniform_negatives": 12},
    "popular": {"in_batch_negatives": False, "uniform_negatives": 0, "popular_negatives": 12},
    "by square of popularity": {
        "in_batch_negatives": False,
        "uniform_negatives": 0,
        "popular_negatives": 12,
        "popularity_exponent": 2.0,
    },
    "in batch and uniform": {"uniform_negatives": 10},
    "in batch and popular": {"uniform_negatives": 0, "popular_negatives": 10},
    "uniform and popular": {"in_batch_negatives": False, "uniform_negatives": 6, "popular_negatives": 8},
    "all": {"uniform_negatives": 6, "popular_negatives": 8, "popularity_exponent": 0.5},
}
DEALS = ["pairs", "ordered cuts", "held out", "lessons"]


def histories():
    """Give users who took two to twelve of the items, the first of which are taken most, and each by somebody."""
    rng = np.random.default_rng(0)
    chance = 1 / np.arange(4, ITEMS + 4)
    rows = [rng.choice(ITEMS, rng.integers(2, 13), replace=False, p=chance / chance.sum()) for _ in range(USERS)]
    rows[: ITEMS // 2] = [
        np.unique(np.append(row, [ITEMS - 1 - 2 * n, ITEMS - 2 - 2 * n])) for n, row in enumerate(rows[: ITEMS // 2])
    ]
    flat, indptr = np.concatenate(rows).astype(np.int32), np.cumsum([0, *map(len, rows)])
    return Histories(indptr, flat, None, np.ones(len(flat), np.float32), ITEMS)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(histories(), tmp_path_factory.mktemp("n") / "pairs", PairsConfig())


def negatives_of(source):
    return Negatives.of(histories(), TrainConfig(**SOURCES[source]))


def deal_of(kind, source, pairs, seed=0):
    """Give a deal in batches of about ten queries."""
    negatives = negatives_of(source)
    if kind == "pairs":
        return Batches(pairs, 10, negatives, 0.0, one_table=False, seed=seed)
    if kind == "lessons":
        rng, rows = np.random.default_rng(0), map(pairs.histories.row, range(USERS))
        lists = np.array([rng.permutation(np.setdiff1d(np.arange(ITEMS), row))[:3] for row in rows], np.int32)
        return Lessons(pairs.histories, lists, 10, 50, Assembly(negatives, 0.0, False), seed)
    return Cuts(pairs, 10, negatives, 0.0, 3, kind == "ordered cuts", one_table=False, seed=seed)


def many(deal, epochs=40):
    return [batch for epoch in range(1, epochs + 1) for batch in deal.epoch(epoch)]


def candidates_of(batch):
    return batch.items[batch.candidate_slots]


def as_tensors(*arrays):
    return [torch.from_numpy(array.astype(np.int64)) for array in arrays]


@pytest.mark.parametrize("source", SOURCES)
def test_items_are_drawn_as_often_as_asked(source):
    asked, rng = SOURCES[source], np.random.default_rng(0)
    negatives = negatives_of(source)
    drawn = np.concatenate([negatives.drawn(rng) for _ in range(3000)])
    weights = histories().counts() ** asked.get("popularity_exponent", 0.75)
    popular = asked.get("popular_negatives", 0)
    expected = 3000 * (asked["uniform_negatives"] / ITEMS + popular * weights / weights.sum())
    assert len(drawn) == 3000 * (asked["uniform_negatives"] + popular)
    assert drawn.dtype == np.int32
    assert (np.abs(np.bincount(drawn, minlength=ITEMS) - expected) < 5 * np.sqrt(expected + 1)).all()


def test_a_popularity_of_power_nought_is_uniform_and_of_one_follows_the_log():
    weights = {
        power: Negatives.of(histories(), TrainConfig(popular_negatives=1, popularity_exponent=power)).popularity
        for power in (0.0, 1.0)
    }
    np.testing.assert_allclose(weights[0.0], 1 / ITEMS)
    np.testing.assert_allclose(weights[1.0], histories().counts() / len(histories().item_nums))
    assert Negatives.of(histories(), TrainConfig()).popularity is None


def test_an_item_nobody_took_is_never_drawn_by_popularity():
    fewer = replace(histories(), n_items=ITEMS + 5)
    negatives = Negatives.of(fewer, TrainConfig(uniform_negatives=0, popular_negatives=5000))
    assert negatives.drawn(np.random.default_rng(0)).max() < ITEMS


def test_expected_by_hand():
    # Of four items, 0 is drawn half of the time by popularity, and stands for half of the pairs.
    popularity, shares = np.array([0.5, 0.25, 0.25, 0.0]), np.array([0.5, 0.3, 0.2, 0.0])
    items = np.array([0, 3, 0, 1, 3], np.int32)  # the first two are the positives
    negatives = Negatives(4, in_batch=True, uniform=2, popular=4, popularity=popularity)
    expected = {0: 2 / 4 + 4 * 0.5 + 2 * 0.5, 1: 2 / 4 + 4 * 0.25 + 2 * 0.3, 3: 2 / 4}
    found = np.exp(negatives.log_expected(shares, 2, items))
    np.testing.assert_allclose(found, [expected[item] for item in items], rtol=1e-6)
    apart = np.exp(replace(negatives, in_batch=False).log_expected(shares, 2, items))
    np.testing.assert_allclose(apart, [np.inf, np.inf, 2.5, 1.5, 0.5], rtol=1e-6)


def test_inclusion_by_hand():
    popularity = np.array([0.5, 0.25, 0.25, 0.0])
    negatives = Negatives(4, in_batch=True, uniform=2, popular=3, popularity=popularity)
    positives = np.array([1.0, 0.0, 2.0, 0.0])  # expected in a batch
    missed = (3 / 4) ** 2 * (1 - popularity) ** 3
    np.testing.assert_allclose(np.exp(negatives.log_inclusion(positives)), 1 - missed * np.exp(-positives), rtol=1e-6)
    apart = np.exp(replace(negatives, in_batch=False).log_inclusion(positives))
    np.testing.assert_allclose(apart, 1 - missed, rtol=1e-6)
    assert (Negatives(4, in_batch=False).log_inclusion(positives) == -np.inf).all()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", DEALS)
def test_log_q_says_how_often_candidates_are_negatives_and_corrects_sums(kind, source, pairs):
    values = np.exp(np.random.default_rng(1).standard_normal(ITEMS))  # of items for some query
    seen, told, sums = np.zeros(ITEMS), np.full(ITEMS, np.nan), []
    for batch in many(deal_of(kind, source, pairs)):
        candidates = candidates_of(batch)
        drawn = np.isfinite(batch.log_q)
        np.add.at(seen, candidates[drawn], 1)
        told[candidates[drawn]] = np.exp(batch.log_q[drawn])
        sums.append((values[candidates] * np.exp(-batch.log_q)).sum())
    often = np.isfinite(told)
    counted, error = seen[often] / len(sums), np.std(sums) / np.sqrt(len(sums))
    # Users and pairs are dealt without replacement, and some batches are one smaller, of which formulas know nothing.
    assert (np.abs(counted - told[often]) < 5 * np.sqrt(counted / len(sums)) + 0.04 * counted + 0.02).all()
    assert abs(np.mean(sums) - values[often].sum()) < 4 * error + 0.05 * values[often].sum()
    assert error < 0.1 * values[often].sum()
    assert often.sum() > 0.8 * ITEMS


@pytest.mark.parametrize("kind", DEALS)
def test_users_ask_as_often_as_their_log_q_says(kind, pairs):
    batches, seen = many(deal_of(kind, "in batch", pairs)), np.zeros(USERS)
    told, times = np.zeros(USERS), np.zeros(USERS)
    for batch in batches:
        np.add.at(seen, batch.query_users, 1)
        told[batch.users] += np.exp(batch.query_log_q[np.unique(batch.query_users, return_index=True)[1]])
        times[batch.users] += 1
    # They are dealt in turn, in batches that differ by one.
    np.testing.assert_allclose(seen / len(batches), told / times, rtol=0.05)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", DEALS)
def test_what_a_user_took_is_a_positive_or_known_and_nothing_else_is(kind, source, pairs):
    rows = [set(pairs.histories.row(user).tolist()) for user in range(USERS)]
    for batch in deal_of(kind, source, pairs).epoch(1):
        candidates, columns = candidates_of(batch), len(batch.candidate_slots)
        assert not np.isin(batch.known, batch.positives).any()
        entries = entries_of(*as_tensors(batch.taken_rows, batch.taken, candidates)).numpy()
        np.testing.assert_array_equal(entries, np.union1d(batch.positives, batch.known))
        for row, user in enumerate(batch.query_users):
            own = candidates[batch.known[batch.known // columns == row] % columns]
            assert set(own.tolist()) <= rows[user]
            sought = set(candidates[batch.positives[batch.positives // columns == row] % columns].tolist())
            if kind == "lessons":
                assert not sought & rows[user]
                assert set(own.tolist()) == rows[user] & set(candidates.tolist())
            else:
                assert sought <= rows[user]
            left = rows[user] & set(candidates.tolist()) - set(own.tolist()) - sought
            assert not left or kind == "ordered cuts"  # what follows after the window is a negative


@pytest.mark.parametrize("kind", DEALS)
def test_what_is_taken_is_told_whether_it_is_a_candidate_or_not(kind, pairs):
    for batch in many(deal_of(kind, "in batch", pairs), 3):
        assert (np.diff(batch.taken_rows) >= 0).all()
        for row, user in enumerate(batch.query_users):
            taken = set(batch.taken[batch.taken_rows == row].tolist())
            history = batch.history_items[batch.history_slots[batch.offsets[row] : batch.offsets[row + 1]]]
            assert set(history.tolist()) <= taken
            if kind in {"pairs", "held out"}:
                assert taken == set(pairs.histories.row(user).tolist())


def test_without_positives_of_others_a_positive_is_a_negative_only_where_it_is_drawn(pairs):
    for kind in DEALS:
        for batch in many(deal_of(kind, "uniform", pairs), 2):
            drawn = np.isfinite(batch.log_q)
            assert not drawn.all()
            assert drawn.sum() <= 12
            if kind == "pairs":
                assert not drawn[: len(batch)].any()
                assert drawn[len(batch) :].all()


@given(
    rows=st.lists(st.lists(st.integers(0, 7), max_size=6), min_size=1, max_size=5),
    candidates=st.lists(st.integers(0, 9), min_size=1, max_size=9),
)
@settings(max_examples=60)
def test_entries_of_are_all_that_join_a_row_and_what_it_took(rows, candidates):
    numbers = [row for row, items in enumerate(rows) for _ in items]
    taken = [item for items in rows for item in items]
    found = entries_of(*(torch.tensor(one, dtype=torch.int64) for one in (numbers, taken, candidates)))
    slow = [
        row * len(candidates) + column
        for row, items in enumerate(rows)
        for column, item in enumerate(candidates)
        if item in items
    ]
    assert found.tolist() == slow
    assert found.dtype == torch.int64
