"""Histories cut in two: what is asked, what is to be found from it, and what is neither."""

from __future__ import annotations

import dataclasses
import math
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.config import PairsConfig
from recsys_cl.pairs.cuts import Cuts
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.negatives import Negatives
from recsys_cl.pairs.pair_set import PairSet, write_pairs

N_ITEMS = 8
can_be_cut = st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=9), min_size=1, max_size=7).filter(
    lambda rows: any(len(row) > 1 for row in rows)
)
patient = settings(max_examples=40, deadline=None)


def pair_set(folder, rows, values=None, n_items=N_ITEMS, **config) -> PairSet:
    flat = np.array([item for row in rows for item in row], dtype=np.int32)
    weights = np.ones(len(flat)) if values is None else np.array(values)
    indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    histories = Histories(indptr, flat, None, weights.astype(np.float32), n_items)
    return write_pairs(histories, folder / "pairs", PairsConfig(**config))


def cuts(pairs, **changes) -> Cuts:
    drawn = {"uniform": changes.pop("uniform_negatives", 3)}
    asked = {
        "batch_size": 4,
        "negatives": Negatives(pairs.n_items, **drawn | changes.pop("other_negatives", {})),
        "id_dropout": 0.0,
        "window": 3,
        "ordered": True,
        "one_table": False,
        "seed": 0,
    }
    return Cuts(pairs, **{**asked, **changes})


@dataclasses.dataclass
class Told:
    """One query of a batch, in items and not in slots."""

    user: int
    history: list[int]
    positives: list[int]
    known: list[int]
    weights: list[float]


