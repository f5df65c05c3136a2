"""The closed form against its formula in dense numpy, and what the towers make of odd logs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from closed_form import solve_towers
from planted_log import ITEMS, USERS, all_queries, recall_of_group

from recsys_cl.config import SpectralConfig
from recsys_cl.contrast.closed_form import solver
from recsys_cl.errors import InputError
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training import spectral_matrix

EXACT = {"tolerated_error": 1e-7, "most_rounds": 60}


def histories(rows, n_items):
    flat = np.array([item for row in rows for item in row], dtype=np.int32)
    indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return Histories(indptr, flat, None, np.ones(len(flat), np.float32), n_items)


def solved(log, dim=4, **options):
    config = {name: options.pop(name) for name in list(options) if name in SpectralConfig.model_fields}
    arguments = {"dim": dim, "history_length": 50, "ordered": True, "seed": 0, "device": "cpu", **options}
    return solve_towers(log, SpectralConfig.of(EXACT | config), **arguments)


def scores(towers: TwoTower, log: Histories):
    """Return what each user scores each item, (users, items); as strangers, since users need no vector."""
    queries = Queries(np.full(len(log), -1, dtype=np.int32), log)
    return towers.query_vectors(queries) @ towers.item_vectors().T


def slow_neighbours(log, config):
    """Count who comes near whom, by loops."""
    near = np.zeros((log.n_items, log.n_items))
    for user in range(len(log)):
        row = log.row(user)
        for place, item in enumerate(row):
            for apart in range(1, config.neighbour_window + 1):
                if place + apart < len(row) and row[place + apart] != item:
                    near[item, row[place + apart]] += apart**-config.neighbour_exponent
    return near + near.T


def slow_scores(log, asked, config, dim, *, history_length=50):
    """The formula in dense double precision, with numpy's own decomposition, for ordered histories."""
    weighed = np.zeros((len(log), log.n_items))
    for user in range(len(log)):
        for age, item in enumerate(log.row(user)[::-1], start=1):
            weighed[user, item] += age**-config.pair_age_exponent
    among_items = config.spectral_positives == "item_item"
    if among_items:
        weighed = slow_neighbours(log, config)
    user_sums, item_sums = weighed.sum(axis=1), weighed.sum(axis=0)
    user_exponent = config.item_exponent if among_items else config.user_exponent
    by_user = np.where(user_sums > 0, np.maximum(user_sums, 1e-300) ** -user_exponent, 0)
    by_item = np.where(item_sums > 0, np.maximum(item_sums, 1e-300) ** -config.item_exponent, 0)
    left, values, transposed = np.linalg.svd(by_user[:, None] * weighed * by_item)
    vectors, values = transposed[:dim].T, values[:dim]
    of_histories = left[:, :dim] if among_items else vectors
    candidates = np.where(item_sums > 0, np.maximum(item_sums, 1e-300) ** config.item_exponent, 0)[:, None] * vectors
    candidates /= np.linalg.norm(candidates, axis=1)[item_sums > 0].mean()
    contexts = by_item[:, None] * of_histories * (values / values[0]) ** config.spectral_power
    directions = []
    for exponent in config.spectral_age_exponents:
        users = np.zeros((len(asked), dim))
        for user in range(len(asked)):
            for age, item in enumerate(asked.row(user)[-history_length:][::-1], start=1):
                users[user] += age**-exponent * contexts[item]
        lengths = np.linalg.norm(users, axis=1, keepdims=True)
        directions.append(users / np.where(lengths > 0, lengths, 1))
    return np.mean(directions, axis=0) @ candidates.T


@pytest.fixture(scope="module")
def log() -> Histories:
    """Give thirty histories over twelve items, repeats and an item that nobody took among them."""
    rng = np.random.default_rng(3)
    return histories([rng.integers(11, size=rng.integers(1, 9)).tolist() for _ in range(30)], 12)


@pytest.mark.parametrize(
    "exponents",
    [
        {},
        {"pair_age_exponent": 0.0, "spectral_age_exponents": (0.0,)},
        {"spectral_age_exponents": (0.0, 1.0, 3.0)},
        {"user_exponent": 0.5, "item_exponent": 0.5, "spectral_power": 1.0},
        {"user_exponent": 0.0, "item_exponent": 0.0, "spectral_power": 0.0},
        {"user_exponent": 1.0, "item_exponent": 1.0, "pair_age_exponent": 2.0, "spectral_power": 2.0},
        {"spectral_positives": "item_item"},
        {"spectral_positives": "item_item", "neighbour_window": 2, "neighbour_exponent": 0.5, "spectral_power": 1.0},
    ],
)
def test_scores_are_those_of_the_formula(log, exponents):
    expected = slow_scores(log, log, SpectralConfig.of(exponents), 4)
    np.testing.assert_allclose(scores(solved(log, **exponents), log), expected, rtol=2e-3, atol=2e-4)


def test_items_that_only_come_by_turns_have_negative_eigenvalues_and_are_found():
    log = histories([[0, 1], [1, 0], [0, 1, 0, 1], [2, 3], [3, 2]], 4)
    config = {"spectral_positives": "item_item", "neighbour_window": 1}
    found = scores(solved(log, dim=4, **config), histories([[0], [1], [2], [3]], 4))
    assert found.argmax(axis=1).tolist() == [1, 0, 3, 2]


def test_without_order_items_have_no_neighbours(log):
    with pytest.raises(InputError, match="--spectral-positives user_item"):
        solved(log, ordered=False, spectral_positives="item_item")


