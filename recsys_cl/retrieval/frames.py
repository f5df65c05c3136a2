"""Ids and tables as people have them: lists, arrays, pandas or polars; and back as they came."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import polars as pl

from recsys_cl.errors import InputError
from recsys_cl.interactions.schema import IdKind

if TYPE_CHECKING:
    import pandas as pd

Frame: TypeAlias = "pl.DataFrame | pd.DataFrame"
Ids: TypeAlias = "Iterable[Any] | pl.Series | pd.Series | pl.DataFrame | pd.DataFrame"


def is_pandas(value: object) -> bool:
    """Tell whether ``value`` is a pandas frame, series or index, without importing pandas."""
    return type(value).__module__.partition(".")[0] == "pandas"


def ids_of(values: Ids, column: str) -> pl.Series:
    """Return ids as they came, as a polars series named ``column``; a frame gives its column of that name.

    Raises:
        InputError: the frame lacks the column, or an id is null.
    """
    ids = _series(values, column).rename(column)
    if ids.dtype.is_float():
        ids = ids.fill_nan(None)
    if ids.null_count():
        row = int(ids.is_null().arg_max() or 0)
        raise InputError(f"Row {row} of {column} is null; every row needs an id. Leave such rows out.")
    return ids


def as_text(ids: pl.Series) -> pl.Series:
    """Return ids as the vocabulary keeps them (String); floats that are integers are written as integers."""
    if ids.dtype.is_float() and bool((ids == ids.round()).all()):
        ids = ids.cast(pl.Int64)
    return ids.cast(pl.String)


def written_as(ids: pl.Series, kind: IdKind) -> pl.Series:
    """Return ids (String) with the type they have outside.

    Raises:
        InputError: the ids outside are integers and one of these is none.
    """
    if kind == "string":
        return ids
    numbers = ids.cast(pl.Int64, strict=False)
    if numbers.null_count():
        row = int(numbers.is_null().arg_max() or 0)
        raise InputError(
            f"Row {row} of {ids.name} is {ids[row]!r}, but this model's {ids.name} are integers. "
            "Correct the id or leave the row out."
        )
    return numbers


def as_came(frame: pl.DataFrame, asked: object) -> Frame:
    """Return ``frame`` as a pandas frame if what was asked with was pandas, else as it is."""
    return frame.to_pandas() if is_pandas(asked) else frame


def table(frame: Frame, columns: tuple[str, ...]) -> pl.DataFrame:
    """Return the named columns of a pandas or polars frame, without nulls.

    Raises:
        InputError: a column is missing, or an id is null.
    """
    return pl.DataFrame([ids_of(frame, column) for column in columns])


def _series(values: Ids, column: str) -> pl.Series:
    if isinstance(values, pl.Series):
        return values
    if isinstance(values, pl.DataFrame):
        _require(column, values.columns)
        return values[column]
    if is_pandas(values):
        named: Any = values
        if hasattr(named, "columns"):
            _require(column, [str(name) for name in named.columns])
            named = named[column]
        return pl.Series(column, pl.from_pandas(named))
    if isinstance(values, str):
        raise InputError(f"{column} must be a list or a frame, not the one text {values!r}; write [{values!r}].")
    listed = values if isinstance(values, np.ndarray) else list(values)
    return pl.Series(column, listed, strict=False) if len(listed) else pl.Series(column, [], dtype=pl.String)


def _require(column: str, columns: list[str]) -> None:
    if column not in columns:
        raise InputError(f"The frame has no column {column!r}; it has {', '.join(columns)}. Rename the one you mean.")
