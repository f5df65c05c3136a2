"""Neighbours in histories, against a count by hand and one by loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.neighbours import has_neighbours, most_entries, neighbours_of


def histories(rows: list[list[int]], n_items: int) -> Histories:
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    items = np.array([item for row in rows for item in row], np.int32)
    return Histories(indptr, items, None, np.ones(len(items), np.float32), n_items)


def test_by_hand():
    found = neighbours_of(histories([[0, 1, 2], [2, 0]], 4), window=2, exponent=1.0).toarray()
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 2] = 1.0
    expected[0, 2] = 0.5 + 1.0  # two apart in one history, next to each other in the other
    np.testing.assert_array_equal(found, expected + expected.T)


@given(
    st.lists(st.lists(st.integers(0, 5), max_size=8), min_size=1, max_size=6),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_against_loops(rows, window, exponent):
    expected = np.zeros((6, 6))
    for row in rows:
        for place, item in enumerate(row):
            for other, neighbour in enumerate(row):
                if item != neighbour and abs(place - other) <= window:
                    expected[item, neighbour] += abs(place - other) ** -exponent
    log = histories(rows, 6)
    found = neighbours_of(log, window, exponent)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)
    assert found.dtype == np.float32
    assert found.nnz <= most_entries(log, window)
    assert has_neighbours(log) == (found.nnz > 0)


@pytest.mark.parametrize("rows", [[[]], [[1]], [[1], [], [2]], [[3, 3, 3]]])
def test_who_took_one_item_has_no_neighbours(rows):
    log = histories(rows, 4)
    assert neighbours_of(log, window=10, exponent=1.0).nnz == 0
    assert not has_neighbours(log)
