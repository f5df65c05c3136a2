"""The training loop: it learns, stops in time, gives one result for one seed, and refuses what can't be learned."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from closed_form import solve_towers
from planted_log import GROUPS, ITEMS, USERS, all_queries, recall_of_group
from rich.console import Console
from torch.nn import functional

from recsys_cl.config import PairsConfig, SpectralConfig, TrainConfig
from recsys_cl.errors import ConfigError, InputError, TrainingError
from recsys_cl.pairs.batches import Batches
from recsys_cl.pairs.cuts import Cuts
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.pairs.negatives import Negatives
from recsys_cl.pairs.pair_set import write_pairs
from recsys_cl.progress import Reporter
from recsys_cl.settings import Method
from recsys_cl.training.learner import Learner
from recsys_cl.training.loop import Trained, tower_spec, train


def run(pairs, config, **options):
    return train(pairs, len(pairs.histories), config, **{"ordered": False, "seed": 0, "device": "cpu", **options})


def new_learner(pairs, config):
    spec = tower_spec(pairs, len(pairs.histories), config, ordered=True)
    return Learner(pairs, spec, config, 0, torch.device("cpu"))


def same(left, right):
    return all(torch.equal(tensor, right.towers.state()[name]) for name, tensor in left.towers.state().items())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"query_encoder": "history"},
        {"similarity": "dot", "temperature": 1.0},
        {"tempering": Method(name="learned"), "schedule": "constant"},
        {"uniform_negatives": 0, "log_q_exponent": 0.5, "weight_decay": 0.01},
    ],
)
def test_a_planted_pattern_is_found(planted, small, changes):
    trained = run(planted, small.model_copy(update=changes))
    assert recall_of_group(trained.towers, planted) > 0.95
    assert trained.curve[-1]["loss"] < trained.curve[0]["loss"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"query_encoder": "history"},
        {"query_encoder": "history_and_id", "id_dropout": 0.5},
        {"uniform_negatives": 0, "log_q_exponent": 0.5, "age_exponents": (0.0, 1.0)},
    ],
)
@pytest.mark.parametrize("ordered", [True, False])
def test_a_planted_pattern_is_found_in_histories_cut_in_two(planted, small_cuts, changes, ordered):
    trained = run(planted, small_cuts.model_copy(update=changes), ordered=ordered)
    assert recall_of_group(trained.towers, planted) > 0.95
    assert trained.curve[-1]["loss"] < trained.curve[0]["loss"]
    ages = tuple(age for one in trained.towers.spec.readings for age in one.age_exponents)
    assert ages == (changes.get("age_exponents", (0.5,)) if ordered else (0.0,))


def test_what_always_follows_is_found_only_where_order_means_something(tmp_path, small_cuts):
    # Items 0 to 9 in a ring: each user takes five in a row, so the next one is known; as sets, both ends are alike.
    rows = np.array([(user + np.arange(5)) % 10 for user in range(100)], dtype=np.int32)
    ring = Histories(np.arange(101) * 5, rows.ravel(), None, np.ones(500, np.float32), 10)
    pairs = write_pairs(ring, tmp_path / "ring", PairsConfig())
    config = small_cuts.model_copy(update={"window": 1, "epochs": 12, "age_exponents": (1.0,)})

    def share_of_next(ordered):
        towers = run(pairs, config, ordered=ordered).towers
        scores = towers.query_vectors(all_queries(pairs)) @ towers.item_vectors().T
        scores[np.arange(100)[:, None], rows] = -np.inf
        return float((scores.argmax(axis=1) == (rows[:, -1] + 1) % 10).mean())

    assert share_of_next(ordered=True) > 0.95
    assert share_of_next(ordered=False) < 0.8


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
@pytest.mark.parametrize(("last", "best_epoch"), [(0.49, 2), (0.496, 4), (0.5, 4)])
def test_it_stops_in_time_and_gives_back_the_last_as_good_as_the_best(
    planted, small, on_disk, tmp_path, last, best_epoch
):
    given, seen = iter([0.1, 0.5, 0.4, last, 0.9]), []

    def validate(towers):
        seen.append(towers.item_vectors())
        return next(given)

    trained = run(planted, small, validate=validate, checkpoints=tmp_path / "ck" if on_disk else None)
    figures = [record["validation"] for record in trained.curve]
    assert figures == [0.1, 0.5, 0.4, last]
    assert (trained.best_epoch, trained.best_validation) == (best_epoch, figures[best_epoch - 1])
    assert trained.stopped_early
    np.testing.assert_array_equal(trained.towers.item_vectors(), seen[best_epoch - 1])


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
        assert len(used) < len(before[name])
        changed = (learner.towers.tables[name] != before[name]).any(1).numpy()
        assert changed[used].any()
        assert not np.delete(changed, used).any()


def test_a_step_over_two_tables_touches_in_each_what_it_names(planted, small_cuts):
    learner = new_learner(planted, small_cuts)
    before = {name: table.clone() for name, table in learner.towers.tables.items()}
    deal = Cuts(
        planted,
        4,
        Negatives(planted.n_items, uniform=2),
        id_dropout=0.0,
        window=2,
        ordered=True,
        one_table=False,
        seed=0,
    )
    batch = next(deal.epoch(1))
    learner.step(batch, 0.1)
    for name, used in (("context", batch.history_items), ("item", batch.items)):
        changed = (learner.towers.tables[name] != before[name]).any(1).numpy()
        assert changed[used].any()
        assert not np.delete(changed, used).any()


def test_rows_that_a_step_left_out_are_settled(planted, small):
    learner = new_learner(planted, small)
    batches = list(small_batches(planted).epoch(1))
    for batch in batches[:6]:
        learner.step(batch, 0.1)
    before = learner.towers.tables["item"].clone()
    learner.settle(0.1)
    moved = (learner.towers.tables["item"] != before).any(1).numpy()
    early = np.unique(np.concatenate([batch.items for batch in batches[:5]]))
    assert moved[np.setdiff1d(early, batches[5].items)].all()
    assert not moved[batches[5].items].any()
    assert all((learner.rows.counts[name] == learner.rows.steps[name]).all() for name in learner.rows.tables)


def closed_form(pairs, dim=8):
    return solve_towers(
        pairs.histories, SpectralConfig(), dim=dim, history_length=100, ordered=True, seed=0, device="cpu"
    )


def test_a_start_gives_directions_and_lengths_at_which_learning_is_right(planted, small_cuts):
    start, learner = closed_form(planted), new_learner(planted, small_cuts)
    scaled = {name: 7 * table for name, table in start.tables.items()}
    start.tables = scaled
    learner.start_from(start)
    item, context = (learner.towers.tables[name] for name in ("item", "context"))
    torch.testing.assert_close(item, scaled["item"] / scaled["item"].norm(dim=1, keepdim=True))
    lengths = scaled["context"].norm(dim=1)
    torch.testing.assert_close(context / context[0].norm(), scaled["context"] / lengths[0])
    assert context.norm(dim=1).mean().item() == pytest.approx(1)


def test_each_reading_starts_from_the_first_columns(planted, small_cuts):
    start = closed_form(planted)
    learner = new_learner(planted, small_cuts.model_copy(update={"age_exponents": (0.5, 2.0, 4.0)}))
    learner.start_from(start)
    columns = [one.embedding_dim for one in learner.towers.spec.readings]
    assert sum(columns) == small_cuts.embedding_dim
    for name in ("item", "context"):
        for part in torch.split(learner.towers.tables[name], columns, dim=1):
            taken = start.tables[name][:, : part.shape[1]]
            torch.testing.assert_close(functional.normalize(part), functional.normalize(taken))


def test_from_the_closed_form_less_is_left_to_learn(planted, small_cuts):
    config = small_cuts.model_copy(update={"epochs": 1})
    cold, warm = (run(planted, config, ordered=True, start=start) for start in (None, closed_form(planted)))
    assert warm.curve[0]["loss"] < cold.curve[0]["loss"] - 0.1
    assert recall_of_group(warm.towers, planted) > 0.95
    assert not same(warm, cold)


def test_a_start_leaves_what_nobody_took_at_zero(tmp_path, small_cuts):
    histories = Histories(np.array([0, 2, 2, 4]), np.array([0, 1, 1, 2], np.int32), None, np.ones(4, np.float32), 5)
    pairs = write_pairs(histories, tmp_path / "p", PairsConfig())
    config = small_cuts.model_copy(update={"uniform_negatives": 0})
    towers = run(pairs, config, ordered=True, start=closed_form(pairs)).towers
    for name in ("context", "item"):
        assert (towers.tables[name][3:] == 0).all()
        assert torch.isfinite(towers.tables[name]).all()


def small_batches(pairs):
    return Batches(pairs, 8, Negatives(pairs.n_items), id_dropout=0.0, one_table=True, seed=0)


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
    for changes in (
        {},
        {"query_encoder": "history"},
        {"query_encoder": "aged_history"},
        {"batch_size": 2, "uniform_negatives": 0},
    ):
        trained = run(pairs, small.model_copy(update=changes))
        assert np.isfinite(trained.towers.query_vectors(all_queries(pairs))).all()
        assert all(math.isfinite(record["loss"]) for record in trained.curve)


@pytest.mark.parametrize("ordered", [True, False])
def test_histories_of_one_item_cannot_be_cut_and_are_refused_with_a_remedy(tmp_path, small_cuts, ordered):
    histories = Histories(np.arange(5), np.array([0, 1, 2, 0], np.int32), None, np.ones(4, np.float32), 3)
    pairs = write_pairs(histories, tmp_path / "p", PairsConfig())
    with pytest.raises(InputError, match="--method spectral"):
        run(pairs, small_cuts, ordered=ordered)


def test_histories_of_nothing_but_repeats_have_no_positives_and_stay_finite(tmp_path, small_cuts):
    histories = Histories(np.arange(4) * 2, np.array([0, 0, 1, 1, 2, 2], np.int32), None, np.ones(6, np.float32), 3)
    pairs = write_pairs(histories, tmp_path / "p", PairsConfig())
    trained = run(pairs, small_cuts, ordered=True)
    assert [record["loss"] for record in trained.curve] == [0.0] * 6
    assert np.isfinite(trained.towers.query_vectors(all_queries(pairs))).all()


def test_in_closed_form_there_are_no_epochs(planted):
    towers = closed_form(planted)
    trained = Trained.in_closed_form(towers)
    assert trained.towers is towers
    assert (trained.best_epoch, trained.best_validation, trained.curve) == (0, None, [])


def test_a_wrong_number_of_users_is_refused(planted, small):
    with pytest.raises(InputError, match="80 users"):
        train(planted, USERS + 1, small, ordered=False, seed=0, device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_cuda_is_refused_where_there_is_none(planted, small):
    with pytest.raises(ConfigError, match="--device auto"):
        run(planted, small, device="cuda")
    assert run(planted, small, device="auto", epochs=1).towers.device.type == "cpu"


def test_unknown_members_are_refused(planted, small):
    with pytest.raises(ConfigError, match="sampled_softmax"):
        run(planted, small.model_copy(update={"loss": Method(name="sampled_softmx")}))


@pytest.mark.parametrize("keep", [False, True])
def test_a_loss_that_is_not_finite_stops_training_and_says_where(planted, small, keep, tmp_path, monkeypatch):
    honest, calls = Learner.step, []

    def step(learner, batch, rate):
        calls.append(batch)
        if len(calls) == 11:  # step 2 of epoch 2: eight steps an epoch
            learner.objective.tempering.temperature.fill_(math.nan)
        return honest(learner, batch, rate)

    monkeypatch.setattr(Learner, "step", step)
    where = tmp_path / "ck" if keep else None
    with pytest.raises(TrainingError, match="epoch 2, step 2, a batch of 60 queries") as caught:
        run(planted, small.model_copy(update={"checkpoint_seconds": 1e-9}), checkpoints=where)
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
    for start in (None, closed_form(planted, dim=64)):
        trained = run(planted, TrainConfig(epochs=20), start=start)
        assert recall_of_group(trained.towers, planted) > 0.9
    assert trained.towers.item_vectors().shape == (ITEMS, 65)  # the last is the bias


def test_a_teachers_lists_are_learned(planted, small_cuts):
    # Somebody teaches what the log does not tell: that everyone wants the items of the next group.
    groups = np.arange(USERS)[:, None] % GROUPS
    lists = np.array([np.flatnonzero(np.arange(ITEMS) % GROUPS == (group + 1) % GROUPS) for group in groups[:, 0]])
    config = small_cuts.model_copy(update={"epochs": 12})

    def share_of_next_group(taught):
        towers = run(planted, config, lists=taught).towers
        scores = towers.query_vectors(all_queries(planted)) @ towers.item_vectors().T
        scores[planted.histories.matrix().nonzero()] = -np.inf
        return (np.argsort(-scores, axis=1)[:, :10] % GROUPS == (groups + 1) % GROUPS).mean()

    assert share_of_next_group(None) < 0.4
    assert share_of_next_group(lists.astype(np.int32)) > 0.6


def test_an_encoder_without_the_table_that_the_start_fills_is_refused(planted, small_cuts):
    config = small_cuts.model_copy(update={"query_encoder": "history"})
    with pytest.raises(ConfigError, match=r"'history', which reads them in 'item'"):
        run(planted, config, start=closed_form(planted))
