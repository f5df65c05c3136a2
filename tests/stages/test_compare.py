"""Methods side by side: the table from end to end, after a kill too, and what each part of it promises."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from recsys_cl.config import RunConfig
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.errors import ConfigError, InputError, StorageError, TrainingError
from recsys_cl.families import members
from recsys_cl.stages import compare, comparison_table
from recsys_cl.stages.contenders import Contender, budget_of, read_contenders, require_comparable

METHODS = """
shared:
  train: {method: gradient, budget: 0s, embedding_dim: 8, epochs: 2, batch_size: 128, uniform_negatives: 16}
methods:
  plain:
    about: softmax as it is
    train: {loss: sampled_softmax}
    search: []
  pairwise:
    about: one against one
    train: {loss: bpr, similarity: dot, temperature: 1.0}
    search: [learning_rate]
    published:
      tiny: {recall_at_20: 0.5, ndcg_at_20: 0.25, what: pairs by hand, source: nobody}
"""


@pytest.fixture(scope="module")
def methods_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("methods") / "methods.yaml"
    path.write_text(METHODS)
    return path


def command(home: Path, log: Path, methods: Path, out: Path) -> list[str]:
    told = ["compare", "--home", home, "--input", log, "--methods-file", methods, "--seeds", 2, "--trials", 2]
    return [*map(str, told), "--out", str(out)]


@pytest.fixture(scope="module")
def compared(new_home, tiny_log: Path, methods_file: Path, recsys) -> tuple[Path, dict[str, Any], dict[Path, int]]:
    """A comparison that was killed after the first fit and went on: its table, its result, and what it had by then."""
    home = new_home()
    out = home / "out" / "table.md"
    asked = command(home, tiny_log, methods_file, out)
    code = "import sys; from recsys_cl.cli import main; main(sys.argv[1:])"
    with subprocess.Popen([sys.executable, "-c", code, *asked, "--quiet"]) as first:
        kept = home / "data" / "comparisons" / "tiny"
        while not list(kept.glob("*/seed-0.json")):
            assert first.poll() is None, "it ended before it had fitted anything"
            time.sleep(0.05)
        children = psutil.Process(first.pid).children(recursive=True)
        first.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "a fit goes on alone"
    before = {path: path.stat().st_mtime_ns for path in kept.glob("*/*.json")}
    done = recsys(*asked, "--json")
    assert done.exit_code == 0, done.stderr
    return out, json.loads(done.stdout), before


def test_the_same_command_goes_on_with_what_is_missing(compared):
    before = compared[2]
    assert {path.name for path in before} >= {"marks.json", "seed-0.json"}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_each_method_has_its_figures_of_each_seed(compared):
    _, result, _ = compared
    log = result["logs"]["tiny"]
    assert {row["method"] for row in log["rows"]} == {"plain", "pairwise"}
    figures = [row["ndcg_at_20"]["mean"] for row in log["rows"]]
    assert figures == sorted(figures, reverse=True)
    for row in log["rows"]:
        for key in ("recall_at_20", "ndcg_at_20", "seconds", "peak_mib", "alignment", "uniformity", "epochs"):
            measured = row[key]
            assert len(measured["runs"]) == 2
            assert measured["mean"] == pytest.approx(np.mean(measured["runs"]))
            assert measured["spread"] == pytest.approx(np.ptp(measured["runs"]) / 2)
        assert 0 < row["recall_at_20"]["mean"] < 1
        assert row["recall_at_20"]["runs"][0] != row["recall_at_20"]["runs"][1] or row["alignment"]["spread"] > 0
        assert row["peak_mib"]["mean"] > 100
        assert 0 <= row["alignment"]["mean"] <= 4
        assert -8 <= row["uniformity"]["mean"] <= 0
    assert result["ok"]
    assert result["failures"] == []


def test_a_method_is_tuned_if_it_searches_anything(compared):
    rows = {row["method"]: row for row in compared[1]["logs"]["tiny"]["rows"]}
    assert (rows["plain"]["validation"]["settings"], rows["plain"]["validation"]["trials"]) == ({}, 1)
    tuning = rows["pairwise"]["validation"]
    assert tuning["trials"] == 2
    assert set(tuning["settings"]) == {"learning_rate"}
    assert (compared[0].parents[1] / tuning["report"]).is_file()
    assert str(compared[0].parents[1]) not in compared[0].with_suffix(".json").read_text()


def test_the_table_shows_it(compared):
    out, result, _ = compared
    text = out.read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines[0].startswith("| method | recall@20 | NDCG@20 | published | training, CPU s | peak, MiB |")
    assert lines[2].startswith("| popularity | 0.")
    first = result["logs"]["tiny"]["rows"][0]
    assert lines[3].startswith(f"| {first['method']} | ")
    assert f"**{first['ndcg_at_20']['mean']:.4f} \N{PLUS-MINUS SIGN} " in lines[3]
    assert "| 0.5000 / 0.2500 |" in text
    assert "pairs by hand (nobody)" in text
    assert "- `pairwise`: one against one" in text
    assert "recsys-cl compare --methods-file methods.yaml --input FILE --name tiny --seeds 2 --trials 2" in text
    assert str(out.parent) not in text
    assert json.loads(out.with_suffix(".json").read_text())["logs"] == result["logs"]


def test_only_what_is_asked_for_is_left(compared):
    folders = list((compared[0].parents[1] / "data" / "comparisons" / "tiny").iterdir())
    assert sorted(path.name.partition("-")[0] for path in folders) == ["pairwise", "plain", "popularity"]
    assert {path.suffix for folder in folders for path in folder.iterdir()} == {".json"}


def run_of(figure: float) -> dict[str, Any]:
    return {
        "recall_at_20": figure,
        "ndcg_at_20": figure / 2,
        "seconds": 1.0,
        "peak_mib": 300.0,
        "processor": "one",
        "epochs": 2,
        "alignment": 1.0,
        "uniformity": -2.0,
    }


LIKE = {"best_epoch": 3, "prior": {"half_life": None, "strength": 0.5, "validation": 0.3}}


class Answers:
    """What would be done apart, at once."""

    def __init__(self, failing: Exception | None = None) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.failing = failing

    def __call__(self, task: str, order: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((task, order))
        if task != "fit":
            found = {"learning_rate": 0.02} if task == "tune" else {}
            best = {"settings": found, "figure": 0.3, "metric": "ndcg_at_20", "trials": 2, "seconds": 3.0}
            return best | {"config": {"train": order["config"]["train"] | found}, "like": LIKE}
        if self.failing and order["config"]["train"]["loss"]["name"] == "sampled_softmax":
            raise self.failing
        return run_of(0.2 + order["config"]["seed"] / 10)


def asked_again(recsys, home: Path, log: Path, methods: Path, *arguments: object) -> Any:
    return recsys(*command(home, log, methods, home / "table.md"), *arguments)


def test_what_was_tuned_is_what_is_fitted_with_each_seed(tmp_path, tiny_log, methods_file, recsys, monkeypatch):
    answers = Answers()
    monkeypatch.setattr(compare, "answer_of", answers)
    done = asked_again(recsys, tmp_path, tiny_log, methods_file, "--seed", 5)
    assert done.exit_code == 0, done.stderr
    fits = [order["config"] for task, order in answers.asked if task == "fit"]
    assert all(order["like"] == LIKE for task, order in answers.asked if task == "fit")
    assert [config["seed"] for config in fits] == [5, 6, 5, 6]
    assert [config["train"].get("learning_rate") for config in fits] == [None, None, 0.02, 0.02]
    assert len({order["prepared"] for _, order in answers.asked}) == 1, "the same split for all seeds"
    again = asked_again(recsys, tmp_path, tiny_log, methods_file, "--seed", 5)
    assert again.exit_code == 0
    assert len(answers.asked) == 6
    more = asked_again(recsys, tmp_path, tiny_log, methods_file, "--seed", 5, "--epochs", 1)
    assert more.exit_code == 0
    assert len(answers.asked) == 12, "other settings are another row"


def test_a_table_is_added_to_where_nothing_else_was_kept(tmp_path, tiny_log, methods_file, recsys, monkeypatch):
    answers, out = Answers(), tmp_path / "table.md"
    monkeypatch.setattr(compare, "answer_of", answers)

    def added_to(home: str, *arguments: object) -> list[str]:
        """Return what was fitted by a new workspace; some of the rows are the table's from before."""
        before = len(answers.asked)
        done = recsys(*command(tmp_path / home, tiny_log, methods_file, out), *arguments)
        assert done.exit_code == 0, done.stderr
        return [order["config"]["train"]["loss"]["name"] for task, order in answers.asked[before:] if task == "fit"]

    def rows() -> dict[str, Any]:
        return {row["method"]: row for row in json.loads(out.with_suffix(".json").read_text())["logs"]["tiny"]["rows"]}

    assert added_to("first", "--methods", "plain") == ["sampled_softmax"] * 2
    plain = rows()["plain"]
    assert "Made by `recsys-cl compare" in out.read_text()
    assert "`pairwise`" not in out.read_text()
    assert added_to("second", "--methods", "pairwise") == ["bpr"] * 2
    assert rows().keys() == {"plain", "pairwise"}
    assert rows()["plain"] == plain
    assert "Last added to by `recsys-cl compare" in out.read_text()
    assert added_to("third") == []
    assert "Made by `recsys-cl compare" in out.read_text()
    assert added_to("fourth", "--epochs", 1, "--methods", "plain") == ["sampled_softmax"] * 2
    assert rows().keys() == {"plain"}, "what was made with other settings does not stand beside it"
    assert added_to("fifth", "--epochs", 1, "--methods", "plain", "--seeds", 1) == ["sampled_softmax"]
    assert len(rows()["plain"]["recall_at_20"]["runs"]) == 1


