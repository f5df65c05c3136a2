"""Where a log comes from: files, folders of files, or a frame held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from recsys_cl.config import IngestConfig
from recsys_cl.errors import InputError, nearest
from recsys_cl.families import member, members
from recsys_cl.files import sha256
from recsys_cl.interactions.batches import Batch, Layout, Wanted, none_unreadable
from recsys_cl.interactions.lines import read_head

if TYPE_CHECKING:
    import pandas as pd

_READERS = "recsys_cl.interactions.readers"


class Source(Protocol):
    """Something rows can be read from."""

    @property
    def name(self) -> str:
        """What people call it: its path."""

    @property
    def format(self) -> str:
        """Name of its reader."""

    @property
    def size(self) -> int:
        """Bytes to be read."""

    def digest(self) -> str:
        """Return the SHA-256 of the bytes it holds."""

    def layout(self, config: IngestConfig) -> Layout:
        """Tell how it is laid out."""

    def read(self, layout: Layout, wanted: Wanted) -> Iterator[Batch]:
        """Give its rows."""


@dataclass
class FileSource:
    """A file, with the reader that fits it."""

    path: Path
    given_format: str | None = None

    @property
    def name(self) -> str:
        """Path of the file."""
        return str(self.path)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    @property
    def format(self) -> str:
        """Name of the reader."""
        return self.reader.__name__.rpartition(".")[2]

    @cached_property
    def reader(self) -> ModuleType:
        """The reader: the one that was named, or the one whose format the file looks most like."""
        return member(_READERS, self.given_format) if self.given_format else _recognised(self.path)

    def digest(self) -> str:
        """Return the SHA-256 of the file."""
        try:
            return sha256(self.path)
        except PermissionError as error:
            raise InputError(f"{self.path} may not be read. Change its permissions, or copy it.") from error

    def layout(self, config: IngestConfig) -> Layout:
        """Tell how the file is laid out."""
        layout: Layout = self.reader.layout(self.path, config)
        return layout

    def read(self, layout: Layout, wanted: Wanted) -> Iterator[Batch]:
        """Give the rows of the file."""
        batches: Iterator[Batch] = self.reader.read(self.path, layout, wanted)
        return batches


@dataclass
class FrameSource:
    """A polars frame; rows count from 1."""

    frame: pl.DataFrame
    name: str = "a frame in memory"
    format: str = "frame"

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return int(self.frame.estimated_size())

    def digest(self) -> str:
        """Return the SHA-256 of the columns' names, types and values."""
        digest = hashlib.sha256(repr(self.frame.schema).encode())
        for part in self.frame.iter_slices(1 << 20):
            oldest = pl.CompatLevel.oldest()
            digest.update(part.rechunk().write_ipc(None, compression="uncompressed", compat_level=oldest).getbuffer())
        return digest.hexdigest()

    def layout(self, config: IngestConfig) -> Layout:  # noqa: ARG002 - one signature
        """Tell the columns of the frame."""
        if self.frame.is_empty():
            raise InputError(f"The frame has no rows (columns: {', '.join(self.frame.columns)}). Give one with rows.")
        return Layout(tuple(self.frame.columns), self.frame.head(1000))

    def read(self, layout: Layout, wanted: Wanted) -> Iterator[Batch]:  # noqa: ARG002 - one signature
        """Give the rows of the frame."""
        row = 1
        for part in self.frame.iter_slices(wanted.batch_rows):
            picked = part.select(pl.col(column).alias(role) for role, column in wanted.columns.items())
            rows = pl.int_range(row, row + part.height, eager=True).alias("row")
            row += part.height
            yield Batch(picked.with_columns(rows), none_unreadable(), int(part.estimated_size()))


def sources_of(given: Path | Sequence[Path] | pl.DataFrame | pd.DataFrame, config: IngestConfig) -> list[Source]:
    """Return what there is to read, folders opened and their files sorted by name.

    Raises:
        InputError: a path does not exist, or a folder has no files.
    """
    if isinstance(given, (str, Path)):
        given = [Path(given)]
    if isinstance(given, Sequence):
        paths = [file for path in given for file in _files(Path(path))]
        if not paths:
            raise InputError("No input file was named. Give at least one with --input.")
        return [FileSource(path, config.format) for path in paths]
    return [FrameSource(_as_polars(given))]


def _files(path: Path) -> list[Path]:
    if not path.exists():
        beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        advice = nearest(path.name, beside) if len(beside) in range(1, 50) else ""
        raise InputError(f"There is no file {path}.{advice} Check the path given.")
    if path.is_file():
        return [path]
    found = [file for file in sorted(path.rglob("*")) if file.is_file() and not _hidden(file, path)]
    filled = [file for file in found if file.stat().st_size]
    if not filled:
        what = f"{len(found)} empty files" if found else "no files"
        raise InputError(f"The folder {path} holds {what}. Give a folder with the files of a log.")
    return filled


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)


def _recognised(path: Path) -> ModuleType:
    head = read_head(path)
    readers = [member(_READERS, name) for name in members(_READERS)]
    likeness = {reader: reader.likeness(head, path.name) for reader in readers}
    best = max(readers, key=lambda reader: likeness[reader])
    if not likeness[best]:
        raise InputError(
            f"{path}, row 1: this looks like none of the formats that can be read ({', '.join(members(_READERS))}); "
            f"it starts with {head[:24]!r}. Name the format with --format, and the separator with --delimiter."
        )
    return best


def _as_polars(frame: Any) -> pl.DataFrame:  # noqa: ANN401 - a pandas frame, where pandas may be absent
    if isinstance(frame, pl.DataFrame):
        return frame
    plain = frame.reset_index(drop=True)
    plain.columns = [str(column) for column in plain.columns]
    for column in plain.columns:
        if plain[column].dtype == object:  # may hold text and numbers side by side
            plain[column] = plain[column].map(str, na_action="ignore")
    return pl.from_pandas(plain, nan_to_null=False)
