"""What a teacher teaches: its own ranking of what was not taken, to as many users as can be afforded."""

from __future__ import annotations

import numpy as np
import pytest
from random_towers import random_towers

from recsys_cl.pairs.histories import Histories, Queries
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
    monkeypatch.setattr(teach, "_BLOCK", 7)
    lists = lists_of(teacher, histories, 5, seed=0)
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
    lists = lists_of(teacher, histories, 3, seed=0)
    assert np.flatnonzero((lists >= 0).any(axis=1)).tolist() == some.tolist()
    assert np.flatnonzero((popular_lists(histories, 3, seed=0) >= 0).all(axis=1)).tolist() == some.tolist()
