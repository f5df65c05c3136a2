"""The three methods through the stages: closed form, gradient descent, and the one from the other."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tiny_run import TINY

from recsys_cl.config import load_config
from recsys_cl.errors import ConfigError
from recsys_cl.families import members
from recsys_cl.stages.foresight import QUERY_ENCODERS, require_sound
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import Prepared, prepare
from recsys_cl.stages.train import TrainedRun, open_trained, train
from recsys_cl.training.learner import Learner
from recsys_cl.workspace import Workspace

SMALL = {"budget": "0s", "epochs": 2, "embedding_dim": 8, "batch_size": 32, "uniform_negatives": 16}
METHODS = ["spectral", "gradient", "hybrid"]


def job(home: Path, **settings: Any) -> Job:
    workspace = Workspace.at(home)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Job(workspace, "tiny", load_config(None, SMALL | settings), workspace.tracking_uri, now)


@pytest.fixture(scope="module", params=[True, False], ids=["ordered", "sets"])
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_log: Path) -> Prepared:
    """The tiny log up to its pairs, with its order and without; trained on by all tests of this module."""
    log = tmp_path_factory.mktemp("log") / "log.csv"
    lines = [line.split(",") for line in tiny_log.read_text().splitlines()]
    kept = lines if request.param else [line[:2] for line in lines]
    log.write_text("".join(",".join(line) + "\n" for line in kept))
    begun = job(tmp_path_factory.mktemp("home"))
    return prepare(begun, ingest(begun, Source(inputs=(log,))))


def trained(prepared: Prepared, home: Path, **settings: Any) -> TrainedRun:
    return train(job(home, **settings), prepared)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_leaves_towers_and_says_how_they_came_about(prepared, tmp_path, method):
    run = trained(prepared, tmp_path, method=method)
    training = run.training("train")
    assert 0 < training["best_validation"] <= 1
    assert [record["epoch"] for record in training["curve"]] == ([] if method == "spectral" else [1, 2])
    assert (training["best_epoch"] == 0) == (method == "spectral")
    for part in ("train", "train_and_validation"):
        towers = run.towers(part)
        assert towers.spec.similarity == ("dot" if method == "spectral" else "cosine")
        assert all((max(one.age_exponents) > 0) == prepared.ordered for one in towers.spec.readings)
    refit = run.training("train_and_validation")
    assert refit["best_validation"] is None
    assert refit["prior"] == training["prior"]
    assert len(refit["curve"]) == training["best_epoch"]
    assert open_trained(run.folder).describe() == run.describe()


def test_the_closed_form_takes_no_step(prepared, tmp_path, monkeypatch):
    def step(*_: object) -> float:
        raise AssertionError("a step of gradient descent")

    monkeypatch.setattr(Learner, "step", step)
    trained(prepared, tmp_path, method="spectral")
    with pytest.raises(AssertionError, match="a step"):
        trained(prepared, tmp_path, method="hybrid")


def test_only_the_hybrid_starts_from_the_closed_form(prepared, tmp_path, monkeypatch):
    started, honest = [], Learner.start_from

    def start_from(learner, start):
        started.append(start)
        honest(learner, start)

    monkeypatch.setattr(Learner, "start_from", start_from)
    trained(prepared, tmp_path, method="gradient")
    assert not started
    trained(prepared, tmp_path, method="hybrid")
    assert [start.spec.n_items for start in started] == [
        prepared.vocabulary(part).n_items for part in ("train", "train_and_validation")
    ]
    assert all(start.tables["context"].any() for start in started)


def test_settings_of_the_closed_form_make_another_run(prepared, tmp_path):
    one, other, again = (
        trained(prepared, tmp_path, method="spectral", user_exponent=exponent) for exponent in (0.2, 0.6, 0.2)
    )
    assert one.folder == again.folder != other.folder
    assert one.towers("train").digest != other.towers("train").digest


def test_a_gradient_run_may_use_any_encoder_and_single_pairs(prepared, tmp_path):
    for encoder in members(QUERY_ENCODERS):
        settings = {"query_encoder": encoder, "targets": "one"}
        if encoder == "gaussian_history":
            settings |= {"candidate_encoder": "gaussian_item_id", "similarity": "wasserstein"}
        require_sound(job(tmp_path, method="gradient", **settings).config)
        towers = trained(prepared, tmp_path, method="gradient", epochs=1, **settings).towers("train")
        assert towers.spec.query_encoder == encoder


@pytest.mark.parametrize("encoder", ["history", "history_and_id"])
def test_the_hybrid_refuses_an_encoder_without_a_table_for_the_closed_form(encoder):
    with pytest.raises(ConfigError) as caught:
        require_sound(load_config(None, {"query_encoder": encoder}))
    message = str(caught.value)
    assert all(
        words in message
        for words in (repr(encoder), "--query-encoder (aged_history, gaussian_history)", "--method gradient")
    )
    for method in ("gradient", "spectral"):
        require_sound(load_config(None, {"query_encoder": encoder, "method": method}))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "hybird"}, ["'train.method'", "hybrid"]),
        ({"targets": "two"}, ["'train.targets'", "'many'"]),
        ({"window": 0}, ["'train.window'", "greater than or equal to 1"]),
        ({"age_exponents": (0.5, -1)}, ["'train.age_exponents.1'", "greater than or equal to 0"]),
        ({"age_exponents": ()}, ["'train.age_exponents'", "at least 1 item"]),
        ({"user_exponent": 1.5}, ["'spectral.user_exponent'", "less than or equal to 1"]),
        ({"tolerated_error": 0}, ["'spectral.tolerated_error'", "greater than 0"]),
        ({"most_rounds": 0}, ["'spectral.most_rounds'", "greater than or equal to 1"]),
    ],
)
def test_what_the_new_settings_refuse_is_named(settings, words):
    with pytest.raises(ConfigError) as caught:
        load_config(None, settings)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_whole_run_in_closed_form(home, tiny_log, recsys):
    arguments = ["run", "--home", home, "--input", tiny_log, *TINY, "--method", "spectral"]
    done = recsys(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["training"]["curve"] == []
    assert told["metrics"]["model"]["recall_at_20"] > 0
    assert told["candidates"]["rows"] > 0
    shown = recsys(*arguments)
    assert shown.exit_code == 0, shown.stderr
    assert "closed form, 8 dimensions; validation" in shown.stdout
