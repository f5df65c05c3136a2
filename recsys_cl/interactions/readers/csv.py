"""Comma-separated values, and all that is like them: tabs, semicolons, bars, spaces; plain or gzipped."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recsys_cl.config import IngestConfig
from recsys_cl.errors import ConfigError, InputError
from recsys_cl.interactions.batches import Batch, Layout, Wanted
from recsys_cl.interactions.fields import read_fields
from recsys_cl.interactions.headers import looks_like_header
from recsys_cl.interactions.lines import encoding_of, head_lines, read_head

_SUFFIXES = (".csv", ".tsv", ".tab", ".psv", ".data")
_DELIMITERS = (",", "\t", ";", "|", "\x01", " ")
_WRITTEN = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}


def likeness(head: bytes, name: str) -> int:
    """Tell how much a file looks like delimited text."""
    if b"\x00" in head:
        return 0
    lines = head_lines(head, encoding_of(head))
    if _sniffed(lines) is None:
        return 1 if _named(name) and _is_text(head) else 0
    return 2 + _named(name)


def layout(path: Path, config: IngestConfig) -> Layout:
    """Tell delimiter, header and encoding, or take them from ``config``.

    Raises:
        ConfigError: the delimiter is longer than one byte.
        InputError: the delimiter does not occur in the file, or the file has a header alone.
    """
    head = read_head(path)
    encoding = encoding_of(head)
    lines = head_lines(head, encoding)
    if b"\x00" in head:
        raise InputError(f"{path}: byte 0 in it shows that this is not text in UTF-8 or Latin-1. Convert it to UTF-8.")
    delimiter = _given(config.delimiter) if config.delimiter else _sniffed(lines)
    if delimiter is None:
        raise InputError(
            f"{path}, row 1: no delimiter stands out in {lines[0][:80]!r}. Each row needs at least a user and an item; "
            "name the delimiter with --delimiter or the format with --format."
        )
    rows = _parted(lines, delimiter)
    if len(rows[0]) < 2:
        raise InputError(
            f"{path}, row 1: the delimiter {delimiter!r} does not occur in {lines[0][:80]!r}."
            f"{_advice(lines)} Change --delimiter or leave it out."
        )
    named = looks_like_header(rows) if config.header is None else config.header
    columns = _columns(rows[0], path) if named else tuple(str(n + 1) for n in range(_width(rows)))
    body = [row for row in rows[int(named) :] if len(row) == len(columns)]
    if len(rows) == int(named):
        raise InputError(f"{path} has a header ({', '.join(columns)}) and no rows below it. Give a file with rows.")
    sample = pl.DataFrame(body, schema=dict.fromkeys(columns, pl.String()), orient="row")
    return Layout(columns, sample, named=named, delimiter=delimiter, encoding=encoding)


def read(path: Path, layout: Layout, wanted: Wanted) -> Iterator[Batch]:
    """Read the rows."""
    return read_fields(path, layout, wanted)


def _named(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(_SUFFIXES)


def _is_text(head: bytes) -> bool:
    strange = sum(head.count(bytes([byte])) for byte in range(32) if byte not in b"\t\n\r\f\x01\x1f")
    return strange * 100 <= len(head)


def _given(delimiter: str) -> str:
    delimiter = _WRITTEN.get(delimiter, delimiter)
    if len(delimiter.encode()) != 1:
        raise ConfigError(f"The delimiter {delimiter!r} must be one character; for '::' use --format double_colon.")
    return delimiter


def _sniffed(lines: list[str]) -> str | None:
    """Return the delimiter that gives the most lines one same number (at least two) of fields."""
    best = max(_DELIMITERS, key=lambda delimiter: _agreement(lines[:200], delimiter))
    return best if _agreement(lines[:200], best)[0] else None


def _agreement(lines: list[str], delimiter: str) -> tuple[bool, bool, int, int]:
    """Tell whether a delimiter fits, whether it does as more than a space, and by how much."""
    widths = _widths(lines, delimiter)
    width, count = widths.most_common(1)[0] if widths else (0, 0)
    fits = width > 1 and count >= 0.75 * sum(widths.values())
    return fits, fits and delimiter != " ", count, width


def _widths(lines: list[str], delimiter: str) -> Counter[int]:
    return Counter(len(row) for row in _parted(lines, delimiter))


def _parted(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:  # a field of more than 131,072 characters
        return [line.split(delimiter) for line in lines]


def _width(rows: list[list[str]]) -> int:
    return Counter(len(row) for row in rows).most_common(1)[0][0]


def _columns(names: list[str], path: Path) -> tuple[str, ...]:
    columns = [name.strip() or str(number) for number, name in enumerate(names, 1)]
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise InputError(f"{path}, row 1: the column {twice[0]!r} is named more than once. Rename one of the two.")
    return tuple(columns)


def _advice(lines: list[str]) -> str:
    better = _sniffed(lines)
    return f" The file looks separated by {better!r}." if better else ""
