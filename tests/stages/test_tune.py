"""The search for settings from end to end: what it tries, gives up, leaves, and goes on with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from recsys_cl.config import TuneConfig, load_config
from recsys_cl.errors import TrainingError
from recsys_cl.stages.pairs import Prepared
from recsys_cl.stages.study import within_budget
from recsys_cl.training.learner import Learner

SCRIPT = Path(__file__).with_name("killed_studies.py")
SMALL = [
    *("--method", "gradient", "--epochs", "4", "--embedding-dim", "8", "--batch-size", "128"),
    *("--uniform-negatives", "16", "--prune-after", "1"),
]
# Learning rates with which nothing is learned are given up.
SEARCH = "learning_rate=0.0000001..0.1,loss.mining,loss.margin,item_bias"
TRIALS = 12


def tuned(recsys, home: Path, log: Path, *arguments: object, search: str = SEARCH) -> dict[str, Any]:
    command = ["tune", "--home", home, "--input", log, "--loss", "triplet", *SMALL, "--search", search, *arguments]
    done = recsys(*command, "--json")
    assert done.exit_code == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def searched(new_home, tiny_log: Path, recsys) -> tuple[Path, dict[str, Any]]:
    """A workspace in which a search has ended, and its result; the test part was not looked at."""
    home, whole = new_home(), Prepared.part

    def part(prepared: Prepared, *names: str) -> Any:
        assert "test" not in names
        return whole(prepared, *names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Prepared, "part", part)
        return home, tuned(recsys, home, tiny_log, "--trials", TRIALS)


def test_so_many_trials_are_made_and_the_best_is_told(searched):
    tuning = searched[1]["tuning"]
    trials = tuning["trials"]
    assert [one["number"] for one in trials] == list(range(1, TRIALS + 1))
    assert trials[0]["settings"] == {
        "learning_rate": 0.01,
        "loss.margin": 0.5,
        "loss.mining": "semi_hard",
        "item_bias": True,
    }
    complete = [one for one in trials if one["state"] == "complete"]
    assert tuning["best"]["figure"] == max(one["figure"] for one in complete)
    assert all(0 <= one["recall"] <= 1 and len(one["curve"]) <= 4 for one in complete)
    assert tuning["metric"] == "ndcg_at_100"  # as everywhere, where few users can be asked


def test_trials_that_do_worse_are_given_up(searched):
    trials = searched[1]["tuning"]["trials"]
    given_up = [one for one in trials if one["state"] == "given up"]
    assert given_up
    for trial in given_up:
        assert 1 <= len(trial["curve"]) < 4
        assert trial["figure"] == max(trial["curve"])
        assert trial["recall"] is None
    assert {one["state"] for one in trials[:2]} == {"complete"}, "nothing is given up before there is a median"


def test_the_best_settings_are_a_file_for_config(searched):
    tuning = searched[1]["tuning"]
    path = Path(tuning["settings"])
    config, best = load_config(path, {}), tuning["best"]["settings"]
    assert config.train.learning_rate == best["learning_rate"]
    assert config.train.item_bias == best["item_bias"]
    assert config.train.loss.name == "triplet"
    assert float(config.train.loss.settings["margin"]) == best["loss.margin"]
    assert config.train.budget_seconds == 0
    assert path.read_text().startswith("# Found by recsys-cl tune on tiny: ndcg_at_100 0.")
    assert "tune" not in yaml.safe_load(path.read_text())


def test_a_page_shows_the_search(searched):
    page = Path(searched[1]["report"]).read_text()
    assert page.count("<svg") == 3 + bool(searched[1]["tuning"]["importances"])
    assert all(name in page for name in ("loss.mining", "learning_rate", "semi_hard", "given up"))
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://www.w3.org", "")


def test_importances_are_shares(searched):
    found = searched[1]["tuning"]["importances"]
    assert set(found) <= {"learning_rate", "loss.mining", "loss.margin", "item_bias"}
    assert not found or sum(found.values()) == pytest.approx(1)


def test_mlflow_has_a_run_for_the_study_and_one_in_it_for_each_trial(searched):
    from mlflow import MlflowClient

    home, result = searched
    client = MlflowClient(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = client.search_runs([experiment])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    (parent,) = parents
    tuning = result["tuning"]
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["study"] == tuning["key"]
    assert parent.data.tags["best.loss.mining"] == tuning["best"]["settings"]["loss.mining"]
    assert parent.data.metrics["validation_ndcg_at_100"] == tuning["best"]["figure"]
    assert parent.data.params["train.loss.name"] == "triplet"
    assert {file.path for file in client.list_artifacts(parent.info.run_id, "study")} == {
        "study/best.yaml",
        "study/study.html",
    }
    children = {int(run.data.tags["trial"]): run for run in runs if run is not parent}
    assert set(children) == set(range(1, TRIALS + 1))
    for trial in tuning["trials"]:
        child = children[trial["number"]]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.info.status == {"complete": "FINISHED", "given up": "KILLED"}[trial["state"]]
        assert child.data.params == {name: str(value) for name, value in trial["settings"].items()}
        epochs = client.get_metric_history(child.info.run_id, "epoch_ndcg_at_100")
        assert [one.value for one in sorted(epochs, key=lambda one: one.step)] == trial["curve"]


def test_more_trials_go_on_with_those_there_are(searched, tiny_log, recsys, monkeypatch):
    home, before = searched
    steps, whole = [], Learner.step
    monkeypatch.setattr(Learner, "step", lambda *given: steps.append(given) or whole(*given))
    again = tuned(recsys, home, tiny_log, "--trials", TRIALS)
    assert not steps
    assert again["tuning"] == before["tuning"]
    more = tuned(recsys, home, tiny_log, "--trials", TRIALS + 1)
    assert more["tuning"]["trials"][:TRIALS] == before["tuning"]["trials"]
    assert len(more["tuning"]["trials"]) == TRIALS + 1
    assert steps
    fewer = tuned(recsys, home, tiny_log, "--trials", 2)
    assert fewer["tuning"]["trials"] == before["tuning"]["trials"][:2]


def test_a_search_is_printed_for_people(searched, tiny_log, recsys):
    command = ["tune", "--home", searched[0], "--input", tiny_log, "--loss", "triplet", *SMALL, "--search", SEARCH]
    shown = recsys(*command, "--trials", TRIALS)
    assert shown.exit_code == 0, shown.stderr
    assert f"Tuning      {TRIALS} trials in " in shown.stdout
    assert "given up" in shown.stdout
    assert "all, semi_hard, hard" in shown.stdout
    assert "best.yaml" in shown.stdout


def test_settings_that_diverge_are_a_trial_that_failed(new_home, tiny_log, recsys, monkeypatch):
    whole = Learner.step

    def step(learner: Learner, *given: Any) -> float:
        return float("nan") if learner.config.learning_rate != 0.01 else whole(learner, *given)

    monkeypatch.setattr(Learner, "step", step)
    done = tuned(recsys, new_home(), tiny_log, "--trials", 3)
    assert [one["state"] for one in done["tuning"]["trials"]] == ["complete", "diverged", "diverged"]
    assert "became nan in epoch 1" in done["tuning"]["trials"][1]["note"]
    assert done["tuning"]["best"]["number"] == 1


def test_where_all_diverge_it_is_told(new_home, tiny_log, recsys, monkeypatch):
    monkeypatch.setattr(Learner, "step", lambda *_: float("nan"))
    done = recsys("tune", "--home", new_home(), "--input", tiny_log, *SMALL, "--trials", 2)
    assert done.exit_code == TrainingError.exit_code
    assert "Nothing could be learned with any of 2 settings" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--trials", "0"], ["trials", "greater than or equal to 1"]),
        (["--search", "temprature"], ["'temprature'", "Did you mean 'temperature'?"]),
        (["--loss", "bpt"], ["'bpt'", "Did you mean 'bpr'?"]),
        (["--loss", "bpr:margin=1"], ["margin"]),
        (["--tuning-time", "soon"], ["'soon'", "30s, 2m or 1h"]),
        (["--pruner", "guess"], ["'guess'"]),
        (["--method", "spectral"], ["closed form", "--method gradient or hybrid"]),
    ],
)
def test_what_cannot_work_is_refused_before_the_log_is_read(tmp_path, recsys, arguments, words):
    done = recsys("tune", "--home", tmp_path, "--input", tmp_path / "none.csv", *arguments)
    assert done.exit_code == 2
    assert all(word in done.stderr for word in words), done.stderr


class Trial:
    def __init__(self, seconds: float) -> None:
        self.user_attrs = {"seconds": seconds}


@pytest.mark.parametrize(
    ("time", "trials", "kept", "spent"),
    [
        (None, 3, 3, True),
        (None, 9, 4, False),
        ("0s", 9, 1, True),
        ("15s", 9, 2, True),
        ("20s", 9, 2, True),
        ("21s", 9, 3, True),
        ("100s", 9, 4, False),
        ("100s", 2, 2, True),
    ],
)
def test_a_budget_is_of_trials_and_of_time(time, trials, kept, spent):
    config = TuneConfig(trials=trials, tuning_time=time)
    four = [Trial(10) for _ in range(4)]
    assert within_budget(four, config) == (four[:kept], spent)
    assert within_budget([], config) == ([], False), "one trial there is in any case"


@pytest.fixture(scope="module")
def killed(tiny_log: Path, laid_out: Path, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    home = tmp_path_factory.mktemp("killed")
    done = subprocess.run(
        [sys.executable, SCRIPT, tiny_log, laid_out, home], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return home, json.loads(done.stdout.splitlines()[-1])


def test_a_search_that_is_killed_everywhere_ends_like_one_left_in_peace(killed):
    home, told = killed
    assert told["codes"] == [0, 0]
    assert len(told["points"]) >= 8
    peace, again = (json.loads((home / name / "result.json").read_text())["tuning"] for name in ("peace", "killed"))
    of_the_moment = {"seconds", "began", "ended"}

    def lasting(trials):
        return [{name: value for name, value in one.items() if name not in of_the_moment} for one in trials]

    assert lasting(again["trials"]) == lasting(peace["trials"])
    assert len(again["trials"]) == 4
    assert again["best"]["settings"] == peace["best"]["settings"]


def test_killed_trials_are_marked_as_failed_and_tried_again(killed):
    import optuna

    storage = optuna.storages.RDBStorage(f"sqlite:///{next((killed[0] / 'killed').rglob('study.db'))}")
    trials = storage.get_all_trials(storage.get_all_studies()[0]._study_id)
    storage.remove_session()
    storage.engine.dispose()
    states = [one.state.name for one in trials]
    assert states.count("COMPLETE") == 4
    assert set(states) == {"COMPLETE", "FAIL"}
    retried = [one.user_attrs["retry_of"] for one in trials if "retry_of" in one.user_attrs]
    assert retried
    assert {states[number] for number in retried} == {"FAIL"}


def test_mlflow_was_told_once_of_each_trial(killed):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{killed[0] / 'killed' / 'mlflow' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert sorted(run.data.tags.get("trial", "") for run in runs) == ["", "1", "2", "3", "4"]
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_nothing_half_written_is_left_of_a_search(killed):
    folder = killed[0] / "killed" / "data" / "studies"
    assert list(folder.rglob(".*")) == []
    assert {path.name for path in next((folder / "tiny").iterdir()).iterdir()} == {
        "best.yaml",
        "study.db",
        "study.html",
        "study.json",
    }
