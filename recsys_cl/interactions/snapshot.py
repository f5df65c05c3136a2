"""A clean log on disk: whole, verified by checksum, known by the digest of what it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pyarrow.parquet as pq

from recsys_cl.config import IngestConfig
from recsys_cl.errors import InputError, IntegrityError
from recsys_cl.files import digest_of, read_json, sha256, whole_file, whole_folder, write_json
from recsys_cl.interactions.ingestion import Earlier, Ingestion, Outcome
from recsys_cl.interactions.items import read_items
from recsys_cl.interactions.manifest import Request, assumptions, manifest_of, told
from recsys_cl.interactions.opened import Input, open_sources, ordering_of
from recsys_cl.interactions.partitions import load_frame
from recsys_cl.interactions.schema import IdKind, Interactions, Ordering
from recsys_cl.interactions.sources import sources_of
from recsys_cl.progress import SILENT, Reporter

if TYPE_CHECKING:
    import pandas as pd

_RULES = 1  # raised whenever the same files and settings would give another snapshot than before
_MANIFEST = "manifest.json"
_LATEST = "LATEST"
_ITEMS = "items.parquet"


@dataclass(frozen=True)
class Counts:
    """What became of the rows: ``read == kept + filtered + quarantined``, always.

    Attributes:
        read: rows in the new files and, where they were added to a snapshot, in that one.
        kept: interactions in the snapshot.
        filtered: usable rows that the settings leave out.
        quarantined: rows that cannot be used.
        reasons: rows by reason, under "filtered" and "quarantined".
        from_parent: rows that came from the snapshot added to.
    """

    read: int
    kept: int
    filtered: int
    quarantined: int
    reasons: dict[str, dict[str, int]]
    from_parent: int


@dataclass(frozen=True)
class Snapshot:
    """A snapshot on disk.

    Attributes:
        folder: with `interactions/`, `quarantine.parquet`, perhaps `items.parquet`, and `manifest.json`.
        manifest: what it holds and how it came about.
        reused: whether an ingest found it instead of making it.
    """

    folder: Path
    manifest: dict[str, Any]
    reused: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the input's bytes and the settings."""
        return str(self.manifest["digest"])

    @property
    def content_digest(self) -> str:
        """SHA-256 of the interactions kept, whatever format they came in."""
        return str(self.manifest["content_digest"])

    @property
    def counts(self) -> Counts:
        """What became of the rows."""
        return Counts(**self.manifest["counts"])

    @property
    def quarantine(self) -> Path:
        """Parquet file of the rows that cannot be used."""
        return self.folder / "quarantine.parquet"

    def describe(self) -> dict[str, Any]:
        """Return what people and programs want to know of it, JSON-ready."""
        names = ("digest", "content_digest", "parent", "source", "users", "items", "ordering", "time_range", "notes")
        counts = {name: value for name, value in self.manifest["counts"].items() if name != "from_parent"}
        about = {name: self.manifest[name] for name in names}
        return {"rows": counts, "snapshot": {**about, "folder": str(self.folder), "reused": self.reused}}


def ingest(  # noqa: PLR0913 - the whole of a stage
    source: Path | Sequence[Path] | pl.DataFrame | pd.DataFrame,
    snapshots: Path,
    name: str,
    config: IngestConfig,
    *,
    test: Path | None = None,
    items: Path | None = None,
    append: bool = False,
    aside: bool = False,
    described: str | None = None,
    now: datetime,
    reporter: Reporter = SILENT,
) -> Snapshot:
    """Read a log, clean it and keep it as a snapshot; or find that this was done before.

    Args:
        source: file, folder, several of them read as one log, or a frame.
        snapshots: folder of all snapshots; this one becomes ``snapshots/name/<first 16 digits of its digest>``.
        name: of the log.
        config: how to read and clean.
        test: file with the test part of a given split.
        items: file with titles and categories of items.
        append: add the source to the latest snapshot of that name, if there is one; files that are in it already
            are left out.
        aside: let the latest snapshot of that name stay the latest, if there is one.
        described: a few words on where the log comes from, for reports.
        now: the present; later times cannot be.
        reporter: told what was inferred and how far the work is.

    Returns:
        The snapshot, which is now the latest of its name, unless it was put aside.

    Raises:
        InputError: the input cannot be used. Snapshots made before are as they were.
        StorageError: the disk is full or may not be written. Snapshots made before are as they were.
    """
    given = [(one, False) for one in sources_of(source, config)]
    given += [(one, True) for one in sources_of(test, config)] if test is not None else []
    parent = latest(snapshots, name) if append else None
    inputs = [Input(one, one.digest(), is_test) for one, is_test in given]
    fresh = [one for one in inputs if parent is None or one.digest not in parent.manifest["lineage"]]
    if parent is not None and not fresh:
        return replace(parent, reused=True)
    digest = _digest(fresh, config, items, parent)
    folder = snapshots / name / digest[:16]
    found = _found(folder, digest)
    if found is None:
        above = parent.manifest | {"folder": str(parent.folder)} if parent else None
        request = Request(digest, fresh, above, items, described, now)
        found = _make(folder, request, config, parent, reporter)
    pointer = snapshots / name / _LATEST
    if not (aside and pointer.exists()):
        _point(pointer, folder.name)
    return found


def latest(snapshots: Path, name: str) -> Snapshot | None:
    """Return the latest snapshot of ``name``; None if there is none.

    Raises:
        IntegrityError: the snapshot that should be the latest is missing or damaged.
    """
    pointer = snapshots / name / _LATEST
    return open_snapshot(snapshots / name / pointer.read_text().strip()) if pointer.exists() else None


