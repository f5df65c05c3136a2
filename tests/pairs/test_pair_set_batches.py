"""Batches: every pair once, in an order that seed, epoch and step alone decide."""

from __future__ import annotations

import dataclasses
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.config import PairsConfig
from recsys_cl.pairs import batches as batches_module
from recsys_cl.pairs.batches import Batches, histories_without_target
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.negatives import Negatives, known_entries
from recsys_cl.pairs.pair_set import PairSet, write_pairs

N_ITEMS = 6
ragged_rows = st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=7), min_size=1, max_size=6).filter(any)


def histories(rows):
    flat = np.array([item for row in rows for item in row], dtype=np.int32)
    indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return Histories(indptr, flat, None, np.ones(len(flat), np.float32), N_ITEMS)


def pair_set(tmp_path, rows, **config):
    return write_pairs(histories(rows), tmp_path / "pairs", PairsConfig(**config))


@pytest.fixture
def many(tmp_path):
    rng = np.random.default_rng(0)
    return pair_set(tmp_path, [rng.integers(N_ITEMS, size=rng.integers(1, 9)).tolist() for _ in range(60)])


def dealt(batch, pairs):
    """What a batch says, with slots resolved: (user, positive, history) of each pair."""
    users = np.where(batch.user_slots < 0, -1, batch.users[batch.user_slots])
    history = batch.history_items[batch.history_slots]
    positives = batch.items[batch.candidate_slots[: len(batch)]]
    bounds = pairwise(batch.offsets)
    cut = [tuple(history[start:stop].tolist()) for start, stop in bounds]
    return list(zip(users.tolist(), positives.tolist(), cut, strict=True))


