"""What is asked on validation: the same figure by vectors and by scores, of a list as long as users are few."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from random_towers import random_towers

from recsys_cl.evaluation import metrics
from recsys_cl.evaluation.protocol import Examination, mean_of_vectors
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.stages.judge import Judge, best_of, some_of

ITEMS = 150


def rows_of(rng, n_users, most):
    rows = [np.sort(rng.permutation(ITEMS)[: rng.integers(1, most)]) for _ in range(n_users)]
    indptr = np.cumsum([0, *map(len, rows)])
    return Histories(indptr, np.concatenate(rows).astype(np.int32), None, np.ones(indptr[-1], np.float32), ITEMS)


def asked(n_users):
    rng = np.random.default_rng(0)
    queries = Queries(np.arange(n_users, dtype=np.int32), rows_of(rng, n_users, 9))
    nothing = np.zeros(n_users, np.int64)
    ids = pl.Series("user_id", [str(user) for user in range(n_users)])
    return Examination(ids, queries, rows_of(rng, n_users, 6), nothing, False, np.ones(ITEMS, np.int64))


@pytest.mark.parametrize(("n_users", "k"), [(60, 100), (600, 20)])
def test_vectors_and_scores_get_the_same_figure(n_users, k):
    judge = Judge(asked(n_users))
    towers = random_towers(n_users, ITEMS, 4, item_bias=True)
    vectors = towers.query_vectors(judge.users.queries), towers.item_vectors()
    expected = mean_of_vectors(*vectors, judge.users, k, metrics.ndcg_at_k)
    assert judge.k == k
    assert judge.marks(towers).mean() == pytest.approx(expected)
    scores = judge.scores(towers)
    assert judge.marks_by(scores).mean() == pytest.approx(expected)
    assert judge.marks_by(scores).mean() == pytest.approx(expected)  # nothing was masked in the scores themselves
    prior = np.linspace(-2, 2, ITEMS, dtype=np.float32)
    with_prior = judge.marks_by(scores, prior).mean()
    towers.set_prior(prior)
    assert judge.marks(towers).mean() == pytest.approx(with_prior)
    assert with_prior != pytest.approx(expected)


def test_what_is_given_is_left_only_for_what_is_better_by_more_than_chance():
    rng = np.random.default_rng(0)
    given, noise = rng.random(100), rng.normal(size=100)
    noise -= noise.mean()
    for gain, chosen in ((0.01, "given"), (0.5, "other")):
        assert best_of({"given": given, "other": given + gain + noise}, "given") == chosen
    assert best_of({"given": given, "other": given + 1e-3, "best": given + 1e-2}, "given") == "best"
    assert best_of({"given": given, "other": given.copy()}, "given") == "given"


def test_users_are_drawn_as_far_as_scores_allow():
    everybody = asked(1200)
    assert len(some_of(everybody, 5000, 0)) == 1200
    assert len(some_of(everybody, 700, 0)) == 700
    assert len(some_of(everybody, 5000, 0, scores=600 * ITEMS)) == 600
    assert len(some_of(everybody, 5000, 0, scores=1)) == 500  # fewer tell nothing