def told(batch) -> list[Told]:
    candidates = batch.items[batch.candidate_slots]
    history = batch.history_items[batch.history_slots]
    queries = []
    for row, (start, stop) in enumerate(pairwise(batch.offsets)):
        own, known = (entries // len(candidates) == row for entries in (batch.positives, batch.known))
        queries.append(
            Told(
                int(batch.users[batch.user_slots[row]]),
                history[start:stop].tolist(),
                candidates[batch.positives[own] % len(candidates)].tolist(),
                candidates[batch.known[known] % len(candidates)].tolist(),
                batch.weights[own].tolist(),
            )
        )
    return queries


def equal(left, right) -> bool:
    fields = zip(dataclasses.asdict(left).values(), dataclasses.asdict(right).values(), strict=True)
    return all(np.array_equal(a, b) for a, b in fields)


def epochs(deal, count=3):
    return [batch for epoch in range(1, count + 1) for batch in deal.epoch(epoch)]


@given(can_be_cut, st.booleans(), st.integers(1, 6), st.integers(0, 5), st.integers(0, 99))
@patient
def test_no_positive_is_in_its_history_and_none_is_lost(tmp_path_factory, rows, ordered, window, drawn, seed):
    pairs = pair_set(tmp_path_factory.mktemp("c"), rows)
    deal = cuts(pairs, ordered=ordered, window=window, uniform_negatives=drawn, seed=seed)
    for batch in epochs(deal):
        candidates = set(batch.items[batch.candidate_slots].tolist())
        for query in told(batch):
            row = rows[query.user]
            assert not set(query.positives) & set(query.history)
            assert len(set(query.positives)) == len(query.positives)
            assert set(query.positives) <= set(row) & candidates
            # What came before is no negative, where it is a candidate at all; what is yet to come is one.
            assert set(query.known) == set(query.history) & candidates


@given(can_be_cut, st.integers(1, 6), st.integers(1, 9), st.integers(0, 99))
@patient
def test_an_ordered_history_comes_before_the_cut_and_its_positives_within_a_window(
    tmp_path_factory, rows, window, longest, seed
):
    pairs = pair_set(tmp_path_factory.mktemp("c"), rows, history_length=longest)
    for batch in epochs(cuts(pairs, window=window, seed=seed)):
        for query in told(batch):
            row = rows[query.user]
            fitting = [
                cut
                for cut in range(1, len(row))
                if query.history == row[max(0, cut - longest) : cut]
                and set(query.positives) == set(row[cut : cut + window]) - set(row[:cut])
            ]
            assert fitting, (row, query)


@given(can_be_cut, st.integers(1, 6), st.integers(0, 99))
@patient
def test_an_unordered_history_loses_what_is_held_out(tmp_path_factory, rows, window, seed):
    pairs = pair_set(tmp_path_factory.mktemp("c"), rows)
    for batch in epochs(cuts(pairs, ordered=False, window=window, seed=seed)):
        for query in told(batch):
            row = rows[query.user]
            assert 1 <= len(query.history) < len(row)  # something was held out and something was kept
            assert set(query.positives) == set(row) - set(query.history)
            left = iter(row)
            assert all(item in left for item in query.history)  # in the order of the row


@given(can_be_cut, st.booleans(), st.integers(1, 4))
@patient
def test_each_user_is_dealt_as_often_as_the_root_of_the_windows_that_fit(tmp_path_factory, rows, ordered, window):
    deal = cuts(pair_set(tmp_path_factory.mktemp("c"), rows), ordered=ordered, window=window)
    dealt = [query.user for batch in deal.epoch(1) for query in told(batch)]
    expected = [math.ceil(math.sqrt(len(row) / window)) if len(row) > 1 else 0 for row in rows]
    assert np.bincount(dealt, minlength=len(rows)).tolist() == expected
    sizes = [len(batch) for batch in deal.epoch(1)]
    assert len(sizes) == deal.steps
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 4


@given(can_be_cut, st.booleans(), st.booleans())
@patient
def test_rows_are_named_once_each_and_slots_point_to_all_of_them(tmp_path_factory, rows, ordered, one_table):
    deal = cuts(pair_set(tmp_path_factory.mktemp("c"), rows), ordered=ordered, one_table=one_table)
    apart = cuts(deal.pairs, ordered=ordered, one_table=False)
    for batch, same in zip(deal.epoch(1), apart.epoch(1), strict=True):
        for named in (batch.users, batch.items, batch.history_items):
            assert (np.diff(named) > 0).all()
        assert (np.diff(batch.positives) > 0).all()
        assert (np.diff(batch.known // len(batch.candidate_slots)) >= 0).all()
        assert told(batch) == told(same)
        if one_table:
            assert batch.history_items is batch.items
            used = np.concatenate([batch.candidate_slots, batch.history_slots])
            assert np.array_equal(np.unique(used), np.arange(len(batch.items)))
        else:
            assert np.array_equal(np.unique(batch.candidate_slots), np.arange(len(batch.items)))
            assert np.array_equal(np.unique(batch.history_slots), np.arange(len(batch.history_items)))


@pytest.fixture
def many(tmp_path) -> PairSet:
    """Give histories of one to forty of two hundred items, the first of which are taken most."""
    rng = np.random.default_rng(0)
    chance = 1 / np.arange(4, 204)
    rows = [rng.choice(200, rng.integers(1, 41), p=chance / chance.sum()).tolist() for _ in range(120)]
    return pair_set(tmp_path, rows, n_items=200)


@pytest.mark.parametrize("ordered", [True, False])
def test_one_seed_one_order_and_any_step_to_start_from(many, ordered):
    deal = [cuts(many, ordered=ordered, batch_size=16, id_dropout=0.3, seed=seed) for seed in (5, 5, 6)]
    first, again, other = (list(one.epoch(2)) for one in deal)
    assert all(equal(left, right) for left, right in zip(first, again, strict=True))
    assert not any(equal(left, right) for left, right in zip(first, other, strict=True))
    assert not any(equal(left, right) for left, right in zip(first, deal[0].epoch(1), strict=True))
    for step in range(deal[0].steps + 1):
        late = list(deal[1].epoch(2, first_step=step))
        assert [batch.step for batch in late] == list(range(step, deal[0].steps))
        assert all(equal(left, right) for left, right in zip(first[step:], late, strict=True))


@pytest.mark.parametrize(("ordered", "drawn"), [(True, 0), (False, 10)])
def test_log_q_is_how_likely_an_item_is_to_be_a_candidate(many, ordered, drawn):
    deal = cuts(many, ordered=ordered, window=5, batch_size=16, uniform_negatives=drawn)
    batches = epochs(deal, 60)
    seen, log_q = np.zeros(200), np.full(200, np.nan)
    for batch in batches:
        candidates = batch.items[batch.candidate_slots]
        seen[candidates] += 1
        log_q[candidates] = batch.log_q
    often = seen > 20
    assert often.sum() > 150
    found, counted = np.exp(log_q[often]), seen[often] / len(batches)
    spread = np.sqrt(counted * (1 - counted) / len(batches))
    # Users are dealt without replacement and some take an item twice, so the formula is a little off what is counted.
    assert (np.abs(found - counted) < 4 * spread + 0.03).all()
    assert np.abs(found - counted).mean() < 0.015
    assert abs((found / counted - 1).mean()) < 0.04


def test_log_q_follows_the_size_that_batches_have(tmp_path):
    # 30 users in batches of at most 20 are 2 batches of 15; each cut of two items has the second to be found.
    rows = [[2 * user, 2 * user + 1] for user in range(30)]
    deal = cuts(pair_set(tmp_path, rows, n_items=60), batch_size=20, uniform_negatives=0)
    for batch in deal.epoch(1):
        assert len(batch) == 15
        np.testing.assert_allclose(batch.log_q, np.log(1 - np.exp(-15 / 30)), rtol=1e-5)


def test_short_histories_are_held_out_as_often_as_log_q_says(tmp_path):
    # Of two items one is held out, whatever the share: an item of one of 400 such users is there in half the epochs.
    rows = [[2 * user, 2 * user + 1] for user in range(400)]
    deal = cuts(pair_set(tmp_path, rows, n_items=800), ordered=False, batch_size=20, uniform_negatives=0)
    batch = next(deal.epoch(1))
    # 20 of 400 users, of each one item of two.
    np.testing.assert_allclose(batch.log_q, np.log(1 - np.exp(-20 / 400 / 2)), rtol=1e-5)


def test_an_item_that_only_ever_starts_a_history_is_drawn_or_no_candidate(tmp_path):
    rows = [[0, 1, 2], [0, 3, 1]]
    assert all(0 not in batch.items for batch in epochs(cuts(pair_set(tmp_path, rows), uniform_negatives=0), 20))
    drawn = [batch for batch in epochs(cuts(pair_set(tmp_path, rows), uniform_negatives=3), 20) if 0 in batch.items]
    # 0 is the lowest number, so the first candidate; it comes with three uniform draws of eight items alone.
    np.testing.assert_allclose([batch.log_q[0] for batch in drawn], np.log(1 - (7 / 8) ** 3), rtol=1e-5)


@pytest.mark.parametrize("ordered", [True, False])
def test_users_with_one_item_are_never_dealt_and_nobody_to_deal_is_no_batch(tmp_path, ordered):
    deal = cuts(pair_set(tmp_path, [[3], [1, 2], [], [0]]), ordered=ordered)
    assert {query.user for batch in epochs(deal) for query in told(batch)} == {1}


def test_repeats_of_the_history_are_known_and_not_sought(tmp_path):
    (batch,) = cuts(pair_set(tmp_path, [[4, 4]]), uniform_negatives=0, window=3).epoch(1)
    assert told(batch) == [Told(0, [4], [], [4], [])]


def test_a_repeat_after_the_cut_is_sought_once(tmp_path):
    for batch in epochs(cuts(pair_set(tmp_path, [[5, 4, 4, 4]]), uniform_negatives=0, window=3), 20):
        for query in told(batch):
            assert query.positives == ([4] if query.history == [5] else [])


def test_a_positive_weighs_what_its_interaction_does_over_the_root_of_their_number(tmp_path):
    rows, values = [[0, 1, 2, 3], [4, 5]], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    pairs = pair_set(tmp_path, rows, values, weighting="value", shard_pairs=2)
    weight_of = dict(zip([item for row in rows for item in row], values, strict=True))
    for ordered in (True, False):
        for batch in epochs(cuts(pairs, ordered=ordered), 10):
            assert len(batch.weights) == len(batch.positives)
            for query in told(batch):
                expected = [weight_of[item] / math.sqrt(len(query.positives)) for item in query.positives]
                assert query.weights == pytest.approx(expected)


def test_ids_are_hidden_in_their_share(tmp_path):
    pairs = pair_set(tmp_path, [[0, 1, 2, 3]] * 600)
    (batch,) = cuts(pairs, batch_size=1000, window=4, id_dropout=0.25).epoch(1)
    assert np.mean(batch.user_slots < 0) == pytest.approx(0.25, abs=0.06)
    assert (batch.users[batch.user_slots[batch.user_slots >= 0]] >= 0).all()
    (open_,) = cuts(pairs, batch_size=1000, window=4).epoch(1)
    assert (open_.user_slots >= 0).all()
    assert np.array_equal(open_.positives, batch.positives)


@pytest.mark.parametrize("ordered", [True, False])
def test_an_endless_history_is_dealt_a_bounded_number_of_times(tmp_path, ordered):
    rng = np.random.default_rng(0)
    rows = [rng.integers(5000, size=length).tolist() for length in (100_000, *[20] * 50)]
    deal = cuts(pair_set(tmp_path, rows, n_items=5000), batch_size=64, window=20, ordered=ordered)
    started = time.monotonic()
    batches = list(deal.epoch(1))
    assert time.monotonic() - started < 20  # it takes well under a second on an idle machine
    users = np.concatenate([batch.users[batch.user_slots] for batch in batches])
    assert np.bincount(users).tolist() == [71] + [1] * 50  # the root of 100,000 / 20
    assert max(np.diff(batch.offsets).max() for batch in batches) <= deal.pairs.config.history_length
    for batch in batches:
        assert np.bincount(batch.positives // len(batch.candidate_slots)).max() <= (20 if ordered else 60)