def equal(left, right):
    pairs = zip(dataclasses.asdict(left).values(), dataclasses.asdict(right).values(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def slow_history(row, place, kind, longest):
    before = row[:place] if kind == "before" else row
    window = before[-(longest + 1) :]
    return [item for item in window if item != row[place]][-longest:]


@given(ragged_rows, st.sampled_from(["before", "others"]), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_histories_never_hold_the_target(tmp_path_factory, rows, kind, longest):
    pairs = pair_set(tmp_path_factory.mktemp("h"), rows, history=kind, history_length=longest)
    chosen = pairs.gather(np.arange(len(pairs)))
    items, offsets = histories_without_target(pairs, chosen)
    expected = [slow_history(row, place, kind, longest) for row in rows for place in range(len(row))]
    bounds = pairwise(offsets)
    assert [items[start:stop].tolist() for start, stop in bounds] == expected


@given(ragged_rows, st.data())
@settings(max_examples=60, deadline=None)
def test_known_entries_are_all_that_the_user_took_but_the_positive_itself(rows, data):
    users = np.array([user for user, row in enumerate(rows) for _ in row], dtype=np.int32)
    drawn = data.draw(st.lists(st.integers(0, N_ITEMS - 1), max_size=5))
    candidates = np.array([item for row in rows for item in row] + drawn, dtype=np.int32)
    scratch = np.full(N_ITEMS, -1, dtype=np.int32)
    entries = known_entries(histories(rows), users, candidates, scratch)
    slow = {
        row * len(candidates) + column
        for row, user in enumerate(users)
        for column, item in enumerate(candidates)
        if item in rows[user] and row != column
    }
    assert set(entries.tolist()) == slow
    assert (np.diff(entries // len(candidates)) >= 0).all()
    assert (scratch == -1).all()


@pytest.mark.parametrize("block", [1, 4, 1024])
def test_each_epoch_deals_every_pair_once_in_its_own_order(many, block, monkeypatch):
    monkeypatch.setattr(batches_module, "_BLOCK", block)
    monkeypatch.setattr(batches_module, "_BLOCKS_SHUFFLED", 3)
    deal = Batches(many, 32, Negatives(N_ITEMS, uniform=0), id_dropout=0.0, one_table=True, seed=1)
    epochs = [[pair for batch in deal.epoch(epoch) for pair in dealt(batch, many)] for epoch in (1, 2)]
    everything = sorted((int(pair["user_num"]), int(pair["item_num"])) for pair in many.gather(np.arange(len(many))))
    for epoch in epochs:
        assert sorted(pair[:2] for pair in epoch) == everything
    assert epochs[0] != epochs[1]
    sizes = [len(batch) for batch in deal.epoch(1)]
    assert len(sizes) == deal.steps
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 32


def test_one_seed_one_order_and_any_step_to_start_from(many):
    deal = [
        Batches(many, 16, Negatives(N_ITEMS, uniform=4), id_dropout=0.3, one_table=True, seed=seed)
        for seed in (5, 5, 6)
    ]
    first, again, other = (list(one.epoch(2)) for one in deal)
    assert all(equal(left, right) for left, right in zip(first, again, strict=True))
    assert not all(equal(left, right) for left, right in zip(first, other, strict=True))
    for step in (1, 7):
        late = list(islice(deal[1].epoch(2, first_step=step), 3))
        assert [batch.step for batch in late] == [step, step + 1, step + 2]
        assert all(equal(left, right) for left, right in zip(first[step:], late, strict=False))


def test_a_batch_larger_than_the_pairs_is_all_of_them(tmp_path):
    pairs = pair_set(tmp_path, [[0, 1], [2]])
    (batch,) = Batches(pairs, 2048, Negatives(N_ITEMS, uniform=3), id_dropout=0.0, one_table=True, seed=0).epoch(1)
    assert sorted(dealt(batch, pairs)) == [(0, 0, (1,)), (0, 1, (0,)), (1, 2, ())]
    assert len(batch.candidate_slots) == 6
    assert batch.log_q.shape == (6,)


def test_ids_are_hidden_in_their_share_but_never_where_no_history_would_be_left(tmp_path):
    rows = [[0, 1, 2, 3]] * 200 + [[4]] * 50
    deal = Batches(
        pair_set(tmp_path, rows), 850, Negatives(N_ITEMS, uniform=0), id_dropout=0.25, one_table=True, seed=0
    )
    (batch,) = deal.epoch(1)
    lonely = np.diff(batch.offsets) == 0
    assert lonely.sum() == 50
    assert (batch.user_slots[lonely] >= 0).all()
    assert np.mean(batch.user_slots[~lonely] < 0) == pytest.approx(0.25, abs=0.05)


def test_rows_of_a_batch_are_named_once_each(many: PairSet):
    for batch in Batches(many, 64, Negatives(N_ITEMS, uniform=8), id_dropout=0.1, one_table=True, seed=0).epoch(1):
        for rows in (batch.users, batch.items):
            assert (np.diff(rows) > 0).all()
        assert batch.history_items is batch.items
        used = np.concatenate([batch.candidate_slots, batch.history_slots])
        assert np.array_equal(np.unique(used), np.arange(len(batch.items)))


def test_in_two_tables_rows_are_named_once_in_each_and_mean_the_same(many: PairSet):
    one, two = (
        Batches(many, 64, Negatives(N_ITEMS, uniform=0), id_dropout=0.1, one_table=one_table, seed=0).epoch(1)
        for one_table in (True, False)
    )
    for joint, batch in zip(one, two, strict=True):
        assert dealt(batch, many) == dealt(joint, many)
        for rows, slots in ((batch.items, batch.candidate_slots), (batch.history_items, batch.history_slots)):
            assert (np.diff(rows) > 0).all()
            assert np.array_equal(np.unique(slots), np.arange(len(rows)))


def test_the_positive_of_a_pair_stands_in_its_own_column(many: PairSet):
    for batch in Batches(many, 64, Negatives(N_ITEMS, uniform=3), id_dropout=0.0, one_table=True, seed=0).epoch(1):
        rows, columns = np.divmod(batch.positives, len(batch.candidate_slots))
        assert rows.tolist() == columns.tolist() == list(range(len(batch)))
