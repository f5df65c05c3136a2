"""RecBole's atomic files (`.inter`, `.item`): tabs, and a header of typed names such as `user_id:token`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recsys_cl.config import IngestConfig
from recsys_cl.errors import InputError
from recsys_cl.interactions.batches import Batch, Layout, Wanted
from recsys_cl.interactions.fields import read_fields
from recsys_cl.interactions.lines import encoding_of, head_lines, read_head

_NAME = re.compile(r"(?P<name>[^:\s]+):(?P<type>token|token_seq|float|float_seq)")
_DELIMITER = "\t"


def likeness(head: bytes, name: str) -> int:  # noqa: ARG001 - one signature
    """Tell how much a file looks like an atomic file."""
    first = head.split(b"\n", 1)[0].decode("utf-8", errors="replace").rstrip("\r")
    names = first.split(_DELIMITER)
    if len(names) < 2 or not all(_NAME.fullmatch(column) for column in names):
        return 0
    return 4  # nothing else is written so, though it is delimited text too


def layout(path: Path, config: IngestConfig) -> Layout:  # noqa: ARG001 - one signature
    """Read the typed header.

    Raises:
        InputError: the header is not one of typed names, or nothing follows it.
    """
    head = read_head(path)
    encoding = encoding_of(head)
    rows = [line.split(_DELIMITER) for line in head_lines(head, encoding)]
    found = [_NAME.fullmatch(name) for name in rows[0]]
    if any(match is None for match in found):
        wrong = next(name for name, match in zip(rows[0], found, strict=True) if match is None)
        raise InputError(f"{path}, row 1: {wrong[:80]!r} is not a typed name like 'user_id:token'. Leave --format out.")
    typed = [match.group("name", "type") for match in found if match]
    columns = tuple(str(name) for name, _ in typed)
    if len(rows) == 1:
        raise InputError(f"{path} has a header ({', '.join(columns)}) and no rows below it. Give a file with rows.")
    body = [row for row in rows[1:] if len(row) == len(columns)]
    sample = pl.DataFrame(body, schema=dict.fromkeys(columns, pl.String()), orient="row")
    lists = frozenset(str(name) for name, kind in typed if kind == "token_seq")
    return Layout(columns, sample, delimiter=_DELIMITER, encoding=encoding, lists=lists)


def read(path: Path, layout: Layout, wanted: Wanted) -> Iterator[Batch]:
    """Read the rows; quotes mean nothing in this format."""
    return read_fields(path, layout, wanted, quoted=False)
