"""Parquet: a file, or the files of a folder; `key=value` folders of the path (Hive partitions) are columns too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_cl.config import IngestConfig
from recsys_cl.errors import InputError
from recsys_cl.interactions.batches import Batch, Layout, Wanted, none_unreadable

_SUFFIXES = (".parquet", ".pq")


def likeness(head: bytes, name: str) -> int:
    """Tell how much a file looks like Parquet."""
    return 4 if head.startswith(b"PAR1") or name.lower().endswith(_SUFFIXES) else 0


def layout(path: Path, config: IngestConfig) -> Layout:  # noqa: ARG001 - one signature
    """Read the schema.

    Raises:
        InputError: the file is damaged, or has no rows.
    """
    with _opened(path) as file:
        if not file.metadata.num_rows:
            raise InputError(
                f"{path} has columns ({', '.join(file.schema_arrow.names)}) and no rows. Give one with rows."
            )
        first = next(file.iter_batches(batch_size=1000))
        sample = _as_polars(first)
    inside = {key: value for key, value in folder_values(path).items() if key not in sample.columns}
    sample = sample.with_columns(pl.lit(value).alias(key) for key, value in inside.items())
    return Layout(tuple(sample.columns), sample, folder_values=inside)


def read(path: Path, layout: Layout, wanted: Wanted) -> Iterator[Batch]:
    """Read the rows, numbered from 1."""
    own = [column for column in dict.fromkeys(wanted.columns.values()) if column not in layout.folder_values]
    row, size = 1, path.stat().st_size
    with _opened(path) as file:
        total = max(1, file.metadata.num_rows)
        for records in file.iter_batches(batch_size=wanted.batch_rows, columns=own):
            frame = _as_polars(records).with_columns(pl.lit(v).alias(k) for k, v in layout.folder_values.items())
            rows = pl.int_range(row, row + records.num_rows, eager=True).alias("row")
            picked = frame.select(pl.col(column).alias(role) for role, column in wanted.columns.items())
            row += records.num_rows
            yield Batch(picked.with_columns(rows), none_unreadable(), size * records.num_rows // total)


def folder_values(path: Path) -> dict[str, str]:
    """Return the `key=value` parts of a path."""
    return dict(part.split("=", 1) for part in path.parts[:-1] if part.count("=") == 1)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} is damaged or not Parquet ({str(error).splitlines()[0][:200]}). Fetch or write it again."
        ) from error


def _as_polars(records: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(pa.Table.from_batches([records]))
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("a record batch gives a frame")
    return frame
