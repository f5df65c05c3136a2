"""A small model that all tests of retrieval may read."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from toy_bundle import ORIGIN, random_bundle

from recsys_cl.retrieval.bundle import Bundle, write_bundle
from recsys_cl.retrieval.retriever import Retriever


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return random_bundle()


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Path:
    """A bundle on disk; copy it before changing it."""
    folder = tmp_path_factory.mktemp("bundles") / "toy"
    write_bundle(folder, bundle, ORIGIN, report={"recall_at_20": 0.5}, per_user=pl.DataFrame({"user_id": ["10"]}))
    return folder


@pytest.fixture(scope="session")
def retriever(stored: Path) -> Retriever:
    return Retriever.load(stored)
