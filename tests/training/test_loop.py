"""The training loop: it learns, stops in time, gives one result for one seed, and refuses what can't be learned."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from planted_log import ITEMS, USERS, all_queries, recall_of_group
from rich.console import Console

from recsys_cl.config import PairsConfig, TrainConfig
from recsys_cl.errors import ConfigError, InputError, TrainingError
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.pairs.pair_set import write_pairs
from recsys_cl.progress import Reporter
from recsys_cl.towers.spec import TowerSpec
from recsys_cl.training.learner import Learner
from recsys_cl.training.loop import train


def run(pairs, config, **options):
    return train(pairs, len(pairs.histories), config, **{"ordered": False, "seed": 0, "device": "cpu", **options})


def new_learner(pairs, config):
    spec = TowerSpec(
        n_users=len(pairs.histories),
        n_items=pairs.n_items,
        embedding_dim=config.embedding_dim,
        query_encoder=config.query_encoder,
        candidate_encoder=config.candidate_encoder,
        similarity=config.similarity,
        history_length=pairs.config.history_length,
    )
    return Learner(pairs, spec, config, 0, torch.device("cpu"))


def same(left, right):
    return all(torch.equal(tensor, right.towers.state()[name]) for name, tensor in left.towers.state().items())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"query_encoder": "history"},
        {"similarity": "dot", "temperature": 1.0},
        {"learn_temperature": True, "schedule": "constant"},
        {"uniform_negatives": 0, "log_q_exponent": 0.5, "weight_decay": 0.01},
    ],
)
def test_a_planted_pattern_is_found(planted, small, changes):
    trained = run(planted, small.model_copy(update=changes))
    assert recall_of_group(trained.towers, planted) > 0.95
    assert trained.curve[-1]["loss"] < trained.curve[0]["loss"]


def test_a_user_never_seen_is_served_from_history_alone(planted, small):
    towers = run(planted, small).towers
    strangers = Queries(np.full(USERS, -1, dtype=np.int32), planted.histories)
    scores = towers.query_vectors(strangers) @ towers.item_vectors().T
    best = scores.argmax(axis=1)
    assert (best % 4 == np.arange(USERS) % 4).mean() > 0.95


def test_the_curve_tells_each_epoch(planted, small):
    trained = run(planted, small)
    assert [record["epoch"] for record in trained.curve] == [1, 2, 3, 4, 5, 6]
    assert all(record["validation"] is None for record in trained.curve)
    assert all(record["pairs_per_second"] > 0 for record in trained.curve)
    rates = [record["learning_rate"] for record in trained.curve]
    assert rates == sorted(rates, reverse=True)
    assert (trained.best_epoch, trained.best_validation, trained.stopped_early, trained.resumed) == (
        6,
        None,
        False,
        False,
    )


def test_one_seed_one_result(planted, small):
    first, again, other = (run(planted, small, seed=seed) for seed in (3, 3, 4))
    assert same(first, again)
    assert not same(first, other)
    assert [record["loss"] for record in first.curve] == [record["loss"] for record in again.curve]


@pytest.mark.parametrize("on_disk", [False, True])
def test_it_stops_in_time_and_gives_back_the_best(planted, small, on_disk, tmp_path):
    given, seen = iter([0.1, 0.5, 0.4, 0.5, 0.9]), []

    def validate(towers):
        seen.append(towers.item_vectors())
        return next(given)

    trained = run(planted, small, validate=validate, checkpoints=tmp_path / "ck" if on_disk else None)
    assert (trained.best_epoch, trained.best_validation, trained.stopped_early) == (2, 0.5, True)
    assert [record["validation"] for record in trained.curve] == [0.1, 0.5, 0.4, 0.5]
    np.testing.assert_array_equal(trained.towers.item_vectors(), seen[1])


def test_a_refit_repeats_the_path_up_to_the_best_epoch(planted, small):
    figures = iter([0.1, 0.5, 0.4, 0.4])
    best = run(planted, small, validate=lambda _: next(figures))
    assert same(best, run(planted, small, epochs=best.best_epoch))


def test_only_rows_of_a_batch_are_touched(planted, small):
    learner = new_learner(planted, small)
    before = {name: table.clone() for name, table in learner.towers.tables.items()}
    batch = next(small_batches(planted).epoch(1))
    learner.step(batch, 0.1)
    for name, used in (("user", batch.users), ("item", batch.items)):
        changed = (learner.towers.tables[name] != before[name]).any(1).numpy()
        assert changed[used].any()
        assert not np.delete(changed, used).any()


def small_batches(pairs):
    from recsys_cl.pairs.batches import Batches

    return Batches(pairs, batch_size=8, uniform_negatives=0, id_dropout=0.0, one_table=True, seed=0)


def test_users_and_items_without_pairs_stay_at_zero(tmp_path, small):
    histories = Histories(np.array([0, 2, 2, 4]), np.array([0, 1, 1, 2], np.int32), None, np.ones(4, np.float32), 5)
    pairs = write_pairs(histories, tmp_path / "p", PairsConfig())
    towers = run(pairs, small.model_copy(update={"uniform_negatives": 0})).towers
    assert (towers.tables["user"][1] == 0).all()
    assert (towers.tables["item"][3:] == 0).all()
    assert np.isfinite(towers.query_vectors(all_queries(pairs))).all()


@pytest.mark.parametrize("rows", [[[0]], [[0, 1, 2]], [[0], [0], [0]], [[0, 1], [1, 0]], [[0, 0]]])
def test_where_everybody_has_everything_there_is_nothing_to_learn(tmp_path, small, rows):
    flat = np.array([item for row in rows for item in row], dtype=np.int32)
    indptr = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    histories = Histories(indptr, flat, None, np.ones(len(flat), np.float32), flat.max() + 1)
    pairs = write_pairs(histories, tmp_path / "p", PairsConfig())
    with pytest.raises(InputError, match="nothing to contrast"):
        run(pairs, small)


@pytest.mark.parametrize("history", ["before", "others"])
def test_one_interaction_a_user_still_trains(tmp_path, small, history):
    histories = Histories(np.arange(5), np.array([0, 1, 2, 0], np.int32), None, np.ones(4, np.float32), 3)
    pairs = write_pairs(histories, tmp_path / "p", PairsConfig(history=history))
    for changes in ({}, {"query_encoder": "history"}, {"batch_size": 2, "uniform_negatives": 0}):
        trained = run(pairs, small.model_copy(update=changes))
        assert np.isfinite(trained.towers.query_vectors(all_queries(pairs))).all()
        assert all(math.isfinite(record["loss"]) for record in trained.curve)


def test_a_wrong_number_of_users_is_refused(planted, small):
    with pytest.raises(InputError, match="80 users"):
        train(planted, USERS + 1, small, ordered=False, seed=0, device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_cuda_is_refused_where_there_is_none(planted, small):
    with pytest.raises(ConfigError, match="--device auto"):
        run(planted, small, device="cuda")
    assert run(planted, small, device="auto", epochs=1).towers.device.type == "cpu"


def test_unknown_members_are_refused(planted, small):
    with pytest.raises(ConfigError, match="in_batch_softmax"):
        run(planted, small.model_copy(update={"objective": "in_batch_softmx"}))


@pytest.mark.parametrize("keep", [False, True])
def test_a_loss_that_is_not_finite_stops_training_and_says_where(planted, small, keep, tmp_path, monkeypatch):
    honest, calls = Learner.step, []

    def step(learner, batch, rate):
        calls.append(batch)
        if len(calls) == 11:  # step 2 of epoch 2: eight steps an epoch
            learner.objective.log_temperature.data.fill_(math.nan)
        return honest(learner, batch, rate)

    monkeypatch.setattr(Learner, "step", step)
    where = tmp_path / "ck" if keep else None
    with pytest.raises(TrainingError, match="epoch 2, step 2, a batch of 60 queries") as caught:
        run(planted, small, checkpoints=where)
    assert (str(tmp_path / "ck" / "last") in str(caught.value)) == keep


def test_a_gradient_that_is_not_finite_changes_nothing(planted, small):
    learner = new_learner(planted, small)
    learner.towers.tables["item"][0].fill_(math.inf)
    before = {name: tensor.clone() for name, tensor in learner.towers.state().items()}
    batch = next(batch for batch in small_batches(planted).epoch(1) if 0 in batch.items)
    assert not math.isfinite(learner.step(batch, 0.1))
    for name, tensor in learner.towers.state().items():
        assert torch.equal(tensor, before[name])


def test_progress_is_told_unless_quiet(planted, small):
    told = io.StringIO()
    run(planted, small, epochs=2, reporter=Reporter(quiet=False, console=Console(file=told)))
    assert "epoch 2: loss" in told.getvalue()
    assert "pairs/s" in told.getvalue()


def test_more_epochs_than_configured_are_not_run(planted, small):
    assert len(run(planted, small, epochs=99).curve) == small.epochs


def test_default_settings_learn_a_catalogue_smaller_than_a_batch(planted):
    trained = run(planted, TrainConfig(epochs=20))
    assert recall_of_group(trained.towers, planted) > 0.9
    assert trained.towers.item_vectors().shape == (ITEMS, 64)
