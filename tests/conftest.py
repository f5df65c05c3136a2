"""What all tests share."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings
from tiny_run import TINY

Command = Callable[..., Result]

# A shared machine may be slow at any moment; that is no finding. Continuous integration tries the same examples every
# time, so that it tells of the change and not of luck; elsewhere new ones are drawn.
settings.register_profile("ours", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ours")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the flows last.

    The client of their Prefect server lives on in a thread and draws from `random` for its pings. Hypothesis, which
    watches that no strategy does so, would now and then blame a later test.
    """
    items.sort(key=lambda item: item.path.parent.name == "flows")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the optional folder of real logs; skip the test where there is none."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RECSYS_CL_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real logs at {folder}; set RECSYS_CL_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of an empty MLflow store, made once: to lay one out takes seconds."""
    from recsys_cl.registry.store import Store

    home = tmp_path_factory.mktemp("template")
    with Store(f"sqlite:///{home / 'mlflow.db'}", home / "artifacts")._opened() as (_, client):
        client.search_registered_models()
    return home / "mlflow.db"


@pytest.fixture(scope="session")
def tiny_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic log of 80 users and 60 items."""
    from recsys_cl.interactions.sample import write_sample

    path = tmp_path_factory.mktemp("logs") / "tiny.csv"
    write_sample(path, users=80, items=60, interactions=2500)
    return path


@pytest.fixture(scope="session")
def new_home(laid_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes workspaces with an empty MLflow store."""

    def make() -> Path:
        home = tmp_path_factory.mktemp("home")
        (home / "mlflow").mkdir()
        shutil.copy(laid_out, home / "mlflow")
        return home

    return make


@pytest.fixture
def home(new_home: Callable[[], Path]) -> Path:
    """A workspace with an empty MLflow store."""
    return new_home()


@pytest.fixture(scope="session")
def recsys() -> Command:
    """Runs a command line in this process."""

    def run(*arguments: object) -> Result:
        from recsys_cl.cli import main

        outside = {"RECSYS_CL_HOME": None, "MLFLOW_TRACKING_URI": None}
        return CliRunner(env=outside).invoke(main, [str(argument) for argument in arguments])

    return run


@pytest.fixture(scope="session")
def finished(new_home: Callable[[], Path], tiny_log: Path, recsys: Command) -> tuple[Path, dict[str, Any]]:
    """A workspace in which `run` has ended, to be read only, and its result."""
    home = new_home()
    done = recsys("run", "--home", home, "--input", tiny_log, "--json", *TINY)
    assert done.exit_code == 0, done.stderr
    return home, json.loads(done.stdout)
