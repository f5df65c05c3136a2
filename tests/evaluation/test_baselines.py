"""What each baseline computes, against a slow reading of its paper."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from recsys_cl.config import EvaluateConfig
from recsys_cl.evaluation.baselines import als, ease, item_knn, recent_popularity
from recsys_cl.evaluation.recommender import NotApplicable
from recsys_cl.pairs.histories import Histories, Queries

CONFIG = EvaluateConfig()


def random_histories(users: int, n_items: int, seed: int = 0, *, timed: bool = True) -> Histories:
    draw = np.random.default_rng(seed)
    rows = [draw.choice(n_items, size=draw.integers(1, n_items // 2), replace=False) for _ in range(users)]
    items = np.concatenate(rows).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    times = draw.integers(0, 10**12, len(items)) if timed else None
    return Histories(indptr, items, times, np.ones(len(items), dtype=np.float32), n_items)


def dense(histories: Histories) -> np.ndarray:
    return histories.matrix().toarray().astype(np.float64)


def test_ease_is_the_closed_form_of_the_paper():
    histories = random_histories(40, 30)
    x = dense(histories)
    p = np.linalg.inv(x.T @ x + ease.REGULARISATION * np.eye(30))
    expected = -p / np.diag(p)
    np.fill_diagonal(expected, 0)
    weights = ease.fit(histories, seed=0, config=CONFIG).weights
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_ease_fills_its_matrix_across_blocks(monkeypatch):
    histories = random_histories(40, 30)
    whole = ease.fit(histories, seed=0, config=CONFIG).weights
    monkeypatch.setattr(ease, "_BLOCK_ITEMS", 7)
    np.testing.assert_allclose(ease.fit(histories, seed=0, config=CONFIG).weights, whole, rtol=1e-5, atol=1e-8)


def test_ease_says_why_it_is_left_out():
    with pytest.raises(NotApplicable, match=r"30 items.*at most 29"):
        ease.fit(random_histories(40, 30), seed=0, config=EvaluateConfig(ease_max_items=29))


@pytest.mark.parametrize("block", [item_knn._BLOCK_CELLS, 90])
def test_item_knn_is_shrunk_cosine_over_the_nearest(monkeypatch, block):
    monkeypatch.setattr(item_knn, "NEIGHBOURS", 5)
    monkeypatch.setattr(item_knn, "_BLOCK_CELLS", block)
    histories = random_histories(40, 30)
    x = dense(histories)
    both, count = x.T @ x, x.sum(axis=0)
    cosine = both / (np.sqrt(np.outer(count, count)) + item_knn.SHRINKAGE)
    np.fill_diagonal(cosine, 0)
    expected = np.zeros_like(cosine)
    for item in range(30):
        nearest = np.argsort(-cosine[item].astype(np.float32), kind="stable")[:5]
        expected[nearest, item] = cosine[item, nearest]
    likeness = item_knn.fit(histories, seed=0, config=CONFIG).likeness.toarray()
    np.testing.assert_allclose(likeness, expected, rtol=1e-5)


def test_item_knn_stays_silent_on_items_it_knows_nothing_of():
    items = np.array([0, 1, 2, 3], dtype=np.int32)  # one user of items 0 and 1, one of 2 and 3
    histories = Histories(np.array([0, 2, 4]), items, None, np.ones(4, dtype=np.float32), 4)
    found = item_knn.fit(histories, seed=0, config=CONFIG).rank(
        Queries(
            np.array([-1], dtype=np.int32), Histories(np.array([0, 1]), items[:1], None, np.ones(1, np.float32), 4)
        ),
        3,
    )
    np.testing.assert_array_equal(found.item_nums, [[1, -1, -1]])


def test_recent_popularity_halves_what_a_tenth_of_the_log_came_after():
    n = 100
    items = np.arange(n, dtype=np.int32)
    histories = Histories(np.array([0, n]), items, items.astype(np.int64), np.ones(n, dtype=np.float32), n)
    scores = recent_popularity.fit(histories, seed=0, config=CONFIG).scores
    assert scores[-1] == pytest.approx(1.0)
    assert scores[-11] == pytest.approx(0.5)
    assert scores[-21] == pytest.approx(0.25)


def test_recent_popularity_without_times_goes_by_place_in_the_history():
    items = np.array([0, 1, 1, 0, 0, 2], dtype=np.int32)
    histories = Histories(np.array([0, 2, 4, 6]), items, None, np.ones(6, dtype=np.float32), 3)
    scores = recent_popularity.fit(histories, seed=0, config=CONFIG).scores
    old = 0.5 ** (0.5 / recent_popularity.HALF_LIFE)  # half of the row came after
    assert scores == pytest.approx([1 + 2 * old, 1 + old, 1.0])


def test_als_gives_equal_results_for_equal_seeds():
    pytest.importorskip("implicit")
    histories = random_histories(40, 30)
    queries = Queries(np.arange(40, dtype=np.int32), histories)
    first, second = (als.fit(histories, seed=1, config=CONFIG).rank(queries, 5) for _ in range(2))
    np.testing.assert_array_equal(first.item_nums, second.item_nums)


def test_als_names_its_extra_where_the_library_is_absent(monkeypatch):
    found = builtins.__import__

    def absent(name: str, *rest: object, **named: object) -> object:
        if name.startswith("implicit"):
            raise ImportError(name)
        return found(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(NotApplicable, match=r"recsys-cl\[als\]"):
        als.fit(random_histories(4, 10), seed=0, config=CONFIG)
