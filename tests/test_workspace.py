"""Where everything is kept, and who may write there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.errors import BusyError, ConfigError
from recsys_cl.workspace import Workspace, checked_name


def test_everything_lies_below_home(tmp_path):
    workspace = Workspace.at(tmp_path)
    places = [
        *(workspace.snapshots, workspace.downloads, workspace.mlflow, workspace.artifacts),
        *(workspace.pairs("log", "a" * 64), workspace.run("log", "a" * 64), workspace.candidates("log")),
    ]
    assert all(tmp_path in place.parents for place in places)
    assert len(set(places)) == len(places)
    assert workspace.tracking_uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"


def test_the_default_is_the_checkout():
    assert Workspace.at(None).home == Path(__file__).resolve().parents[1]


def test_a_relative_home_does_not_move_with_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workspace = Workspace.at(Path("here"))
    monkeypatch.chdir("/")
    assert workspace.home == tmp_path / "here"


def test_one_at_a_time_and_a_dead_holder_holds_nothing(tmp_path):
    workspace = Workspace.at(tmp_path)
    code = (
        "import os, signal, sys; from pathlib import Path; from recsys_cl.workspace import Workspace\n"
        "with Workspace.at(Path(sys.argv[1])).held():\n"
        "    Path(sys.argv[1], 'data', '.half.0123abcd.partial').touch()\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match="--home"), workspace.held():
            pass
        other.kill()
    with workspace.held():
        assert not list((tmp_path / "data").glob("*.partial"))
    with workspace.held():
        pass


def test_the_only_name_is_taken_for_granted(tmp_path):
    workspace = Workspace.at(tmp_path)
    with pytest.raises(ConfigError, match="Nothing has been ingested"):
        workspace.only_name()
    (workspace.snapshots / "one").mkdir(parents=True)
    assert workspace.only_name() == "one"
    (workspace.snapshots / "two").mkdir()
    with pytest.raises(ConfigError, match="one, two"):
        workspace.only_name()


@given(name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True))
def test_a_good_name_passes(name):
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "-x", "a/b", "..", "a b", "ü", "a" * 65, "a\n", "a@b"])
def test_a_bad_name_is_refused(name):
    with pytest.raises(ConfigError, match="letters, digits"):
        checked_name(name)
