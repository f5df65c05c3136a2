"""Tables written a piece at a time: Parquet, CSV or JSON Lines by the file's suffix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow.parquet as pq

from recsys_cl.errors import ConfigError

Append = Callable[[pl.DataFrame], None]


def table_writer(path: Path, suffix: str, schema: pl.DataFrame) -> AbstractContextManager[Append]:
    """Open ``path`` for frames of one schema.

    Args:
        path: the file to write.
        suffix: ".parquet", ".csv" or ".jsonl": its format.
        schema: an empty frame with the columns to come.

    """
    return _WRITERS[suffix](path, schema)


def checked_suffix(path: Path) -> str:
    """Return the suffix of a table's name, if it is one that can be written.

    Raises:
        ConfigError: it is not.
    """
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise ConfigError(f"{path} cannot be written; end its name in {', '.join(_WRITERS)}.")
    return suffix


@contextmanager
def _parquet(path: Path, schema: pl.DataFrame) -> Iterator[Append]:
    compat = pl.CompatLevel.oldest()  # plain strings, which every reader knows
    with pq.ParquetWriter(path, schema.to_arrow(compat_level=compat).schema, compression="zstd") as writer:
        yield lambda frame: writer.write_table(frame.to_arrow(compat_level=compat))


@contextmanager
def _csv(path: Path, schema: pl.DataFrame) -> Iterator[Append]:
    with path.open("wb") as stream:
        schema.write_csv(stream)
        yield lambda frame: frame.write_csv(stream, include_header=False)


@contextmanager
def _json_lines(path: Path, schema: pl.DataFrame) -> Iterator[Append]:  # noqa: ARG001 - one signature
    stream: BinaryIO
    with path.open("wb") as stream:
        yield lambda frame: frame.write_ndjson(stream)


_WRITERS: dict[str, Callable[[Path, pl.DataFrame], AbstractContextManager[Append]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _json_lines,
}
