"""Exact search against a sort of everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recsys_cl.errors import RecsysError
from recsys_cl.pairs.histories import Histories
from recsys_cl.retrieval import exact
from recsys_cl.retrieval.matches import Matches


def sorted_out(scores: np.ndarray, k: int) -> Matches:
    """What `top_k` should give, by sorting every row whole."""
    items = np.full((len(scores), k), -1, dtype=np.int32)
    best = np.full((len(scores), k), -np.inf, dtype=np.float32)
    for row, line in enumerate(scores):
        order = [item for item in np.argsort(-line, kind="stable") if line[item] > -np.inf][:k]
        items[row, : len(order)], best[row, : len(order)] = order, line[order]
    return Matches(items, best)


def rows_of(*rows: list[int], n_items: int) -> Histories:
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    return Histories(indptr, items, None, np.ones(len(items), dtype=np.float32), n_items)


def assert_same(found: Matches, expected: Matches) -> None:
    np.testing.assert_array_equal(found.item_nums, expected.item_nums)
    np.testing.assert_array_equal(found.scores, expected.scores)


few_values = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 1.0])
tables = st.tuples(st.integers(1, 5), st.integers(1, 12)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=few_values)
)
seen_rows = st.lists(st.lists(st.integers(0, 7), max_size=10), min_size=1, max_size=5)


@given(tables, st.integers(1, 15))
def test_top_k_is_the_head_of_a_stable_sort(scores, k):
    found = exact.top_k(torch.from_numpy(scores.copy()), k)
    assert found.item_nums.dtype == np.int32
    assert found.scores.dtype == np.float32
    assert_same(found, sorted_out(scores, k))


@given(tables, st.integers(1, 15))
def test_what_scores_too_little_is_padding(scores, k):
    found = exact.top_k(torch.from_numpy(scores.copy()), k, above=0.0)
    assert_same(found, sorted_out(np.where(scores > 0, scores, -np.inf), k))


@pytest.mark.parametrize("k", [1, 7, 50, 400])
@pytest.mark.parametrize("n_items", [300, 3001])
def test_top_k_of_many_distinct_and_many_equal_scores(n_items, k):
    draw = np.random.default_rng(0)
    scores = draw.normal(size=(20, n_items)).astype(np.float32)
    scores[:, 5:9] = -np.inf
    scores[::2] = np.round(scores[::2], 1)
    assert_same(exact.top_k(torch.from_numpy(scores.copy()), k), sorted_out(scores, k))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("n_items", [4, 400])
def test_scores_that_are_no_numbers_are_refused(n_items, bad):
    scores = torch.zeros(3, n_items)
    scores[1, 2] = bad
    with pytest.raises(RecsysError, match=r"Query 1 of 3 .*not finite"):
        exact.top_k(scores, 2)


def test_no_rows_and_no_items():
    assert exact.top_k(torch.zeros(0, 4), 3).item_nums.shape == (0, 3)
    assert (exact.top_k(torch.zeros(2, 0), 3).item_nums == -1).all()


@pytest.mark.parametrize("many", [1, 1000], ids=["search", "blocks"])
@given(rows=seen_rows, k=st.integers(1, 10), seed=st.integers(0, 2**16), widest=st.sampled_from([4, 2048]))
def test_rank_exact_is_a_product_a_mask_and_a_sort(many, rows, k, seed, widest):
    draw = np.random.default_rng(seed)
    queries = draw.integers(-2, 3, (len(rows), 3)).astype(np.float32)  # whole numbers, so that ties are many and exact
    items = draw.integers(-2, 3, (8, 3)).astype(np.float32)
    scores = queries @ items.T
    for row, seen in enumerate(rows):
        scores[row, seen] = -np.inf
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "_MANY_QUERIES", many)
        patch.setattr(exact, "_MANY_ITEMS", many)
        patch.setattr(exact, "WIDEST", widest)
        assert_same(exact.rank_exact(queries, items, rows_of(*rows, n_items=8), k), sorted_out(scores, k))


@given(seen_rows, st.integers(1, 6))
def test_blocks_of_any_size_give_the_same(rows, block_rows):
    draw = np.random.default_rng(len(rows))
    queries, items = (torch.from_numpy(draw.normal(size=(n, 3)).astype(np.float32)) for n in (len(rows), 8))
    seen = rows_of(*rows, n_items=8)
    found = exact.rank_products(queries, items, seen, 4, block_rows=block_rows)
    np.testing.assert_array_equal(found.item_nums, exact.rank_products(queries, items, seen, 4).item_nums)


def test_search_of_a_real_size_equals_blocks():
    draw = np.random.default_rng(0)
    n_queries, n_items = exact._MANY_QUERIES + 7, exact._MANY_ITEMS + 3
    # Whole numbers, so that sums in another order are the same.
    queries, items = (draw.integers(-99, 100, (n, 16)).astype(np.float32) for n in (n_queries, n_items))
    items[5000:5400] = items[:400]  # twins
    lengths = np.minimum(draw.geometric(0.02, n_queries), 700)
    lengths[:3] = 0, 5000, n_items
    seen = rows_of(*(draw.permutation(n_items)[:length].tolist() for length in lengths), n_items=n_items)
    found = exact.rank_exact(queries, items, seen, 50)
    assert_same(found, exact.rank_products(torch.from_numpy(queries), torch.from_numpy(items), seen, 50))
    assert (found.item_nums[2] == -1).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("whose", ["query", "item"])
def test_a_search_of_vectors_whose_products_are_no_numbers_is_refused(monkeypatch, bad, whose):
    monkeypatch.setattr(exact, "_MANY_QUERIES", 1)
    monkeypatch.setattr(exact, "_MANY_ITEMS", 1)
    queries, items = np.ones((3, 2), dtype=np.float32), np.ones((4, 2), dtype=np.float32)
    (queries if whose == "query" else items)[1] = bad
    with pytest.raises(RecsysError, match="not finite"):
        exact.rank_exact(queries, items, None, 2)


def test_rank_exact_without_anything_to_exclude():
    vectors = np.eye(3, dtype=np.float32)
    found = exact.rank_exact(torch.from_numpy(vectors), torch.from_numpy(vectors), None, 2)
    np.testing.assert_array_equal(found.item_nums, [[0, 1], [1, 0], [2, 0]])


def test_vectors_may_be_read_only():
    vectors = np.eye(3, dtype=np.float32)
    vectors.flags.writeable = False
    np.testing.assert_array_equal(exact.rank_exact(vectors, vectors, None, 1).item_nums, [[0], [1], [2]])


def test_no_queries_give_no_rows():
    vectors = np.zeros((0, 3), dtype=np.float32)
    assert exact.rank_exact(vectors, np.eye(3, dtype=np.float32), None, 2).item_nums.shape == (0, 2)
    assert exact.rank_same(np.ones(4), 0, 2, seen=rows_of(n_items=4)).item_nums.shape == (0, 2)


@given(seen_rows, arrays(np.float32, 8, elements=few_values), st.integers(1, 12))
def test_scores_alike_for_all_rank_as_a_matrix_of_them_would(rows, scores, k):
    table = np.tile(scores, (len(rows), 1))
    assert_same(exact.rank_same(scores, len(rows), k), sorted_out(table, k))
    for row, seen in enumerate(rows):
        table[row, seen] = -np.inf
    assert_same(exact.rank_same(scores, len(rows), k, seen=rows_of(*rows, n_items=8)), sorted_out(table, k))
