"""Rough search gives the lists of exact search, whether or not the processor multiplies rounded numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recsys_cl.errors import RecsysError
from recsys_cl.pairs.histories import Histories
from recsys_cl.retrieval import rough
from recsys_cl.retrieval.exact import rank_exact

USERS, ITEMS = 300, 2000


def seen_rows(rng, most):
    rows = [np.sort(rng.permutation(ITEMS)[: rng.integers(0, most)]) for _ in range(USERS)]
    indptr = np.cumsum([0, *map(len, rows)])
    return Histories(indptr, np.concatenate(rows).astype(np.int32), None, np.ones(indptr[-1], np.float32), ITEMS)


def seen_nothing(n_items):
    return Histories(np.zeros(USERS + 1, np.int64), np.empty(0, np.int32), None, np.empty(0, np.float32), n_items)


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def dtype(request, monkeypatch):
    monkeypatch.setattr(rough, "quick_dtype", lambda _: request.param)
    return request.param


@pytest.mark.parametrize("block_scores", [1, 50 * ITEMS, 1 << 23])
def test_lists_are_those_of_exact_search(dtype, block_scores, monkeypatch):
    monkeypatch.setattr(rough, "_BLOCK_SCORES", block_scores)
    rng = np.random.default_rng(0)
    queries, items = (rng.standard_normal((n, 32), dtype=np.float32) for n in (USERS, ITEMS))
    seen = seen_rows(rng, 300)
    found = rough.rank_roughly(queries, items, seen, 20)
    np.testing.assert_array_equal(found, rank_exact(queries, items, seen, 20).item_nums)


def test_nothing_seen_is_returned_where_little_is_left(dtype):
    rng = np.random.default_rng(1)
    queries, items = (rng.standard_normal((n, 4), dtype=np.float32) for n in (USERS, ITEMS))
    all_but_three = np.delete(np.arange(ITEMS, dtype=np.int32), [7, 70, 700])
    seen = Histories(
        np.arange(USERS + 1) * len(all_but_three),
        np.tile(all_but_three, USERS),
        None,
        np.ones(USERS * len(all_but_three), np.float32),
        ITEMS,
    )
    found = rough.rank_roughly(queries, items, seen, 5)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.tile([-1, -1, 7, 70, 700], (USERS, 1)))


def test_equal_scores_go_to_the_lower_number_and_few_items_are_enough(dtype):
    queries, items = np.ones((USERS, 2), np.float32), np.ones((3, 2), np.float32)
    found = rough.rank_roughly(queries, items, seen_nothing(3), 5)
    np.testing.assert_array_equal(found[0], [0, 1, 2, -1, -1])


def test_what_is_not_finite_is_refused(dtype):
    queries, items = np.ones((USERS, 2), np.float32), np.full((ITEMS, 2), np.nan, np.float32)
    with pytest.raises(RecsysError, match="not finite"):
        rough.rank_roughly(queries, items, seen_nothing(ITEMS), 5)
