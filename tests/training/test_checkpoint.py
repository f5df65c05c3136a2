"""Checkpoints: a training that was killed gives what it would have given; another's is left alone; damage is found."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from closed_form import solve_towers
from planted_log import USERS, recall_of_group
from rich.console import Console

from recsys_cl.config import SpectralConfig
from recsys_cl.errors import IntegrityError
from recsys_cl.progress import Reporter
from recsys_cl.settings import Method
from recsys_cl.training import checkpoint, loop
from recsys_cl.training.learner import Learner
from recsys_cl.training.loop import train


class Killed(BaseException):
    """Stands for a process that ends without a word."""


def run(pairs, config, **options):
    return train(pairs, USERS, config, **{"ordered": False, "seed": 0, "device": "cpu", **options})


def outcome(trained):
    curve = [{**record, "pairs_per_second": None} for record in trained.curve]
    return curve, trained.best_epoch, trained.best_validation, trained.stopped_early


def assert_same(left, right):
    assert outcome(left) == outcome(right)
    for name, tensor in left.towers.state().items():
        assert torch.equal(tensor, right.towers.state()[name])


def kill_after(monkeypatch, steps):
    honest, left = Learner.step, iter(range(steps))

    def step(learner, batch, rate):
        if next(left, None) is None:
            raise Killed
        return honest(learner, batch, rate)

    monkeypatch.setattr(Learner, "step", step)


@pytest.mark.parametrize("steps", [0, 3, 8, 21, 40])
@pytest.mark.parametrize(
    "changes", [{}, {"tempering": Method(name="learned"), "schedule": "constant", "id_dropout": 0.3}]
)
def test_killed_at_any_step_it_ends_the_same(planted, small, tmp_path, monkeypatch, steps, changes):
    config = small.model_copy(update={"checkpoint_seconds": 1e-9, "patience": 10, **changes})

    def validate(towers):
        return recall_of_group(towers, planted)

    whole = run(planted, config, validate=validate)
    with monkeypatch.context() as patch:
        kill_after(patch, steps)
        with pytest.raises(Killed):
            run(planted, config, validate=validate, checkpoints=tmp_path / "ck")
    resumed = run(planted, config, validate=validate, checkpoints=tmp_path / "ck")
    assert resumed.resumed == (steps > 0)
    assert_same(resumed, whole)


@pytest.mark.parametrize("steps", [3, 12])
@pytest.mark.parametrize("ordered", [True, False])
def test_killed_between_cuts_it_ends_the_same(planted, small_cuts, tmp_path, monkeypatch, steps, ordered):
    config = small_cuts.model_copy(update={"checkpoint_seconds": 1e-9})
    start = solve_towers(
        planted.histories, SpectralConfig(), dim=8, history_length=100, ordered=ordered, seed=0, device="cpu"
    )
    lists = np.random.default_rng(0).integers(-1, 40, size=(USERS, 3), dtype=np.int32)
    options = {"ordered": ordered, "start": start, "lists": lists}
    whole = run(planted, config, **options)
    with monkeypatch.context() as patch:
        kill_after(patch, steps)
        with pytest.raises(Killed):
            run(planted, config, checkpoints=tmp_path / "ck", **options)
    resumed = run(planted, config, checkpoints=tmp_path / "ck", **options)
    assert resumed.resumed
    assert_same(resumed, whole)


def test_killed_between_best_and_last_it_ends_the_same(planted, small, tmp_path, monkeypatch):
    config = small.model_copy(update={"checkpoint_seconds": 1e-9})
    figures = {1: 0.1, 2: 0.3, 3: 0.4, 4: 0.2, 5: 0.5, 6: 0.1}

    def validate_with(start):
        epochs = iter(range(start, 7))
        return lambda _: figures[next(epochs)]

    whole = run(planted, config, validate=validate_with(1))
    honest = loop.Checkpoints.save

    def save(kept, learner, standing):
        if (standing.epoch, standing.step) == (4, 0):  # the third epoch was the best
            raise Killed
        honest(kept, learner, standing)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Checkpoints, "save", save)
        with pytest.raises(Killed):
            run(planted, config, validate=validate_with(1), checkpoints=tmp_path / "ck")
    assert_same(run(planted, config, validate=validate_with(3), checkpoints=tmp_path / "ck"), whole)


SCRIPT = """
import sys
from pathlib import Path
from recsys_cl.config import TrainConfig
from recsys_cl.pairs.pair_set import open_pairs
from recsys_cl.training.loop import train
folder = Path(sys.argv[1])
train(open_pairs(folder / "pairs"), 80, TrainConfig.model_validate_json(sys.argv[2]), ordered=False, seed=0,
      device="cpu", checkpoints=folder / "ck")
