"""What passes between the readers and the cleaning: how a file is laid out, and its rows a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

Role = Literal["user", "item", "value", "time", "title", "category", "invoice"]

UNREADABLE = {"row": pl.Int64(), "reason": pl.String(), "raw": pl.String()}
RAW_LENGTH = 200  # characters of a value or a line that are kept for people to look at


@dataclass(frozen=True)
class Layout:
    """How one file is laid out.

    Attributes:
        columns: their names; "1", "2", … where the file names none.
        sample: the first rows, under these names, as text or with the types of the file.
        named: whether the file names its columns.
        delimiter: what stands between fields; None where that is not a question.
        encoding: "utf-8" or "latin-1".
        ordered: whether row order is order in time; None where the format says nothing about it.
        lists: columns whose values are lists of words separated by spaces.
        folder_values: values that stand in the path (`month=2020-01`) instead of the file, by column.
    """

    columns: tuple[str, ...]
    sample: pl.DataFrame
    named: bool = True
    delimiter: str | None = None
    encoding: str = "utf-8"
    ordered: bool | None = None
    lists: frozenset[str] = frozenset()
    folder_values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What to take from a file.

    Attributes:
        columns: the column of each role that is wanted.
        types: roles that a text reader may read as numbers where every value of a batch is one; a batch in which
            some value is not comes as text.
        batch_rows: about how many rows to hold at a time.
    """

    columns: Mapping[Role, str]
    types: Mapping[Role, pl.DataType]
    batch_rows: int


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    Attributes:
        frame: a column for each wanted role, as text or with the types of the file, and `row` (Int64): the number
            of the row or line as a person counts them in the file.
        unreadable: `UNREADABLE`: rows that cannot be taken apart, why, and the start of what stands there.
        size: bytes of the file that were read for it.
    """

    frame: pl.DataFrame
    unreadable: pl.DataFrame
    size: int


def none_unreadable() -> pl.DataFrame:
    """Return an empty frame of unreadable rows."""
    return pl.DataFrame(schema=UNREADABLE)


def unreadable(rows: list[int], reason: str, raw: list[str]) -> pl.DataFrame:
    """Return a frame of unreadable rows, their text cut to `RAW_LENGTH` characters."""
    cut = [text[:RAW_LENGTH] for text in raw]
    return pl.DataFrame({"row": rows, "reason": [reason] * len(rows), "raw": cut}, schema=UNREADABLE)
