"""Looking into the space of a bundle: what vectors are taken, what is found healthy or not, the verb and its page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from closed_form import solve_towers
from tiny_run import TINY
from toy_bundle import random_bundle, random_histories

from recsys_cl.config import DiagnoseConfig, GateConfig, IndexConfig, SpectralConfig
from recsys_cl.evaluation.alarms import NOT_COLLAPSED, alarms
from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts
from recsys_cl.evaluation.facts import EvaluationReport
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.retrieval.bundle import Bundle
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.retrieval.tuning import build_index
from recsys_cl.stages.diagnose import compared, everyone, look_into
from recsys_cl.towers.two_tower import TwoTower

CONFIG = DiagnoseConfig(diagnosed_k=5)


def looked_into(bundle: Bundle, **changes: int) -> DiagnosticFacts:
    retriever = Retriever(bundle, "toy")
    return look_into(retriever, everyone(retriever), CONFIG.model_copy(update=changes), seed=0)


def with_towers(bundle: Bundle, towers: TwoTower) -> Bundle:
    """Return the bundle with other towers, and the index that belongs to them."""
    queries = towers.query_vectors(Queries(np.arange(3, dtype=np.int32), bundle.histories.take(np.arange(3))))
    search, report = build_index(towers.item_vectors(), queries, IndexConfig(), k=5, seed=0)
    return Bundle(towers, bundle.vocabulary, bundle.items, bundle.histories, search, report, {})


def test_a_bundle_of_random_vectors_is_healthy():
    facts = looked_into(random_bundle())
    assert alarms(facts, GateConfig()) == ()
    assert (facts.users.there_are, facts.items.there_are, facts.items.dim) == (40, 30, 8)
    assert facts.items.length.constant
    assert facts.information is None


def test_what_is_added_to_scores_is_no_part_of_the_space():
    plain, weighed = random_bundle(), random_bundle()
    prior = np.linspace(5, 9, 30, dtype=np.float32)
    weighed.towers.set_prior(prior)
    found = compared(weighed.towers, Queries(np.arange(40, dtype=np.int32), weighed.histories))
    assert found.users.shape == (40, 8)
    assert found.items.shape == (30, 8)
    assert found.queries.shape == (40, 9)
    assert found.offsets.tolist() == prior.tolist()
    assert found.users @ found.items.T + found.offsets == pytest.approx(found.queries @ found.catalogue.T, abs=1e-5)
    seen = looked_into(plain), looked_into(with_towers(weighed, weighed.towers))
    assert seen[0].items == seen[1].items
    assert seen[0].users == seen[1].users
    assert seen[1].popularity.offsets


def test_a_strong_prior_gives_one_list_to_all_which_raises_an_alarm():
    bundle = random_bundle(users=60, items=200)
    bundle.towers.set_prior(100 * np.random.default_rng(0).random(200, dtype=np.float32))
    told = alarms(looked_into(with_towers(bundle, bundle.towers)), GateConfig())
    assert len(told) == 1
    assert "All users are given nearly the same list" in told[0]


def test_a_bundle_whose_items_have_become_one_raises_alarms():
    bundle = random_bundle(users=60, items=200)
    bundle.towers.tables["item"].mul_(1e-3).add_(1)
    told = " ".join(alarms(looked_into(with_towers(bundle, bundle.towers)), GateConfig()))
    assert "The vectors of items have collapsed" in told
    assert "The vectors of items all point the same way" in told


def test_vectors_that_are_not_finite_are_told_and_nobody_is_given_a_list():
    bundle = random_bundle()
    bundle.towers.tables["item"][4] = float("nan")
    facts = looked_into(bundle)
    assert facts.lists is None
    assert "Vectors of items that are not finite: 1." in alarms(facts, GateConfig())


@pytest.mark.parametrize("dim", [4, 64, 300])  # the log's rank is 120 at most
@pytest.mark.parametrize("weighed", [False, True])
def test_a_closed_form_of_any_dimensions_is_healthy(dim, weighed):
    bundle = random_bundle(users=150, items=120)
    histories = random_histories(np.random.default_rng(1), 150, 120, 12)
    towers = solve_towers(histories, SpectralConfig(), dim=dim, history_length=50, ordered=False, seed=0)
    if weighed:
        towers.set_prior(np.log1p(histories.counts()).astype(np.float32) * 0.1)
    filled = with_towers(Bundle(towers, bundle.vocabulary, bundle.items, histories, None, None, {}), towers)
    facts = looked_into(filled)
    assert facts.items.dim == dim
    assert alarms(facts, GateConfig()) == ()


def test_a_catalogue_that_lists_exhaust_raises_no_alarm():
    bundle = random_bundle(items=9)
    assert looked_into(bundle, diagnosed_k=20).lists.k == 1
    full = histories_of_all_but_one(40, 9)
    narrow = Bundle(bundle.towers, bundle.vocabulary, bundle.items, full, bundle.search, bundle.index, {})
    facts = looked_into(narrow)
    assert facts.lists.spread is None
    assert alarms(facts, GateConfig()) == ()


def histories_of_all_but_one(users: int, items: int) -> Histories:
    rows = [np.delete(np.arange(items), user % items) for user in range(users)]
    indptr = np.arange(users + 1, dtype=np.int64) * (items - 1)
    taken = np.concatenate(rows).astype(np.int32)
    return Histories(indptr, taken, None, np.ones(len(taken), dtype=np.float32), items)


def test_no_more_users_are_asked_than_wanted_and_seeds_draw_them():
    assert looked_into(random_bundle(), diagnosed_users=9).lists.users == 9
    retriever = Retriever(random_bundle(), "toy")
    few = DiagnoseConfig(diagnosed_users=9, diagnosed_items=8)
    first, again, other = (look_into(retriever, everyone(retriever), few, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_a_run_reports_its_space_and_the_gate_looked_at_it(finished):
    _, result = finished
    report = EvaluationReport.from_json(Path(result["report"]).with_suffix(".json").read_text())
    assert report.diagnostics.items.dim == 8
    assert report.diagnostics.information.bounds
    assert report.diagnostics.alignment.held_out is not None
    assert "<h2>The space</h2>" in Path(result["report"]).read_text()
    assert "## The space" in Path(result["report"]).with_suffix(".md").read_text()
    checks = {check["name"]: check for check in result["registry"]["gate"]["checks"]}
    assert checks[NOT_COLLAPSED]["passed"] is True


def test_the_verb_looks_into_the_champion_and_writes_a_page(finished, recsys):
    home, result = finished
    told = json.loads(recsys("diagnose", "--home", home, "--json").stdout)
    assert set(told) == {"name", "version", "diagnostics", "alarms", "page"}
    assert (told["name"], told["version"], told["alarms"]) == ("tiny", "1", [])
    assert Path(told["page"]) == home / "data" / "diagnoses" / "tiny" / "1.html"
    assert "tiny, version 1" in Path(told["page"]).read_text()
    facts = DiagnosticFacts.model_validate(told["diagnostics"])
    report = EvaluationReport.from_json(Path(result["report"]).with_suffix(".json").read_text())
    assert facts.information == report.diagnostics.information  # of pairs the bundle itself does not hold
    assert facts.users.there_are > report.diagnostics.users.there_are


def test_people_read_the_figures_and_where_the_page_is(finished, recsys, tmp_path, monkeypatch):
    home, _ = finished
    monkeypatch.setenv("COLUMNS", "80")
    page = tmp_path / "space.html"
    shown = recsys("diagnose", "models:/tiny@champion", "--home", home, "--out", page).stdout
    assert f"Page        {page}" in shown
    assert "Effective rank" in shown
    assert "Alarm" not in shown
    assert all(len(line) <= 80 for line in shown.splitlines() if str(page) not in line)
    assert "Alarm" in recsys("diagnose", "--home", home, "--out", page, "--min-rank-share", 1).stdout


def test_a_bundle_by_its_path_needs_neither_a_name_nor_a_workspace(finished, recsys, tmp_path):
    _, result = finished
    done = recsys("diagnose", result["bundle"], "--home", tmp_path, "--json", "--diagnosed-users", 11, "--seed", 4)
    told = json.loads(done.stdout)
    assert told["diagnostics"]["users"]["drawn"] == 11
    assert told["diagnostics"]["seed"] == 4
    assert Path(told["page"]).is_relative_to(tmp_path)


def test_what_is_no_bundle_is_refused(finished, recsys, tmp_path):
    home, _ = finished
    assert recsys("diagnose", tmp_path / "nothing", "--home", home).exit_code == 4
    assert recsys("diagnose", "models:/nobody@champion", "--home", home).exit_code == 5


def test_a_collapsed_version_is_not_promoted_and_the_reason_is_told(new_home, tiny_log, recsys):
    home = new_home()
    strict = ["--max-mean-cosine", "-1"]  # no two vectors may look the same way at all
    done = recsys("register", "--home", home, "--input", tiny_log, "--json", *TINY, *strict)
    registry = json.loads(done.stdout)["registry"]
    assert registry["promoted"] is False
    assert registry["champion"] is None
    assert "The vectors of users all point the same way" in registry["reason"]
    assert "all point the same way" in recsys("versions", "--home", home, "--name", "tiny").stdout


def test_other_towers_than_those_examined_are_looked_into_for_the_gate(new_home, tiny_log, recsys):
    home = new_home()
    done = recsys("register", "--home", home, "--input", tiny_log, "--json", *TINY, "--refit", "all")
    result = json.loads(done.stdout)
    checks = {check["name"]: check["detail"] for check in result["registry"]["gate"]["checks"]}
    told = json.loads(recsys("diagnose", result["bundle"], "--home", home, "--json").stdout)["diagnostics"]
    ranks = f"{told['users']['effective_rank']:.1f} and {told['items']['effective_rank']:.1f}"
    assert f"users and items use {ranks};" in checks[NOT_COLLAPSED]
    assert told["information"] is None  # the bundle has seen what was held out


def test_a_bundle_examined_on_another_log_is_looked_into_there(finished, recsys, tmp_path):
    home, result = finished
    verb = ["evaluate", "--home", home, "--bundle", result["bundle"], "--name", "tiny", "--json"]
    told = json.loads(recsys(*verb, "--baselines", "popularity", "--bootstrap-samples", 100, "--ks", 10).stdout)
    report = EvaluationReport.from_json(Path(told["report"]).with_suffix(".json").read_text())
    assert report.diagnostics.information is not None