def open_snapshot(folder: Path) -> Snapshot:
    """Open a snapshot; its files are verified when they are loaded.

    Raises:
        IntegrityError: there is no manifest, or it is damaged.
    """
    manifest = read_json(folder / _MANIFEST)
    if not isinstance(manifest, dict) or "files" not in manifest:
        raise IntegrityError(f"{folder / _MANIFEST} is not the manifest of a snapshot. Ingest the log again.")
    return Snapshot(folder, manifest)


def load(snapshot: Snapshot) -> Interactions:
    """Load a snapshot after verifying its files.

    Raises:
        IntegrityError: a file is missing or is not what its checksum says; it is named.
    """
    manifest = snapshot.manifest
    verify(snapshot)
    table = snapshot.folder / _ITEMS
    kinds = manifest["id_kinds"]
    digests = [manifest["content_digest"], manifest["files"].get(_ITEMS, {}).get("sha256")]
    return Interactions(
        frame=load_frame(_partitions(snapshot)),
        ordering=cast("Ordering", manifest["ordering"]),
        user_kind=cast("IdKind", kinds["user"]),
        item_kind=cast("IdKind", kinds["item"]),
        digest=digest_of([*digests, manifest["ordering"]]),
        items=pl.read_parquet(table) if table.exists() else None,
        source=str(manifest["source"]),
    )


def verify(snapshot: Snapshot) -> None:
    """Check every file of a snapshot against its SHA-256.

    Raises:
        IntegrityError: a file is missing or was changed; it is named.
    """
    for name, known in snapshot.manifest["files"].items():
        path = snapshot.folder / name
        if not path.is_file():
            raise IntegrityError(f"{path} is missing. Ingest the log again to restore its snapshot.")
        if sha256(path) != known["sha256"]:
            raise IntegrityError(
                f"{path} is not what was written: its checksum differs. Ingest the log again to restore its snapshot."
            )


def _digest(fresh: list[Input], config: IngestConfig, items: Path | None, parent: Snapshot | None) -> str:
    return digest_of(
        [
            _RULES,
            [(one.digest, one.test) for one in fresh],
            config.model_dump(mode="json", exclude={"batch_rows"}),
            _items_digest(items),
            parent.digest if parent else None,
        ]
    )


def _make(
    folder: Path, request: Request, config: IngestConfig, parent: Snapshot | None, reporter: Reporter
) -> Snapshot:
    beside = {"title_col": None, "category_col": None} if request.items else {}  # those name columns of that file
    opened = open_sources(request.inputs, config.model_copy(update=beside))
    ordering = ordering_of(opened, config)
    earlier = _earlier(parent, ordering) if parent else None
    for line in dict.fromkeys(told(one) for one in opened):
        reporter.say(line)
    with whole_folder(folder) as scratch:
        outcome = Ingestion(scratch, config, ordering, request.now, reporter).run(opened, earlier)
        notes = [
            *assumptions(opened, ordering, config),
            *outcome.notes,
            *_write_items(scratch, outcome, request, config),
        ]
        manifest = manifest_of(request, opened, ordering, outcome, config) | {"notes": notes, "files": _listed(scratch)}
        write_json(scratch / _MANIFEST, manifest)
    for note in notes:
        reporter.say(note)
    return Snapshot(folder, manifest)


def _found(folder: Path, digest: str) -> Snapshot | None:
    """Return the snapshot made before, if it is whole as far as the sizes of its files tell."""
    if not (folder / _MANIFEST).is_file():
        return None
    snapshot = open_snapshot(folder)
    files = snapshot.manifest["files"].items()
    whole = all((folder / name).is_file() and (folder / name).stat().st_size == one["bytes"] for name, one in files)
    return replace(snapshot, reused=True) if whole and snapshot.digest == digest else None


def _earlier(parent: Snapshot, ordering: Ordering) -> Earlier:
    verify(parent)
    if parent.manifest["ordering"] != ordering:
        raise InputError(
            f"The new rows are ordered by {ordering!r}, those of {parent.folder} by {parent.manifest['ordering']!r}. "
            "Add rows with the same columns, or start anew without --append."
        )
    return Earlier(f"snapshot {parent.digest[:16]}", _partitions(parent), int(parent.manifest["next_position"]))


def _write_items(folder: Path, outcome: Outcome, request: Request, config: IngestConfig) -> list[str]:
    """Write what is known of items; return what there is to say about it."""
    table, notes = outcome.seen_items, []
    if request.items is not None:
        table, lost = read_items(request.items, config)
        notes = [f"{lost:,} rows of {request.items} have no item or cannot be read; they are left out."] if lost else []
    if request.parent is not None and (kept := Path(request.parent["folder"]) / _ITEMS).is_file():
        earlier = pl.read_parquet(kept)
        table = earlier if table is None else pl.concat([table, earlier]).unique("item_id", keep="first")
    if table is not None:
        known = table.sort("item_id")
        pq.write_table(known.to_arrow(compat_level=pl.CompatLevel.oldest()), folder / _ITEMS, compression="zstd")
        missing = len(outcome.items.texts) - int(outcome.items.texts.is_in(known["item_id"].implode()).sum())
        notes += [f"{missing:,} items of the log have no title or category."] if missing else []
    return notes


def _items_digest(items: Path | None) -> str | None:
    return digest_of([one.digest() for one in sources_of(items, IngestConfig())]) if items is not None else None


def _partitions(snapshot: Snapshot) -> list[Path]:
    return sorted(snapshot.folder / name for name in snapshot.manifest["files"] if name.startswith("interactions/"))


def _listed(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): {"sha256": sha256(path), "bytes": path.stat().st_size} for path in files
    }


def _point(pointer: Path, name: str) -> None:
    with whole_file(pointer) as scratch:
        scratch.write_text(name + "\n", encoding="utf-8")
