"""What everything that recommends must do. A new recommender is one line in `RECOMMENDERS`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from closed_form import solve_towers

from recsys_cl.config import EvaluateConfig, IndexConfig, PairsConfig, SpectralConfig, TrainConfig
from recsys_cl.evaluation.recommender import Recommender
from recsys_cl.families import member, members
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.pairs.pair_set import write_pairs
from recsys_cl.pairs.vocabulary import Vocabulary
from recsys_cl.retrieval.bundle import Bundle, items_table
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.retrieval.tuning import build_index
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.loop import train

BASELINES = "recsys_cl.evaluation.baselines"
UNPERSONAL = {"popularity", "recent_popularity"}  # the same list for all
N_ITEMS, GROUP = 24, 12  # two groups of items; each user keeps to one


def rows_of(rows: list[np.ndarray]) -> Histories:
    items = np.concatenate([*rows, np.zeros(0, dtype=np.int32)]).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    times = np.arange(len(items), dtype=np.int64) * 1_000_000
    return Histories(indptr, items, times, np.ones(len(items), dtype=np.float32), N_ITEMS)


@cache
def training() -> Histories:
    draw = np.random.default_rng(0)
    rows = [GROUP * (user % 2) + draw.choice(GROUP, size=7, replace=False) for user in range(80)]
    return rows_of(rows)


def baseline(name: str) -> Callable[[Histories], Recommender]:
    return lambda histories: member(BASELINES, name).fit(histories, seed=0, config=EvaluateConfig())


def retriever(histories: Histories) -> Recommender:
    """Two towers, trained on the histories, as they are served."""
    config = TrainConfig(embedding_dim=8, batch_size=16, epochs=12, learning_rate=0.05, uniform_negatives=8)
    with tempfile.TemporaryDirectory() as folder:
        pairs = write_pairs(histories, Path(folder) / "pairs", PairsConfig())
        towers = train(pairs, len(histories), config, ordered=True, seed=0, device="cpu").towers
    return served(towers, histories)


def spectral(histories: Histories) -> Recommender:
    """Two towers, solved for, as they are served."""
    options = {"dim": 8, "history_length": 100, "ordered": True, "seed": 0, "device": "cpu"}
    return served(solve_towers(histories, SpectralConfig(), **options), histories)


def served(towers: TwoTower, histories: Histories) -> Recommender:
    users, items = (pl.Series([f"{n:03d}" for n in range(count)]) for count in (len(histories), N_ITEMS))
    vocabulary = Vocabulary(users.alias("user_id"), items.alias("item_id"), "string", "string")
    vectors = towers.query_vectors(Queries(np.arange(len(histories), dtype=np.int32), histories))
    search, report = build_index(towers.item_vectors(), vectors, IndexConfig(), k=5, seed=0)
    table = items_table(vocabulary, histories, None)
    return Retriever(Bundle(towers, vocabulary, table, histories, search, report, {}), "two_tower")


RECOMMENDERS: dict[str, Callable[[Histories], Recommender]] = {
    **{name: baseline(name) for name in members(BASELINES)},
    "retriever": retriever,
    "spectral": spectral,
}


@cache
def fitted(name: str) -> Recommender:
    if name == "als":
        pytest.importorskip("implicit", reason="the optional library implicit is not installed")
    return RECOMMENDERS[name](training())


@pytest.fixture(params=RECOMMENDERS)
def recommender(request: pytest.FixtureRequest) -> Recommender:
    return fitted(request.param)


def known_users(count: int = 20) -> Queries:
    rows = np.arange(count)
    return Queries(rows.astype(np.int32), training().take(rows))


def strangers(*rows: list[int]) -> Queries:
    return Queries(np.full(len(rows), -1, dtype=np.int32), rows_of([np.array(row, dtype=np.int32) for row in rows]))


def test_it_has_a_name(recommender):
    assert recommender.name


@pytest.mark.parametrize("name", sorted(set(RECOMMENDERS) - UNPERSONAL))
def test_a_planted_pattern_is_found(name):
    queries = known_users()
    found = fitted(name).rank(queries, 2).item_nums  # of the five of the user's own group that are left
    own_group = np.arange(20)[:, None] % 2
    assert (found // GROUP == own_group).mean() > 0.95


@pytest.mark.parametrize("name", sorted(set(RECOMMENDERS) - UNPERSONAL))
def test_an_unknown_user_is_served_from_history_alone(name):
    found = fitted(name).rank(strangers([0, 1, 2, 3], [12, 13, 14, 15]), 4).item_nums
    assert (found[0] < GROUP).all()
    assert (found[1] >= GROUP).all()


@pytest.mark.parametrize("name", sorted(UNPERSONAL))
def test_what_is_popular_comes_first(name):
    found = fitted(name).rank(strangers([]), N_ITEMS)
    if name == "popularity":
        counts = training().counts()
        np.testing.assert_array_equal(found.item_nums[0], np.lexsort((np.arange(N_ITEMS), -counts)))
    assert sorted(found.item_nums[0]) == list(range(N_ITEMS))


def test_a_batch_gives_what_single_queries_give(recommender):
    queries = known_users()
    together = recommender.rank(queries, 6)
    for row in range(len(queries)):
        alone = recommender.rank(queries.slice(row, row + 1), 6)
        np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-4, atol=1e-5)
        held = np.maximum(together.scores[row], np.finfo(np.float32).min)  # padding far below, but finite
        gaps = -np.diff(held.astype(np.float64))
        clear = np.append(np.inf, gaps[:-1]) > 1e-3
        clear &= gaps > 1e-3  # places that rounding cannot exchange with a neighbour; of the last we cannot know
        np.testing.assert_array_equal(alone.item_nums[0, :-1][clear], together.item_nums[row, :-1][clear])


def test_asking_again_gives_the_same(recommender):
    first, second = recommender.rank(known_users(), 6), recommender.rank(known_users(), 6)
    np.testing.assert_array_equal(first.item_nums, second.item_nums)
    np.testing.assert_array_equal(first.scores, second.scores)


@pytest.mark.parametrize("k", [1, 5, N_ITEMS, 3 * N_ITEMS])
def test_the_shape_is_what_was_asked_for_and_the_rest_is_padding(recommender, k):
    found = recommender.rank(known_users(), k)
    assert found.item_nums.shape == found.scores.shape == (20, k)
    assert found.item_nums.dtype == np.int32
    assert found.scores.dtype == np.float32
    for items in found.item_nums:
        held = items[items >= 0]
        assert (items[: len(held)] >= 0).all()  # padding only at the end
        assert len(set(held)) == len(held) <= N_ITEMS - 7
        assert (held < N_ITEMS).all()


def test_seen_items_are_never_returned(recommender):
    queries = known_users()
    found = recommender.rank(queries, N_ITEMS)
    for row, items in enumerate(found.item_nums):
        assert not set(items) & set(queries.histories.row(row))


def test_seen_items_may_be_returned_when_asked_for(recommender):
    queries = known_users()
    found = recommender.rank(queries, N_ITEMS, exclude_seen=False)
    assert any(set(items) & set(queries.histories.row(row)) for row, items in enumerate(found.item_nums))


def test_who_has_seen_all_gets_nothing(recommender):
    found = recommender.rank(strangers(list(range(N_ITEMS)), [0, 1]), 5)
    assert (found.item_nums[0] == -1).all()
    assert (found.scores[0] == -np.inf).all()
    assert found.item_nums[1, 0] >= 0


def test_an_empty_history_is_no_trouble(recommender):
    found = recommender.rank(strangers([], [0, 1, 2]), 5)
    assert found.item_nums.shape == (2, 5)
    assert not np.isnan(found.scores).any()


def test_a_repeated_item_in_a_history_is_no_trouble(recommender):
    found = recommender.rank(strangers([3, 3, 1, 3]), N_ITEMS)
    assert not set(found.item_nums[0]) & {1, 3}


def test_nobody_asking_gets_no_rows(recommender):
    assert recommender.rank(known_users().slice(0, 0), 5).item_nums.shape == (0, 5)


def test_scores_are_finite_and_never_rise(recommender):
    found = recommender.rank(known_users(), N_ITEMS)
    assert np.isfinite(found.scores[found.item_nums >= 0]).all()
    assert (found.scores[found.item_nums < 0] == -np.inf).all()
    for scores in found.scores:
        held = scores[scores > -np.inf]
        assert (np.diff(held) <= 0).all()


def test_ties_go_to_the_lower_item_number(recommender):
    found = recommender.rank(known_users(), N_ITEMS)
    equal = found.scores[:, 1:] == found.scores[:, :-1]
    held = found.item_nums[:, 1:] >= 0
    assert (np.diff(found.item_nums, axis=1)[equal & held] > 0).all()
