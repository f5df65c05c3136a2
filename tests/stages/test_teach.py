"""What a teacher teaches: its own ranking of what was not taken, to as many users as can be afforded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_towers import random_towers

from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.retrieval.exact import rank_exact
from recsys_cl.stages import teach
from recsys_cl.stages.teach import lists_of, popular_lists, taught_users

USERS, ITEMS = 40, 25


@pytest.fixture
def histories():
    rng = np.random.default_rng(0)
    rows = [rng.permutation(ITEMS)[: user % 8] for user in range(USERS)]  # every eighth has none
    indptr = np.cumsum([0, *map(len, rows)])
    return Histories(indptr, np.concatenate(rows).astype(np.int32), None, np.ones(indptr[-1], np.float32), ITEMS)


@pytest.fixture
def teacher():
    return random_towers(USERS, ITEMS, 3)


def test_lists_are_the_teachers_best_of_what_was_not_taken(teacher, histories, monkeypatch):
    monkeypatch.setattr(teach, "_BLOCK_SCORES", 7 * ITEMS)
    monkeypatch.setattr(teach, "quick_dtype", lambda _: torch.float32)
    lists = lists_of(teacher, histories, 5, np.flatnonzero(histories.lengths))
    scores = teacher.query_vectors(Queries(np.arange(USERS, dtype=np.int32), histories)) @ teacher.item_vectors().T
    assert lists.shape == (USERS, 5)
    for user in range(USERS):
        taken = histories.row(user)
        if len(taken) == 0:
            assert (lists[user] == -1).all()
            continue
        scores[user, taken] = -np.inf
        assert lists[user].tolist() == np.argsort(-scores[user], kind="stable")[:5].tolist()


def test_where_all_would_be_too_dear_some_users_are_drawn(teacher, histories, monkeypatch):
    everybody = taught_users(histories, seed=0)
    assert everybody.tolist() == np.flatnonzero(histories.lengths).tolist()
    monkeypatch.setattr(teach, "_SCORES", 10 * ITEMS)
    some, others = taught_users(histories, seed=0), taught_users(histories, seed=1)
    assert len(some) == len(others) == 10
    assert set(some) <= set(everybody)
    assert set(some) != set(others)
    for lists in (lists_of(teacher, histories, 3, some), popular_lists(histories, 3, some, seed=0)):
        assert np.flatnonzero((lists >= 0).all(axis=1)).tolist() == some.tolist()
        assert np.flatnonzero((lists >= 0).any(axis=1)).tolist() == some.tolist()


def test_lists_longer_than_what_is_left_end_in_nothing(teacher, histories):
    lists = lists_of(teacher, histories, ITEMS + 5, np.flatnonzero(histories.lengths))
    left = ITEMS - histories.lengths
    assert ((lists >= 0).sum(axis=1) == np.where(histories.lengths > 0, left, 0)).all()
    for user in np.flatnonzero(histories.lengths):
        assert not set(lists[user]) & set(histories.row(user))
        assert (lists[user, left[user] :] == -1).all()


def test_rounded_scores_give_nearly_the_same_lists():
    towers = random_towers(USERS, 400, 64)
    rng = np.random.default_rng(1)
    rows = np.sort(np.stack([rng.permutation(400)[:6] for _ in range(USERS)]), axis=1).astype(np.int32)
    known = Histories(np.arange(USERS + 1) * 6, rows.ravel(), None, np.ones(rows.size, np.float32), 400)
    exact = rank_exact(towers.query_vectors(Queries(np.arange(USERS), known)), towers.item_vectors(), known, 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teach, "quick_dtype", lambda _: torch.bfloat16)
        lists = lists_of(towers, known, 20, np.arange(USERS))
    shared = [len(set(ours) & set(theirs)) / 20 for ours, theirs in zip(lists, exact.item_nums, strict=True)]
    assert np.mean(shared) > 0.95


def test_others_are_taught_than_are_judged():
    n_users = 1000
    histories = Histories(np.arange(n_users + 1), np.zeros(n_users, np.int32), None, np.ones(n_users, np.float32), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teach, "_SCORES", 500)
        taught = taught_users(histories, seed=0)
    judged = np.random.default_rng(0).permutation(n_users)[:500]  # as `judge.some_of` draws them
    assert 200 < len(np.intersect1d(taught, judged)) < 300
