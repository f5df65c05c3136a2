"""Settings and logs at the edge of sense, through the stages: a sound result, or a message that says what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys_cl.config import load_config
from recsys_cl.errors import ConfigError, InputError
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import prepare
from recsys_cl.stages.train import TrainedRun, train
from recsys_cl.workspace import Workspace

SMALL: dict[str, Any] = {"epochs": 2, "batch_size": 64, "uniform_negatives": 16, "embedding_dim": 8}
Row = tuple[object, ...]  # user, item, value, time in seconds


def write_log(folder: Path, rows: list[Row]) -> Path:
    path, columns = folder / "log.csv", ("user_id", "item_id", "value", "timestamp")[: len(rows[0])]
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in [columns, *rows]))
    return path


def trained(log: Path, home: Path, **settings: Any) -> TrainedRun:
    workspace = Workspace.at(home)
    config = load_config(None, SMALL | settings)
    job = Job(workspace, "odd", config, workspace.tracking_uri, datetime(2026, 1, 1, tzinfo=UTC))
    return train(job, prepare(job, ingest(job, Source(inputs=(log,)))))


def assert_sound(run: TrainedRun) -> None:
    """Every vector of the towers to be registered is finite, and items are told apart."""
    items = run.towers(run.registered).item_vectors()
    assert np.isfinite(items).all()
    assert len(np.unique(items, axis=0)) > 1


def drawn(users: int, items: int, count: int, start: int = 0, name: str = "u") -> list[Row]:
    """Draw interactions, one a second."""
    rng = np.random.default_rng(0)
    return [(f"{name}{rng.integers(users)}", f"i{rng.integers(items)}", 1, start + second) for second in range(count)]


@pytest.mark.parametrize("settings", [{"method": "spectral"}, {"method": "hybrid"}, {"budget": "30s"}], ids=str)
def test_more_dimensions_than_the_log_has_are_zero_or_trained(tiny_log, tmp_path, settings):
    run = trained(tiny_log, tmp_path, **{"budget": "0s", "embedding_dim": 200, **settings})
    assert_sound(run)
    spec, training = run.towers("train").spec, run.training("train")
    assert spec.n_items < spec.embedding_dim
    assert training["best_validation"] > 0
    if training["method"] == "spectral":
        assert not run.towers("train").tables["item"][:, spec.n_items : 200].any()


def test_more_dimensions_than_anyone_can_want_are_refused():
    with pytest.raises(ConfigError, match=r"'train\.embedding_dim' is 5000: .* 4096"):
        load_config(None, {"embedding_dim": 5000})


def test_a_budget_too_small_for_anything_still_gives_towers(tiny_log, tmp_path):
    run = trained(tiny_log, tmp_path, budget="0.001s", embedding_dim=None)
    assert_sound(run)
    assert run.training("train")["method"] == "spectral"
    assert len(run.choice().trials) == 3
    assert any("left out" in sentence for sentence in run.choice().told)


def test_weights_that_are_no_numbers_are_quarantined(tmp_path):
    values = ["nan", "inf", "-inf", "1", "2"]
    rows = [(*row[:2], values[number % 5], row[3]) for number, row in enumerate(drawn(50, 40, 1500))]
    run = trained(write_log(tmp_path, rows), tmp_path, weighting="value", budget="5s", repeats="all")
    assert_sound(run)
    assert run.prepared.snapshot.counts.reasons["quarantined"] == {"non_finite_value": 900}


def test_histories_of_one_item_are_refused_with_what_to_do(tmp_path):
    log = write_log(tmp_path, [(f"u{row[3]}", *row[1:]) for row in drawn(1, 20, 300)])
    with pytest.raises(InputError, match=r"No history can be cut .* longer time range .* --method spectral"):
        trained(log, tmp_path)
    assert_sound(trained(log, tmp_path, method="spectral"))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_user_with_a_hundred_thousand_interactions(tmp_path, ordered):
    rows = [("endless", f"i{number % 3000}", 1, number) for number in range(100_000)] + drawn(100, 3000, 1000)
    log = write_log(tmp_path, rows if ordered else [row[:3] for row in rows])
    run = trained(log, tmp_path, budget="1s", repeats="all", method="hybrid")
    assert run.prepared.ordered == ordered
    assert run.prepared.pairs("train").histories.lengths.max() > 60_000
    assert_sound(run)


@pytest.mark.parametrize("method", ["auto", "spectral", "gradient", "hybrid"])
def test_where_nobody_in_the_validation_part_can_be_asked_settings_are_as_given(tmp_path, method):
    log = write_log(tmp_path, drawn(30, 20, 400) + drawn(50, 20, 100, start=1000, name="new"))
    run = trained(log, tmp_path, method=method, repeats="all")
    assert_sound(run)
    assert run.choice().told == ["Nobody in the validation part can be asked, so settings are as given."]
    training = run.training("train")
    assert training["best_validation"] is None
    assert training["prior"]["strength"] == 0
    assert training["best_epoch"] == (0 if method == "spectral" else 2)
