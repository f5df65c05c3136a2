"""Waiting for one another, and which failures are worth another try."""

from __future__ import annotations

import logging
from contextlib import contextmanager

import pytest
from prefect.states import Failed

from flows import run_log, turn
from flows.plan import Plan
from flows.run_log import RunLog
from flows.tasks import may_pass
from recsys_cl.errors import BusyError, ConfigError, InputError, IntegrityError, RegistryError, StorageError
from recsys_cl.workspace import Workspace


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError("input/output error"),
        TimeoutError("no answer"),
        StorageError("The disk is full."),
        caused(StorageError("The disk is full."), OSError(28, "No space left on device")),
        caused(RegistryError("The store does not answer."), ConnectionRefusedError()),
        caused(RegistryError("The store refused."), RuntimeError("database is locked")),
        caused(InputError("The data set could not be reached."), ConnectionError()),
    ],
    ids=repr,
)
def test_what_may_pass_is_tried_again(error):
    assert may_pass(None, None, Failed(data=error))


@pytest.mark.parametrize(
    "error",
    [
        InputError("The file is empty."),
        ConfigError("Unknown setting."),
        IntegrityError("The checksum differs."),
        BusyError("Another run is working."),
        RegistryError("There is no such model."),
        FileNotFoundError("log.csv"),
        caused(InputError("There is no such file."), FileNotFoundError()),
        caused(StorageError("Not writable."), PermissionError()),
        ValueError("a mistake of ours"),
    ],
    ids=repr,
)
def test_what_stays_is_told_at_once(error):
    assert not may_pass(None, None, Failed(data=error))


@pytest.fixture
def busy(monkeypatch):
    """A workspace that others hold for the first two looks."""
    looks = []

    @contextmanager
    def held(_workspace):
        looks.append("look")
        if len(looks) < 3:
            raise BusyError("Another run is working.")
        yield

    monkeypatch.setattr(Workspace, "held", held)
    monkeypatch.setattr(turn, "_LOOK_AGAIN", 0.01)
    monkeypatch.setattr(turn, "get_run_logger", lambda: logging.getLogger("turn"))
    return looks


def test_a_run_that_may_wait_gets_its_turn(busy, tmp_path):
    with turn.in_turn(Plan(name="toy", home=tmp_path, wait=60)):
        assert len(busy) == 3


def test_a_run_that_may_not_wait_is_refused(busy, tmp_path):
    with pytest.raises(BusyError), turn.in_turn(Plan(name="toy", home=tmp_path)):
        pytest.fail("it had no turn")
    assert len(busy) == 1


def test_a_bad_setting_is_told_before_any_wait(busy, tmp_path):
    plan = Plan(name="toy", home=tmp_path, wait=60, settings={"train": {"epoch": 3}})
    with pytest.raises(ConfigError, match="epochs"), turn.in_turn(plan):
        pytest.fail("it had no turn")
    assert busy == []


def test_the_log_has_plain_lines_and_one_a_minute_from_long_work(monkeypatch, caplog):
    clock = [0.0]
    monkeypatch.setattr(run_log, "get_run_logger", lambda: logging.getLogger("run"))
    monkeypatch.setattr(run_log.time, "monotonic", lambda: clock[0])
    log = RunLog()
    with caplog.at_level(logging.INFO, logger="run"):
        log.say("[dim]50% of [/dim]\\[a, b]")
        with log.bar("reading", 6000) as advance:
            for _ in range(6):
                clock[0] += 25
                advance(1000, "40 rows/s")
    assert caplog.messages == [
        "50% of [a, b]",
        "reading: 3,000 of 6,000, 40 rows/s",
        "reading: 6,000 of 6,000, 40 rows/s",
    ]