"""


def test_after_kill_9_it_ends_the_same(planted, small, tmp_path):
    config = small.model_copy(update={"checkpoint_seconds": 1e-9, "epochs": 60})
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), config.model_dump_json()])
    last, deadline = tmp_path / "ck" / "last", time.monotonic() + 60
    while not last.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    config = config.model_copy(update={"checkpoint_seconds": 1e9})  # how often is saved changes no result
    resumed = run(planted, config, checkpoints=tmp_path / "ck")
    assert resumed.resumed
    assert_same(resumed, run(planted, config))


def test_what_is_saved_seldom_goes_on_from_further_back(planted, small, tmp_path, monkeypatch):
    config = small.model_copy(update={"checkpoint_seconds": 5.0})
    seconds = iter(range(10**6))  # a second passes whenever the clock is looked at
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    saved, honest = [], loop.Checkpoints.save

    def save(kept, learner, standing):
        saved.append((standing.epoch, standing.step))
        honest(kept, learner, standing)

    monkeypatch.setattr(loop.Checkpoints, "save", save)
    whole = run(planted, config, checkpoints=tmp_path / "other")
    steps = len(saved)
    with monkeypatch.context() as patch:
        kill_after(patch, 17)
        with pytest.raises(Killed):
            run(planted, config, checkpoints=tmp_path / "ck")
    assert 0 < len(saved) - steps < 17
    resumed = run(planted, config, checkpoints=tmp_path / "ck")
    assert resumed.resumed
    assert_same(resumed, whole)


def test_a_finished_training_is_not_run_again(planted, small, tmp_path, monkeypatch):
    first = run(planted, small, checkpoints=tmp_path / "ck")
    kill_after(monkeypatch, 0)
    again = run(planted, small, checkpoints=tmp_path / "ck")
    assert again.resumed
    assert_same(first, again)


def test_only_last_and_best_are_kept(planted, small, tmp_path):
    run(planted, small, checkpoints=tmp_path / "ck")
    assert sorted(path.name for path in (tmp_path / "ck").iterdir()) == ["best-00006", "last"]


@pytest.mark.parametrize("options", [{"seed": 1}, {"epochs": 2}, {"validate": lambda _: 0.0}, {"ordered": True}])
def test_a_checkpoint_of_another_training_is_said_to_be_and_replaced(planted, small, tmp_path, options):
    run(planted, small, checkpoints=tmp_path / "ck")
    told = io.StringIO()
    reporter = Reporter(quiet=False, console=Console(file=told, width=1000))
    trained = run(planted, small, checkpoints=tmp_path / "ck", reporter=reporter, **options)
    assert not trained.resumed
    assert "other data or settings" in told.getvalue()
    assert_same(trained, run(planted, small, **options))


@pytest.mark.parametrize("name", ["learner.safetensors", "towers.safetensors", "towers.json"])
def test_a_damaged_checkpoint_is_refused_with_the_remedy(planted, small, tmp_path, name):
    run(planted, small, checkpoints=tmp_path / "ck", epochs=1)
    path = tmp_path / "ck" / "last" / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=rf"{name}.*remove"):
        run(planted, small, checkpoints=tmp_path / "ck", epochs=1)


def test_a_checkpoint_from_another_start_is_replaced(planted, small_cuts, tmp_path):
    first = solve_towers(
        planted.histories, SpectralConfig(), dim=8, history_length=100, ordered=False, seed=0, device="cpu"
    )
    run(planted, small_cuts, checkpoints=tmp_path / "ck", start=first)
    assert run(planted, small_cuts, checkpoints=tmp_path / "ck", start=first).resumed
    first.tables["item"][0] += 1
    assert not run(planted, small_cuts, checkpoints=tmp_path / "ck", start=first).resumed
    assert not run(planted, small_cuts, checkpoints=tmp_path / "ck").resumed