def test_what_is_no_table_is_not_written_over(tmp_path, tiny_log, methods_file, recsys):
    notes = tmp_path / "notes.json"
    notes.write_text('{"mine": 1}')
    done = recsys(*command(tmp_path, tiny_log, methods_file, notes.with_suffix(".md")))
    assert done.exit_code == InputError.exit_code
    assert all(word in done.stderr for word in (str(notes), "--out"))
    assert notes.read_text() == '{"mine": 1}'


def test_seconds_of_different_processors_are_told_apart(tmp_path, tiny_log, methods_file, recsys, monkeypatch):
    answers = Answers()
    monkeypatch.setattr(compare, "answer_of", answers)
    assert asked_again(recsys, tmp_path, tiny_log, methods_file, "--methods", "plain").exit_code == 0
    assert "Seconds compare" not in (tmp_path / "table.md").read_text()
    monkeypatch.setattr(compare, "answer_of", lambda *asked: answers(*asked) | {"processor": "another"})
    assert asked_again(recsys, tmp_path, tiny_log, methods_file).exit_code == 0
    assert "Seconds compare among rows of one processor: 1 on another; 1 on one." in (tmp_path / "table.md").read_text()


def test_a_method_that_fails_does_not_stop_the_others(tmp_path, tiny_log, methods_file, recsys, monkeypatch):
    monkeypatch.setattr(compare, "answer_of", Answers(TrainingError("The loss became nan.")))
    done = asked_again(recsys, tmp_path, tiny_log, methods_file)
    assert done.exit_code == 1
    assert "Failed      tiny, plain: The loss became nan." in done.stdout
    text = (tmp_path / "table.md").read_text()
    assert "- tiny, `plain`: The loss became nan." in text
    assert "| pairwise | **0." in text