def test_a_log_that_is_too_large_to_be_held_is_read_by_blocks_of_users(log, monkeypatch):
    whole, sums = spectral_matrix.normalised(log, SpectralConfig(), ordered=True)
    towers = solved(log)
    monkeypatch.setattr(spectral_matrix, "_HELD", 20)
    blocks, same_sums = spectral_matrix.normalised(log, SpectralConfig(), ordered=True)
    assert len(blocks) > 3
    assert max(block.nnz for block in blocks) < 20 + log.lengths.max()
    np.testing.assert_allclose(sp.vstack(blocks[:]).toarray(), whole.toarray(), rtol=1e-6)
    np.testing.assert_allclose(same_sums, sums, rtol=1e-6)
    np.testing.assert_allclose(scores(solved(log), log), scores(towers, log), atol=1e-4)


def test_only_the_recent_history_makes_a_user(log):
    towers = solved(log, history_length=2)
    expected = slow_scores(log, log, SpectralConfig(), 4, history_length=2)
    np.testing.assert_allclose(scores(towers, log), expected, rtol=2e-3, atol=2e-4)


def test_without_order_a_history_is_a_set(log):
    backwards = histories([log.row(user)[::-1].tolist() for user in range(len(log))], 12)
    one, other = (solved(given, ordered=False) for given in (log, backwards))
    np.testing.assert_allclose(scores(one, log), scores(other, backwards), atol=1e-4)
    aged = [scores(solved(given), given) for given in (log, backwards)]
    assert np.abs(aged[0] - aged[1]).max() > 0.05


def test_fewer_dimensions_are_the_first_of_more(log):
    more, fewer = solved(log, dim=6), solved(log, dim=3)
    for name in ("item", "context"):
        long, short = more.tables[name][:, :3], fewer.tables[name]
        np.testing.assert_allclose(long / long.norm(), short / short.norm(), atol=2e-3)


def test_vectors_longer_than_the_rank_end_in_zeros():
    rows = [[0, 1, 2], [0, 1], [3, 4], [4, 3, 5], [1, 2, 0]]
    small = histories(rows, 6)
    towers = solved(small, dim=16, ordered=False)
    rank = np.linalg.matrix_rank(small.matrix().toarray())
    assert towers.tables["item"].shape == (6, 16)
    for name in ("item", "context"):
        assert torch.isfinite(towers.tables[name]).all()
        assert (towers.tables[name][:, rank:] == 0).all()
    found = scores(towers, small)
    groups = np.array([0, 0, 0, 1, 1, 1])
    for row, given in zip(found, rows, strict=True):
        own = groups == groups[given[0]]
        assert row[own].min() > row[~own].max() + 0.1


def test_users_and_items_without_interactions_are_nowhere():
    towers = solved(histories([[0, 1], [], [1, 2], [0, 2]], 5))
    assert (towers.tables["item"][3:] == 0).all()
    assert (towers.tables["context"][3:] == 0).all()
    found = scores(towers, histories([[], [0], [4]], 5))
    assert (found[[0, 2]] == 0).all()
    assert (found[1, :3] != 0).any()


@pytest.mark.parametrize("ordered", [True, False])
def test_histories_of_one_item_are_solved(ordered):
    singles = histories([[0], [0], [1], [2], [2], [2]], 3)
    found = scores(solved(singles, ordered=ordered), singles)
    assert np.isfinite(found).all()
    # Nothing joins two items, so each leads to itself alone.
    assert found.argmax(axis=1).tolist() == [0, 0, 1, 2, 2, 2]
    assert np.sort(found, axis=1)[:, :-1] == pytest.approx(0, abs=1e-4)


def test_one_interaction_is_solved_and_none_is_refused():
    alone = histories([[1]], 2)
    found = scores(solved(alone), alone)
    np.testing.assert_allclose(found, [[0, 1]], atol=1e-5)
    with pytest.raises(InputError):
        solved(histories([[], []], 3))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_planted_pattern_is_found(planted, ordered):
    towers = solved(planted.histories, ordered=ordered)
    assert recall_of_group(towers, planted) == 1.0
    lengths = towers.tables["item"].norm(dim=1)
    assert lengths.mean().item() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(np.linalg.norm(towers.query_vectors(all_queries(planted)), axis=1), 1, atol=1e-5)
    assert towers.tables["user"].shape == (0, 4)
    assert (towers.spec.n_users, towers.spec.n_items, towers.spec.similarity) == (USERS, ITEMS, "dot")


def test_one_seed_one_result_and_another_seed_the_same_towers(planted):
    first, again, other = (solved(planted.histories, seed=seed) for seed in (0, 0, 1))
    assert first.digest == again.digest
    np.testing.assert_allclose(scores(first, planted.histories), scores(other, planted.histories), atol=1e-3)


def test_broken_off_it_goes_on_to_the_same_towers(tmp_path, monkeypatch):
    rng = np.random.default_rng(4)
    log = histories([rng.integers(150, size=12).tolist() for _ in range(200)], 150)
    whole = solved(log)
    after_one_round = solved(log, most_rounds=1, checkpoint=tmp_path / "spectral")
    assert after_one_round.digest != whole.digest

    def begin(*_):
        raise AssertionError("it was begun anew")

    monkeypatch.setattr(solver, "_sketch", begin)
    assert solved(log, checkpoint=tmp_path / "spectral").digest == whole.digest
    with pytest.raises(AssertionError, match="anew"):
        solved(log, checkpoint=tmp_path / "spectral", user_exponent=0.9)


def test_saved_and_loaded_they_are_equal(log, tmp_path):
    towers = solved(log)
    towers.save(tmp_path)
    loaded = TwoTower.load(tmp_path)
    assert loaded.digest == towers.digest
    np.testing.assert_array_equal(scores(loaded, log), scores(towers, log))
