"""A Prefect server of the tests' own, and one trained toy that they share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_HOME, PREFECT_LOCAL_STORAGE_PATH, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from flows.plan import Plan
from flows.retrain import retrain
from recsys_cl.interactions.sample import write_sample


@pytest.fixture(scope="session", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run flows against a server and a result storage that vanish afterwards."""
    home = tmp_path_factory.mktemp("prefect")
    kept = {PREFECT_HOME: home, PREFECT_LOCAL_STORAGE_PATH: home / "storage"}
    with (
        pytest.MonkeyPatch.context() as patch,
        temporary_settings(updates=kept),
        prefect_test_harness(server_startup_timeout=120),
    ):
        for variable in ("RECSYS_CL_HOME", "RECSYS_CL_SHARED_DATA", "MLFLOW_TRACKING_URI"):
            patch.delenv(variable, raising=False)
        yield


@dataclass(frozen=True)
class Toy:
    plan: Plan
    outcome: dict[str, Any]
    run_id: Any


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    write_sample(path, users=150, items=60, interactions=3000, seed=1)
    return path


@pytest.fixture(scope="session")
def toy(log: Path, tmp_path_factory: pytest.TempPathFactory, server: None) -> Toy:
    """A workspace in which the flow has trained once."""
    settings = {"train": {"epochs": 3, "batch_size": 256}, "evaluate": {"ks": [5, 20], "baselines": ["popularity"]}}
    plan = Plan(name="Toy_log", inputs=(log,), home=tmp_path_factory.mktemp("home"), settings=settings)
    state = retrain(plan, return_state=True)
    return Toy(plan, state.result(), state.state_details.flow_run_id)
