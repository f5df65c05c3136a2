"""Ingest with a fixed clock, as the tests of reading do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recsys_cl.config import IngestConfig
from recsys_cl.interactions.snapshot import Snapshot, ingest

NOW = datetime(2026, 1, 1, tzinfo=UTC)

Ingest = Callable[..., Snapshot]


def ingested(source: Any, home: Path, *, name: str = "log", now: datetime = NOW, **options: Any) -> Snapshot:
    """Ingest with settings and arguments of `ingest` side by side."""
    settings = {key: value for key, value in options.items() if key in IngestConfig.model_fields}
    others = {key: value for key, value in options.items() if key not in settings}
    snapshot = ingest(source, home / "snapshots", name, IngestConfig.of(settings), now=now, **others)
    counts = snapshot.counts
    assert counts.read == counts.kept + counts.filtered + counts.quarantined
    assert counts.filtered == sum(counts.reasons["filtered"].values())
    assert counts.quarantined == sum(counts.reasons["quarantined"].values())
    return snapshot
