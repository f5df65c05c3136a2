"""A store that is made once; MLflow takes seconds to lay out a new database."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from toy_bundle import ORIGIN, random_bundle

from recsys_cl.registry.store import Record, Store
from recsys_cl.retrieval.bundle import write_bundle


def store_in(home: Path) -> Store:
    return Store(f"sqlite:///{home / 'mlflow.db'}", home / "artifacts")


@pytest.fixture
def store(laid_out: Path, tmp_path: Path) -> Store:
    """An empty store."""
    home = tmp_path / "store"
    home.mkdir()
    shutil.copy(laid_out, home)
    return store_in(home)


@pytest.fixture(scope="session")
def four_versions(laid_out: Path, bundle_of: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a store with four versions of "toy", none of them champion."""
    home = tmp_path_factory.mktemp("four")
    shutil.copy(laid_out, home)
    for seed in range(4):
        store_in(home).register(bundle_of(seed), "toy", Record())
    return home / "mlflow.db"


@pytest.fixture
def filled(four_versions: Path, tmp_path: Path) -> Store:
    """A store with four versions of "toy"."""
    home = tmp_path / "filled"
    home.mkdir()
    shutil.copy(four_versions, home)
    return store_in(home)


@pytest.fixture(scope="session")
def bundle_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Gives the folder of a bundle for each seed."""
    made: dict[int, Path] = {}

    def give(seed: int) -> Path:
        if seed not in made:
            made[seed] = tmp_path_factory.mktemp("bundles") / f"toy{seed}"
            per_user = pl.DataFrame({"user_id": ["10"], "recall_at_20": [0.5]})
            write_bundle(made[seed], random_bundle(seed=seed), ORIGIN, per_user=per_user)
        return made[seed]

    return give
