"""The metrics against hand-worked numbers, two other implementations, and a slow reading of their definitions."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, precision_score, recall_score

from recsys_cl.evaluation import metrics

KS = (1, 3, 10)
DEPTH = 12


def places(*hit: int, depth: int = 5) -> np.ndarray:
    """One ranking with hits at the places given, from 1."""
    return np.isin(np.arange(1, depth + 1), hit)[None, :]


@pytest.mark.parametrize(
    ("name", "hit", "relevant", "k", "expected"),
    [
        ("recall", (1, 4), 8, 5, 2 / 8),
        ("recall", (1, 4), 8, 3, 1 / 8),
        ("precision", (1, 4), 8, 5, 2 / 5),
        ("hit_rate", (4,), 8, 3, 0.0),
        ("hit_rate", (4,), 8, 4, 1.0),
        ("mrr", (2, 3), 8, 5, 1 / 2),
        ("mrr", (4,), 8, 3, 0.0),
        ("map", (1, 3), 2, 5, (1 / 1 + 2 / 3) / 2),
        ("map", (1, 3), 10, 5, (1 / 1 + 2 / 3) / 10),
        ("ndcg", (1,), 1, 5, 1.0),
        ("ndcg", (2,), 1, 5, 1 / math.log2(3)),
        ("ndcg", (2, 3), 5, 3, (1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2)),
        ("ndcg", (2, 3), 2, 3, (1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3))),
    ],
)
def test_numbers_worked_by_hand(name, hit, relevant, k, expected):
    found = metrics.METRICS[name](places(*hit), np.array([relevant]), k)
    assert found == pytest.approx([expected])


def test_recall_and_its_capped_form_part_where_more_is_relevant_than_fits():
    hits, relevant = places(1, 2), np.array([10])
    assert metrics.recall_at_k(hits, relevant, 2) == pytest.approx([0.2])
    assert metrics.capped_recall_at_k(hits, relevant, 2) == pytest.approx([1.0])


def test_a_list_longer_than_the_ranking_has_misses_at_its_end():
    hits, relevant = places(1, 2, depth=2), np.array([2])
    assert metrics.precision_at_k(hits, relevant, 10) == pytest.approx([0.2])
    assert metrics.ndcg_at_k(hits, relevant, 10) == pytest.approx([1.0])
    assert metrics.map_at_k(hits, relevant, 10) == pytest.approx([1.0])


def test_nothing_relevant_scores_nothing():
    marks = metrics.per_query(np.zeros((1, 5), dtype=bool), np.array([0]), KS, capped=True)
    assert all(mark == [0.0] for mark in marks.values())


def test_names_carry_the_list_length():
    assert "recall_at_20" in metrics.per_query(places(1, depth=20), np.array([1]), (20,))
    assert "capped_recall_at_20" not in metrics.per_query(places(1, depth=20), np.array([1]), (20,))
    assert "capped_recall_at_20" in metrics.per_query(places(1, depth=20), np.array([1]), (20,), capped=True)


rankings = st.integers(0, 2**32 - 1).map(lambda seed: random_rankings(np.random.default_rng(seed)))


def random_rankings(draw: np.random.Generator, queries: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orders (q, n) of n items, which of the items are relevant (q, n), and the resulting hits (q, n)."""
    order = np.stack([draw.permutation(DEPTH) for _ in range(queries)])
    relevant = draw.random((queries, DEPTH)) < draw.uniform(0.05, 0.9)
    relevant[np.arange(queries), draw.integers(0, DEPTH, queries)] = True
    return order, relevant, np.take_along_axis(relevant, order, axis=1)


@given(rankings, st.integers(1, DEPTH))
def test_scikit_learn_agrees(ranking, k):
    order, relevant, hits = ranking
    counts = relevant.sum(axis=1)
    scores = np.empty(order.shape)
    np.put_along_axis(scores, order, -np.arange(DEPTH, dtype=float)[None, :].repeat(len(order), 0), axis=1)
    ndcg = [ndcg_score([truth], [score], k=k) for truth, score in zip(relevant, scores, strict=True)]
    np.testing.assert_allclose(metrics.ndcg_at_k(hits, counts, k), ndcg)
    for row in range(len(order)):
        taken = np.isin(np.arange(DEPTH), order[row, :k])
        assert metrics.recall_at_k(hits, counts, k)[row] == pytest.approx(recall_score(relevant[row], taken))
        assert metrics.precision_at_k(hits, counts, k)[row] == pytest.approx(precision_score(relevant[row], taken))


@given(rankings, st.integers(1, DEPTH))
def test_the_definitions_read_slowly_agree(ranking, k):
    _, relevant, hits = ranking
    counts = relevant.sum(axis=1)
    for row, (line, total) in enumerate(zip(hits, counts, strict=True)):
        found = [place for place in range(1, k + 1) if line[place - 1]]
        average = sum(sum(p <= place for p in found) / place for place in found) / total
        assert metrics.map_at_k(hits, counts, k)[row] == pytest.approx(average)
        assert metrics.mrr_at_k(hits, counts, k)[row] == pytest.approx(1 / found[0] if found else 0)
        assert metrics.hit_rate_at_k(hits, counts, k)[row] == bool(found)
        assert metrics.capped_recall_at_k(hits, counts, k)[row] == pytest.approx(len(found) / min(k, total))


@given(rankings)
def test_longer_lists_never_recall_less(ranking):
    _, relevant, hits = ranking
    recalls = [metrics.recall_at_k(hits, relevant.sum(axis=1), k) for k in range(1, DEPTH + 1)]
    assert (np.diff(recalls, axis=0) >= 0).all()
    assert recalls[-1] == pytest.approx(np.ones(len(hits)))


@given(rankings, st.integers(1, DEPTH))
def test_marks_lie_between_0_and_1(ranking, k):
    _, relevant, hits = ranking
    for mark in metrics.per_query(hits, relevant.sum(axis=1), [k], capped=True).values():
        assert ((mark >= 0) & (mark <= 1 + 1e-12)).all()


RANX = """
import json, sys
from ranx import Qrels, Run, evaluate
truth, given, asked = json.load(sys.stdin)
found = evaluate(Qrels(truth), Run(given), asked, return_mean=False)
json.dump({name: dict(zip(sorted(truth), map(float, figures))) for name, figures in found.items()}, sys.stdout)
"""


def test_ranx_agrees():
    order, relevant, hits = random_rankings(np.random.default_rng(0), queries=60)
    asked = [f"{metric}@{k}" for metric in metrics.METRICS for k in KS]
    truth = {f"q{q:02}": {f"i{i}": 1 for i in np.flatnonzero(row)} for q, row in enumerate(relevant)}
    given = {f"q{q:02}": {f"i{i}": float(DEPTH - p) for p, i in enumerate(row)} for q, row in enumerate(order)}
    # In a process of its own, because there it can be told to do without half a minute of compiling.
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RANX],
        input=json.dumps([truth, given, asked]),
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    ours = metrics.per_query(hits, relevant.sum(axis=1), KS)
    for name, theirs in json.loads(done.stdout).items():
        metric, _, k = name.partition("@")
        figures = [theirs[f"q{q:02}"] for q in range(60)]
        np.testing.assert_allclose(ours[f"{metric}_at_{k}"], figures, err_msg=name)
