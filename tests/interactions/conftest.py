"""What the tests of reading share."""

from __future__ import annotations

from pathlib import Path

import pytest
from ingesting import Ingest, ingested


@pytest.fixture
def take(tmp_path: Path) -> Ingest:
    """Ingest into a fresh folder, checking that the counts add up."""
    return lambda source, **options: ingested(source, tmp_path, **options)
