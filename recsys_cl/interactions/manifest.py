"""What a snapshot says of itself, to people and to programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from recsys_cl import __version__
from recsys_cl.config import IngestConfig
from recsys_cl.interactions.ingestion import Outcome
from recsys_cl.interactions.opened import Input, Opened
from recsys_cl.interactions.schema import COLUMNS, Ordering

_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}


@dataclass(frozen=True)
class Request:
    """What was asked of an ingest.

    Attributes:
        digest: SHA-256 of the inputs' bytes and the settings.
        inputs: sources that are new.
        parent: manifest of the snapshot they are added to, and its ``folder``.
        items: file of items.
        described: a few words on where the log comes from.
        now: the present.
    """

    digest: str
    inputs: list[Input]
    parent: dict[str, Any] | None
    items: Path | None
    described: str | None
    now: datetime


def manifest_of(
    request: Request, opened: Sequence[Opened], ordering: Ordering, outcome: Outcome, config: IngestConfig
) -> dict[str, Any]:
    """Return the manifest, JSON-ready, but for notes and files."""
    written, parent = outcome.written, request.parent
    quarantined, filtered = outcome.quarantined, outcome.filtered
    return {
        "digest": request.digest,
        "content_digest": written.content,
        "parent": parent["digest"] if parent else None,
        "lineage": [*(parent["lineage"] if parent else []), *(one.digest for one in request.inputs)],
        "source": request.described or _in_words(request, parent),
        "sources": [_source(one) for one in opened],
        "created": request.now.isoformat(),
        "package_version": __version__,
        "counts": {
            "read": outcome.read,
            "kept": written.rows,
            "filtered": filtered.total(),
            "quarantined": quarantined.total(),
            "reasons": {"filtered": dict(filtered.most_common()), "quarantined": dict(quarantined.most_common())},
            "from_parent": outcome.from_parent,
        },
        "users": len(outcome.users.texts),
        "items": len(outcome.items.texts),
        "id_kinds": {"user": outcome.users.kind, "item": outcome.items.kind},
        "ordering": ordering,
        "time_range": [written.first, written.last] if written.first else None,
        "next_position": outcome.next_position,
        "schema": {name: str(dtype) for name, dtype in COLUMNS.items()},
        "config": config.model_dump(mode="json"),
    }


def told(opened: Opened) -> str:
    """Say how a source was understood."""
    columns, layout = opened.columns, opened.layout
    facts = [opened.source.format]
    if layout.delimiter not in (None, "::", " ") or (layout.delimiter == " " and layout.named):
        facts.append(f"delimiter {layout.delimiter!r}")
    if not layout.named and layout.delimiter:
        facts.append("no header")
    if layout.encoding != "utf-8":
        facts.append(layout.encoding)
    roles = ", ".join(f"{role} = {_shown(column, named=layout.named)}" for role, column in columns.by_role.items())
    unit = f" ({_UNITS.get(columns.time_unit, columns.time_unit)})" if columns.time_unit else ""
    return f"{opened.source.name}: {', '.join(facts)}; {roles}{unit}".replace("[", r"\[")


def assumptions(opened: Sequence[Opened], ordering: Ordering, config: IngestConfig) -> list[str]:
    """Say what was taken for granted and could be otherwise."""
    notes = []
    if ordering == "order" and config.ordered is None:
        notes.append("There are no times: each user's rows are taken to be in order of time; say --no-ordered if not.")
    if ordering == "none" and config.ordered is None and not any(one.test for one in opened):
        notes.append(
            "There are no times: rows are taken to be in no order; say --ordered if they are in order of time."
        )
    forms = opened[0].columns.time_forms
    if opened[0].columns.time_unit == "iso" and forms[0].startswith(("%m/", "%d/")):
        notes.append(f"Dates are read as {'month/day' if forms[0].startswith('%m') else 'day/month'}/year.")
    return notes


def _shown(column: str, *, named: bool) -> str:
    return repr(column) if named else f"column {column}"


def _in_words(request: Request, parent: dict[str, Any] | None) -> str:
    names = [Path(one.source.name).name for one in request.inputs]
    words = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    return f"{parent['source']} + {words}" if parent else words


def _source(opened: Opened) -> dict[str, Any]:
    layout, columns = opened.layout, opened.columns
    return {
        "name": opened.source.name,
        "sha256": opened.digest,
        "bytes": opened.source.size,
        "test": opened.test,
        "format": opened.source.format,
        "delimiter": layout.delimiter,
        "header": layout.named,
        "encoding": layout.encoding,
        "columns": dict(columns.by_role),
        "time_unit": columns.time_unit,
    }