def test_trouble_with_the_disk_ends_it(tmp_path, tiny_log, methods_file, recsys, monkeypatch):
    monkeypatch.setattr(compare, "answer_of", Answers(StorageError("The disk is full.")))
    assert asked_again(recsys, tmp_path, tiny_log, methods_file).exit_code == StorageError.exit_code


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--methods", "plain,pairwize"], ["'pairwize'", "Did you mean 'pairwise'?"]),
        (["--trials", "0"], ["trials", "greater than or equal to 1"]),
        (["--similarity", "kl"], ["'plain'", "kl"]),
        (["--out", "table.csv"], ["table.csv", ".md"]),
    ],
)
def test_what_cannot_be_compared_is_refused_at_once(tmp_path, methods_file, recsys, arguments, words):
    asked = ["compare", "--home", tmp_path, "--input", tmp_path / "none.csv", "--methods-file", methods_file]
    done = recsys(*asked, *arguments)
    assert done.exit_code == 2
    assert all(word in done.stderr for word in words), done.stderr


def test_logs_are_named_in_one_way(tmp_path, recsys):
    done = recsys("compare", "--home", tmp_path, "--datasets", "ml-1m", "--sample")
    assert done.exit_code == 3
    assert "--datasets or one of --input" in done.stderr


def test_the_methods_of_the_package_can_all_be_compared():
    contenders = read_contenders(None).chosen(())
    require_comparable(contenders, RunConfig())
    trained = [RunConfig.of({"train": one.train}).train for one in contenders.values()]
    assert {train.loss.name for train in trained if train.loss} == set(members(LOSSES))
    assert {train.dim for train in trained} == {64}
    assert all(one.about and len(one.about) <= 80 for one in contenders.values())
    assert all(0 < one.published["gowalla"].ndcg_at_20 < 1 for one in contenders.values() if one.published)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("methods: {a: {about: x, trian: {}}}", ["methods.yaml", "'methods.a.trian'"]),
        ("methods: {}", ["methods.yaml", "'methods'"]),
        ("methods: {a: {about: x, train: {epoch: 3}}}", ["'a'", "'train.epoch'", "epochs"]),
        ("methods: {a: {about: x, search: [temprature]}}", ["'a'", "'temprature'", "temperature"]),
        ("methods: [", ["methods.yaml", "not YAML"]),
    ],
)
def test_a_bad_file_of_methods_is_refused(tmp_path, text, words):
    path = tmp_path / "methods.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        require_comparable(read_contenders(path).chosen(()), RunConfig())
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_range_is_the_methods_own_or_the_one_that_all_share(tmp_path):
    path = tmp_path / "methods.yaml"
    path.write_text(
        "shared: {search: {temperature: 0.05..0.3, epochs: 2..9}}\n"
        "methods: {a: {about: x, search: [temperature, learning_rate]}, b: {about: y, search: [temperature=0.2..5]}}"
    )
    chosen = read_contenders(path).chosen(())
    assert chosen["a"].search == ("temperature=0.05..0.3", "learning_rate")
    assert chosen["b"].search == ("temperature=0.2..5",)


def test_what_is_given_goes_before_what_a_method_asks_for():
    method = Contender(about="", train={"epochs": 30, "window": 10}, search=("temperature",))
    config = method.config(RunConfig.of({"train": {"epochs": 2, "patience": 9}, "seed": 4}))
    train = config.train
    assert (train.epochs, train.window, train.patience, config.seed) == (2, 10, 9, 4)
    assert config.tune.search == ("temperature",)


def test_budgets_in_words():
    assert budget_of(RunConfig.of({"tune": {"trials": 1}}).tune) == "1 trial"
    timed = RunConfig.of({"tune": {"trials": 9, "tuning_time": "5m"}}).tune
    assert budget_of(timed) == "9 trials, or as many as begin within 5m"


def test_a_figure_that_a_run_lacks_is_blank_and_no_number():
    assert comparison_table._spread([1.0, None]) == {"mean": None, "spread": None, "runs": [1.0, None]}
    assert comparison_table._spread([1.0, 2.0]) == {"mean": 1.5, "spread": 0.5, "runs": [1.0, 2.0]}
    assert (comparison_table._signed(None), comparison_table._signed(-1.25)) == ("", "\N{MINUS SIGN}1.250")
