"""Files that list ids: users to serve, items to allow or deny."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from recsys_cl.errors import InputError
from recsys_cl.retrieval.frames import as_text, ids_of

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_ids(path: Path, column: str) -> pl.Series:
    """Read the ids of a file, as text (String), in its order, repeats kept.

    A Parquet, CSV or TSV file gives its column of that name, or its only column. Any other file has one id a line;
    empty lines are passed over, and a first line that is the column's name is a heading.

    Args:
        path: the file.
        column: "user_id" or "item_id".

    Raises:
        InputError: the file cannot be read, lacks the column or holds no id.
    """
    try:
        ids = _read(path, column)
    except (OSError, UnicodeDecodeError, PolarsError) as error:
        raise InputError(
            f"{path} cannot be read as a list of {column}s: {error}. Give a Parquet, CSV or TSV file with a column "
            f"{column!r}, or a text file with one id a line."
        ) from error
    if ids.is_empty():
        raise InputError(f"{path} holds no {column}. Give a file with at least one id.")
    return as_text(ids)


def _read(path: Path, column: str) -> pl.Series:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _column(pl.read_parquet(path), path, column)
    if suffix in _SEPARATORS:
        # Read as text, so that 007 stays 007.
        frame = pl.read_csv(path, separator=_SEPARATORS[suffix], infer_schema=False)
        return _column(frame, path, column)
    lines = [line.rstrip("\r") for line in path.read_text(encoding="utf-8-sig").split("\n")]
    filled = [line for line in lines if line.strip()]
    return pl.Series(column, filled[1:] if filled[:1] == [column] else filled, dtype=pl.String)


def _column(frame: pl.DataFrame, path: Path, column: str) -> pl.Series:
    if column in frame.columns:
        return ids_of(frame, column)
    if frame.width == 1:
        return ids_of(frame.to_series(), column)
    raise InputError(f"{path} has no column {column!r}; it has {', '.join(frame.columns)}. Rename the one you mean.")
