"""Tables of candidates written a piece at a time: Parquet, CSV or JSON Lines by the file's suffix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from recsys_cl.errors import ConfigError
from recsys_cl.retrieval.recommendations import Recommendations

Append = Callable[[Recommendations], None]


def table_writer(path: Path, suffix: str, nobody: Recommendations, version: str) -> AbstractContextManager[Append]:
    """Open ``path`` for recommendations.

    Args:
        path: the file to write.
        suffix: its format, as `checked_suffix` gives it.
        nobody: recommendations without a user; they tell the types of the ids.
        version: of the model, for the column `version`.
    """
    return _WRITERS[suffix](path, nobody, version)


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
def _parquet(path: Path, nobody: Recommendations, version: str) -> Iterator[Append]:
    schema = nobody.arrow(version).schema
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=[name for name in schema.names if name != "score"],
        write_statistics=["user_id"],  # by which a reader finds a user; more would cost more than the rest of writing
        store_schema=False,  # readers see plain columns
    ) as writer:
        yield lambda batch: writer.write_table(batch.arrow(version))


@contextmanager
def _csv(path: Path, nobody: Recommendations, version: str) -> Iterator[Append]:
    with path.open("wb") as stream:
        _told(nobody, version).write_csv(stream)
        yield lambda batch: _told(batch, version).write_csv(stream, include_header=False)


@contextmanager
def _json_lines(path: Path, nobody: Recommendations, version: str) -> Iterator[Append]:  # noqa: ARG001 - one signature
    with path.open("wb") as stream:
        yield lambda batch: _told(batch, version).write_ndjson(stream)


def _told(batch: Recommendations, version: str) -> pl.DataFrame:
    return batch.frame().with_columns(version=pl.lit(version))


_WRITERS: dict[str, Callable[[Path, Recommendations, str], AbstractContextManager[Append]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _json_lines,
}
