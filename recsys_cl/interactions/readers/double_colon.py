"""Fields separated by `::`, as in the `.dat` files of MovieLens, in UTF-8 or Latin-1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recsys_cl.config import IngestConfig
from recsys_cl.errors import InputError
from recsys_cl.interactions.batches import Batch, Layout, Wanted
from recsys_cl.interactions.fields import read_fields
from recsys_cl.interactions.headers import looks_like_header
from recsys_cl.interactions.lines import encoding_of, head_lines, read_head

_SEPARATOR = "::"


def likeness(head: bytes, name: str) -> int:  # noqa: ARG001 - one signature
    """Tell how much a file looks like `::`-separated fields."""
    lines = head_lines(head, encoding_of(head), limit=200)
    widths = Counter(line.count(_SEPARATOR) + 1 for line in lines)
    width, count = widths.most_common(1)[0] if widths else (0, 0)
    if width < 2 or count < 0.75 * len(lines):
        return 0
    return 3  # nothing else is written so


def layout(path: Path, config: IngestConfig) -> Layout:
    """Tell header and encoding.

    Raises:
        InputError: the first line has no `::`.
    """
    head = read_head(path)
    encoding = encoding_of(head)
    rows = [line.split(_SEPARATOR) for line in head_lines(head, encoding)]
    if len(rows[0]) < 2:
        raise InputError(f"{path}, row 1: no '::' in {rows[0][0][:80]!r}. Leave --format out to have it inferred.")
    named = looks_like_header(rows) if config.header is None else config.header
    width = len(rows[0]) if named else Counter(map(len, rows)).most_common(1)[0][0]
    columns = tuple(rows[0]) if named else tuple(str(n + 1) for n in range(width))
    body = [row for row in rows[int(named) :] if len(row) == len(columns)]
    if len(rows) == int(named):
        raise InputError(f"{path} has a header ({', '.join(columns)}) and no rows below it. Give a file with rows.")
    sample = pl.DataFrame(body, schema=dict.fromkeys(columns, pl.String()), orient="row")
    return Layout(columns, sample, named=named, delimiter=_SEPARATOR, encoding=encoding)


def read(path: Path, layout: Layout, wanted: Wanted) -> Iterator[Batch]:
    """Read the rows; quotes mean nothing in this format."""
    return read_fields(path, layout, wanted, quoted=False)
