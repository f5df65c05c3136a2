"""A teacher's lists as batches: who asks with what, what is to be found, and that deals take turns."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from recsys_cl.pairs.assembly import Assembly
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.in_turn import InTurn
from recsys_cl.pairs.lessons import Lessons
from recsys_cl.pairs.negatives import Negatives

ITEMS = 30


def histories(rows):
    lengths = [len(row) for row in rows]
    items = np.array([item for row in rows for item in row], np.int32)
    indptr = np.cumsum([0, *lengths])
    return Histories(indptr, items, None, np.ones(len(items), np.float32), ITEMS)


def some(n_users=20, k=4, seed=0):
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(ITEMS)[: 1 + user % 9] for user in range(n_users)]
    lists = np.array([np.setdiff1d(np.arange(ITEMS), row)[:k] for row in rows], np.int32)
    return rows, lists


def lessons(rows, lists, **changes):
    given = {
        "batch_size": 6,
        "history_length": 50,
        "assembly": Assembly(Negatives(ITEMS, uniform=5), 0.0, False),
        "seed": 0,
    }
    return Lessons(histories(rows), lists, **given | changes)


def read(batch):
    """Return, for each query, its history, its positives in order of weight, and what is masked for it."""
    candidates = batch.items[batch.candidate_slots]
    asked = []
    for row, user in enumerate(batch.users[batch.user_slots]):
        slots = batch.history_slots[batch.offsets[row] : batch.offsets[row + 1]]
        its = batch.positives // len(candidates) == row
        found = candidates[batch.positives[its] % len(candidates)][np.argsort(-batch.weights[its])]
        masked = candidates[batch.known[batch.known // len(candidates) == row] % len(candidates)]
        asked.append((user, batch.history_items[slots].tolist(), found.tolist(), set(masked)))
    return asked


def test_every_list_is_dealt_once_an_epoch_to_be_found_from_the_whole_history():
    rows, lists = some()
    asked = [one for batch in lessons(rows, lists).epoch(1) for one in read(batch)]
    assert sorted(user for user, *_ in asked) == list(range(len(rows)))
    for user, history, found, masked in asked:
        assert history == rows[user].tolist()
        assert found == lists[user].tolist()  # the first counts most
        assert masked <= set(history)


def test_what_was_taken_is_masked_and_uniform_negatives_are_candidates():
    rows, lists = some()
    for batch in lessons(rows, lists, assembly=Assembly(Negatives(ITEMS, uniform=500), 0.0, False)).epoch(1):
        assert set(batch.items[batch.candidate_slots]) == set(range(ITEMS))
        for _, history, _, masked in read(batch):
            assert masked == set(history)


def test_who_has_no_list_is_not_dealt_and_short_lists_end_early():
    rows, lists = some()
    lists[3], lists[5, 2:] = -1, -1
    asked = {user: found for batch in lessons(rows, lists).epoch(1) for user, _, found, _ in read(batch)}
    assert 3 not in asked
    assert asked[5] == lists[5, :2].tolist()


def test_only_the_latest_of_a_long_history_are_used_but_all_of_it_is_masked():
    rows, lists = some()
    deal = lessons(rows, lists, history_length=2, assembly=Assembly(Negatives(ITEMS, uniform=500), 0.0, False))
    for batch in deal.epoch(1):
        for user, history, _, masked in read(batch):
            assert history == rows[user][-2:].tolist()
            assert masked == set(rows[user])


def test_a_query_counts_as_the_root_of_its_positives_the_later_ones_less():
    rows, lists = some(k=4)
    batch = next(lessons(rows, lists).epoch(1))
    width = len(batch.candidate_slots)
    weights = np.sort(batch.weights[batch.positives // width == 0])[::-1]
    np.testing.assert_allclose(weights, np.exp(-np.arange(4) / 30) / 2, rtol=1e-6)


def test_how_often_a_candidate_is_expected_is_how_often_it_is_one():
    rows, lists = some(n_users=300)
    deal = lessons(rows, lists, batch_size=10)
    seen, batches, told = np.zeros(ITEMS), 0, np.zeros(ITEMS)
    for epoch in range(1, 31):
        for batch in deal.epoch(epoch):
            items = batch.items[batch.candidate_slots]
            seen[items] += 1
            told[items] = np.exp(batch.log_q)
            batches += 1
    np.testing.assert_allclose(seen / batches, told, atol=0.06)


@pytest.mark.parametrize("step", [0, 1, 3, 7, 8])
def test_from_any_step_an_epoch_goes_on_as_it_would_have(step):
    deals = tuple(lessons(*some(), seed=seed, batch_size=5) for seed in (1, 2))
    both = InTurn(deals, 0)
    assert both.steps == 8
    whole, rest = list(both.epoch(2)), list(both.epoch(2, step))
    assert len(rest) == both.steps - step
    for ours, theirs in zip(rest, islice(whole, step, None), strict=True):
        np.testing.assert_array_equal(ours.positives, theirs.positives)
        np.testing.assert_array_equal(ours.items, theirs.items)


def test_deals_take_turns_in_an_order_of_each_epochs_own():
    class Named:
        steps = 5

        def __init__(self, name):
            self.name = name

        def epoch(self, epoch, first_step=0):
            return iter([(self.name, epoch, step) for step in range(first_step, self.steps)])

    both = InTurn((Named("a"), Named("b")), 0)
    first, second = list(both.epoch(1)), list(both.epoch(2))
    for epoch, batches in ((1, first), (2, second)):
        for name in "ab":
            assert [one for one in batches if one[0] == name] == [(name, epoch, step) for step in range(5)]
    assert [one[0] for one in first] != [one[0] for one in second]
    assert [one[0] for one in first] != ["a"] * 5 + ["b"] * 5


def test_without_any_list_there_is_nothing_to_deal():
    rows, lists = some()
    deal = lessons(rows, np.full_like(lists, -1))
    assert deal.steps == 0
    assert list(deal.epoch(1)) == []
