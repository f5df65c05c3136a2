"""Settings chosen within a budget: what is tried, what is left out, and that a choice is kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_cl.config import RunConfig, TrainConfig, load_config
from recsys_cl.errors import ConfigError, InputError
from recsys_cl.evaluation.protocol import examine
from recsys_cl.files import read_json
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.pair_set import write_pairs
from recsys_cl.progress import SILENT
from recsys_cl.stages import choose, fit
from recsys_cl.stages import train as stage
from recsys_cl.stages.choice import Choice
from recsys_cl.stages.choose import Chooser
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import Prepared, prepare
from recsys_cl.training.spectral import Solver
from recsys_cl.workspace import Workspace

SMALL: dict[str, Any] = {"epochs": 3, "batch_size": 64, "uniform_negatives": 16}


def job(home: Path, **settings: Any) -> Job:
    workspace = Workspace.at(home)
    config = load_config(None, SMALL | settings)
    return Job(workspace, "tiny", config, workspace.tracking_uri, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, tiny_log: Path) -> Prepared:
    begun = job(tmp_path_factory.mktemp("home"))
    return prepare(begun, ingest(begun, Source(inputs=(tiny_log,))))


def chooser(prepared: Prepared, seconds_a_look: float = 0.0, **settings: Any) -> Chooser:
    """Return a chooser whose clock goes on by so much whenever it is looked at."""
    config: RunConfig = load_config(None, SMALL | settings)
    validation = examine(prepared.seen("train"), prepared.part("validation"), prepared.vocabulary("train")).asked
    ticks = count()
    return Chooser(
        prepared.pairs("train"),
        validation,
        config.train,
        config.spectral,
        ordered=prepared.ordered,
        seed=0,
        device="cpu",
        solver=Solver(prepared.pairs("train").histories, prepared.ordered, seed=0),
        reporter=SILENT,
        clock=lambda: next(ticks) * seconds_a_look,
    )


def test_with_time_enough_every_rung_is_tried_and_both_methods_are_fitted(prepared):
    choice = chooser(prepared).choose()
    assert set(choice.recipes) == {"spectral", "neighbours", "hybrid", "untaught", "sequential"}
    assert choice.recipes["neighbours"].spectral.spectral_positives == "item_item"
    assert choice.recipes["spectral"].spectral.spectral_positives == "user_item"
    assert choice.recipes["untaught"].train.taught_items == 0
    assert [trial["dim"] for trial in choice.trials][:16] == [64] * 12 + [128] * 4
    train, spectral = choice.recipes["spectral"].train, choice.recipes["spectral"].spectral
    best = max(choice.trials, key=lambda trial: trial["figure"])
    assert train.embedding_dim in {trial["dim"] for trial in choice.trials}
    assert spectral.user_exponent in {0.35, 0.2, 0.5}
    assert best["figure"] > 0
    assert choice.recipes["hybrid"].train.epochs == 3


def test_one_clock_one_choice(prepared):
    assert chooser(prepared, 0.01).choose() == chooser(prepared, 0.01).choose()


def test_without_time_for_anything_there_is_still_a_closed_form(prepared):
    choice = chooser(prepared, 1000.0, budget="1s").choose()
    assert set(choice.recipes) == {"spectral"}
    assert len(choice.trials) == 3  # one setting on each rung, then the fewest dimensions
    assert "That of items and their neighbours would have gone beyond the budget." in choice.told
    assert any("Gradient descent was left out" in sentence for sentence in choice.told)


def test_what_was_spent_before_the_search_is_gone(prepared):
    choice = replace(chooser(prepared, budget="10s"), gone=1000.0).choose()
    assert set(choice.recipes) == {"spectral"}
    assert len(choice.trials) == 3


def test_where_no_history_can_be_cut_gradient_descent_is_left_out(prepared, tmp_path):
    histories = prepared.pairs("train").histories
    last = np.flatnonzero(histories.lengths)
    items, values = (np.array(part)[histories.indptr[last + 1] - 1] for part in (histories.item_nums, histories.values))
    indptr = np.cumsum([0, *np.minimum(histories.lengths, 1)])
    single = Histories(indptr, items, None, values, histories.n_items)
    pairs = write_pairs(single, tmp_path / "pairs", RunConfig().pairs)
    choice = replace(chooser(prepared), pairs=pairs).choose()
    assert set(choice.recipes) == {"spectral"}
    assert "Gradient descent was left out: no history can be cut in two." in choice.told
    with pytest.raises(InputError, match="--method spectral"):
        replace(chooser(prepared, method="hybrid"), pairs=pairs).choose()


def judge_by_dimensions(monkeypatch: pytest.MonkeyPatch, figures: dict[int, float]) -> None:
    """Try these numbers of dimensions, two by one solution, each with a figure of its own whatever the towers."""
    dims = list(figures)
    monkeypatch.setattr(choose, "_DIMS", (tuple(dims[:2]), tuple(dims[2:])))
    monkeypatch.setattr(Chooser, "_marks_of", lambda *given: np.full(5, figures.get(given[3], 0.5)))


@pytest.mark.parametrize(
    ("figures", "found", "chosen"),
    [
        ({4: 0.1, 8: 0.2, 16: 0.3, 32: 0.4}, [8, 32], 32),
        ({4: 0.1, 8: 0.2, 16: 0.2003, 32: 0.1}, [8, 16], 8),  # so little is no improvement
        ({4: 0.3, 8: 0.1, 16: 0.9, 32: 0.9}, [4], 4),  # more dimensions were worse
        ({4: 0.1, 8: 0.2, 16: 0.4, 32: 0.3}, [8, 16], 16),
    ],
)
def test_dimensions_grow_while_validation_improves(prepared, monkeypatch, figures, found, chosen):
    judge_by_dimensions(monkeypatch, figures)
    choice = chooser(prepared, method="spectral").choose()
    trials = [trial for trial in choice.trials if trial["spectral_positives"] == "user_item"]
    assert [trial["dim"] for trial in trials if trial["dim"] < 64] == found
    assert choice.trials[-1]["spectral_positives"] == "item_item"
    assert choice.trials[-1]["dim"] == chosen
    assert choice.recipes["spectral"].train.embedding_dim == chosen
    assert any(sentence.startswith(f"The closed form has {chosen} dimensions") for sentence in choice.told)


def test_dimensions_grow_no_more_once_that_would_go_beyond_the_budget(prepared, monkeypatch):
    judge_by_dimensions(monkeypatch, {4: 0.1, 8: 0.2, 16: 0.3, 32: 0.4})
    for budget, dim in (("1s", 8), ("10h", 32)):
        choice = chooser(prepared, 0.1, method="spectral", budget=budget).choose()
        assert choice.recipes["spectral"].train.embedding_dim == dim
        beyond = f"More than {dim} dimensions would have gone beyond the budget."
        assert (beyond in choice.told) == (dim == 8)


def test_many_dimensions_are_solved_in_one_round_and_few_in_as_many_as_are_given(prepared, monkeypatch):
    monkeypatch.setattr(choose, "_ROUGHLY", 16)
    judge_by_dimensions(monkeypatch, {4: 0.1, 8: 0.2, 16: 0.3, 32: 0.4})
    recipes = chooser(prepared, embedding_dim=8).choose().recipes
    rounds = {name: recipe.spectral.most_rounds for name, recipe in recipes.items()}
    # hybrids start from 32 dimensions
    assert rounds == {"hybrid": 1, "untaught": 1, "sequential": 1, "spectral": 12}
    assert chooser(prepared, method="spectral").choose().recipes["spectral"].spectral.most_rounds == 1


def test_other_exponents_are_chosen_only_if_they_are_better_by_more_than_chance(prepared, monkeypatch):
    for noise, kept in ((1.0, True), (0.001, False)):

        def marks(self, _solved, config, _dim, judge, noise=noise):
            spread = np.random.default_rng(0).normal(size=len(judge.users)) * (config.user_exponent != 0.35) * noise
            return 0.1 + 0.01 * (config.user_exponent == 0.2) + spread - spread.mean()

        monkeypatch.setattr(Chooser, "_marks_of", marks)
        choice = chooser(prepared).choose()
        assert (choice.recipes["spectral"].spectral.user_exponent == 0.35) == kept
        assert any("those given were kept" in sentence for sentence in choice.told) == kept


@pytest.mark.parametrize("kept", [True, False])
def test_exponents_chosen_in_few_dimensions_must_prove_themselves_in_those_that_are_served(prepared, monkeypatch, kept):
    def marks(self, _solved, config, dim, judge):
        still_trying = dim in {64, 128} and len(self._trials) < 16
        gain = 0.01 if still_trying or not kept else -0.01
        return np.full(len(judge.users), 0.1 + gain * (config.user_exponent == 0.2))

    monkeypatch.setattr(Chooser, "_marks_of", marks)
    choice = chooser(prepared).choose()
    assert (choice.recipes["spectral"].spectral.user_exponent == 0.35) == kept
    assert any("others were chosen" in sentence for sentence in choice.told)
    assert any("the exponents given were as good" in sentence for sentence in choice.told) == kept


def test_where_items_are_many_exponents_are_tried_in_many_dimensions(prepared, monkeypatch):
    monkeypatch.setattr(choose, "_MANY_ITEMS", 10)
    dims = [trial["dim"] for trial in chooser(prepared, method="spectral").choose().trials]
    assert dims[:16] == [256] * 12 + [512] * 4


def test_gradient_descent_that_is_asked_for_has_an_epoch_however_short_the_time(prepared):
    choice = chooser(prepared, 1000.0, budget="1s", method="hybrid").choose()
    assert [recipe.train.epochs for recipe in choice.recipes.values()] == [1]
    assert set(choice.recipes) == {"hybrid"}


def test_what_is_given_is_not_chosen(prepared):
    choice = chooser(prepared, embedding_dim=8).choose()
    assert {recipe.train.embedding_dim for recipe in choice.recipes.values()} == {8}
    assert choice.recipes["hybrid"].train.teacher_dim in {32, 64}  # the teacher is not served
    told = chooser(prepared, teacher_dim=5).choose()
    assert {told.recipes[name].train.teacher_dim for name in ("hybrid", "untaught")} == {5}
    alone = chooser(prepared, embedding_dim=8, method="spectral").choose()
    assert {trial["dim"] for trial in alone.trials} == {8}
    for given in ({}, {"embedding_dim": 8}):
        assert set(chooser(prepared, method="spectral", **given).choose().recipes) == {"spectral", "neighbours"}
    neighbours = chooser(prepared, method="spectral", spectral_positives="item_item").choose()
    assert set(neighbours.recipes) == {"spectral"}
    assert {trial["spectral_positives"] for trial in neighbours.trials} == {"item_item"}
    assert len({(trial["user_exponent"], trial["pair_age_exponent"]) for trial in neighbours.trials}) == 1


def test_where_there_is_no_order_ages_are_not_tried(prepared):
    unordered = replace(chooser(prepared), ordered=False)
    choice = unordered.choose()
    trials = choice.trials
    assert "neighbours" not in choice.recipes
    for name in ("pair_age_exponent", "spectral_age_exponents"):
        assert len({str(trial[name]) for trial in trials}) == 1


def test_a_choice_survives_being_written_down(prepared):
    choice = chooser(prepared, 1000.0).choose()
    assert Choice.of(choice.describe()) == choice


def test_a_choice_is_kept_and_what_validation_likes_best_is_refitted(prepared, tmp_path, monkeypatch):
    begun = job(tmp_path)
    run = stage.train(begun, prepared)
    folders = {folder.parent.name: read_json(folder) for folder in run.folder.glob("tried/*/training.json")}
    assert set(folders) == {
        *("spectral", "neighbours", "hybrid", "untaught", "sequential"),
        *("joined_neighbours", "joined_hybrid", "joined_untaught", "joined_sequential"),
    }
    best = run.training("train")["kept"]
    assert run.training("train_and_validation")["method"] == folders[best]["method"]
    assert run.training("train_and_validation")["prior"] == folders[best]["prior"]
    for part in ("train", "train_and_validation"):
        told = run.training(part)
        assert told["kept"] == best
        assert {one["name"]: one["validation"] for one in told["tried"]} == {
            name: facts["prior"]["validation"] for name, facts in folders.items()
        }
    monkeypatch.setattr(Chooser, "choose", lambda _: pytest.fail("it was searched again"))
    assert stage.train(begun, prepared).towers("train").digest == run.towers("train").digest


def test_a_run_that_was_killed_goes_on_with_its_choice(prepared, tmp_path, monkeypatch):
    begun, honest = job(tmp_path), Chooser.choose
    kept = []

    def choose_once(searching):
        assert not kept, "it was searched again"
        kept.append(honest(searching))
        return kept[0]

    monkeypatch.setattr(Chooser, "choose", choose_once)
    with monkeypatch.context() as patch:
        patch.setattr(fit, "train", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            stage.train(begun, prepared)
    run = stage.train(begun, prepared)
    assert run.choice() == kept[0]
    assert run.describe()["training"]["told"] == kept[0].told


def test_what_is_best_is_judged_without_a_prior_too(prepared, tmp_path):
    run = stage.train(job(tmp_path, popularity_prior=False), prepared)
    priors = {folder.parent.name: read_json(folder)["prior"] for folder in run.folder.glob("tried/*/training.json")}
    assert all(prior["strength"] == 0 and prior["validation"] > 0 for prior in priors.values())
    assert run.training("train")["prior"] == priors[run.training("train")["kept"]]


def liked(monkeypatch: pytest.MonkeyPatch, *favourites: str) -> None:
    """Let the first of the favourites that is among what is compared be the best."""

    def best(_tried: Path, names: Iterable[str], given: str) -> str:
        found = list(names)
        return next((name for name in favourites if name in found), given)

    monkeypatch.setattr(stage, "_best", best)


@pytest.mark.parametrize(
    ("favourites", "parts"),
    [
        (("joined_untaught", "joined_neighbours"), ["spectral", "neighbours", "untaught"]),
        (("joined_untaught", "spectral"), ["spectral", "untaught"]),
        (("joined_untaught", "neighbours"), ["neighbours", "untaught"]),
        (("joined_neighbours",), ["spectral", "neighbours"]),
    ],
)
def test_joined_towers_are_refitted_from_all_their_parts(prepared, tmp_path, monkeypatch, favourites, parts):
    liked(monkeypatch, *favourites)
    run = stage.train(job(tmp_path, refit="all"), prepared)
    for fitted_on in ("train", "train_and_validation", "all"):
        towers, vocabulary = run.towers(fitted_on), prepared.vocabulary(fitted_on)
        assert len(towers.spec.readings) == len(parts)
        assert towers.spec.n_items == vocabulary.n_items
    assert run.training("all")["parts"] == parts
    assert run.training("all")["weights"] == run.training("train")["weights"]
    assert sum(run.training("all")["weights"]) == pytest.approx(1)


def test_a_run_that_was_killed_while_joining_goes_on_from_what_was_fitted(prepared, tmp_path, monkeypatch):
    liked(monkeypatch, "joined_untaught", "joined_neighbours")
    begun = job(tmp_path)
    run = stage.train(begun, prepared)
    whole, digest = run.training("train"), run.towers("train").digest
    for lost in ("tried/joined_untaught", "train", "train_and_validation"):
        shutil.rmtree(run.folder / lost)
    again = stage.train(begun, prepared)
    assert again.training("train")["weights"] == whole["weights"]
    assert again.training("train")["best_validation"] == pytest.approx(whole["best_validation"])
    assert again.towers("train").digest == digest


@pytest.mark.parametrize(("noise", "kept"), [(0.1, "joined"), (0.001, "hybrid")])
def test_what_is_likeliest_is_kept_unless_another_is_better_by_more_than_chance(tmp_path, noise, kept):
    spread = np.random.default_rng(0).normal(size=50) * noise
    for name, marks in (("joined", np.full(50, 0.3)), ("hybrid", 0.301 + spread - spread.mean())):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / fit.MARKS, marks)
    assert stage._best(tmp_path, ["hybrid", "joined"], "joined") == kept
    assert stage._best(tmp_path, ["nothing was asked"], "joined") == "joined"


def test_no_budget_takes_settings_as_they_are_given(prepared, tmp_path):
    run = stage.train(job(tmp_path, budget="0s", embedding_dim=8), prepared)
    assert run.training("train")["method"] == "hybrid"
    assert read_json(run.folder / "choice.json")["trials"] == []


@pytest.mark.parametrize("budget", ["", "30", "fast", "-5s", "1d"])
def test_a_budget_that_is_no_time_is_refused(budget):
    with pytest.raises(ConfigError, match=r"'budget' is .* say it like 30s, 2m or 1h\."):
        TrainConfig.of({"budget": budget})


@pytest.mark.parametrize(("budget", "seconds"), [("30s", 30), ("2m", 120), ("1.5h", 5400), ("0s", 0)])
def test_a_budget_in_seconds(budget, seconds):
    assert TrainConfig(budget=budget).budget_seconds == seconds
