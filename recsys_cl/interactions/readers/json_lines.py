"""JSON Lines: one object a line, plain or gzipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recsys_cl.config import IngestConfig
from recsys_cl.errors import InputError
from recsys_cl.interactions.batches import Batch, Layout, Wanted, none_unreadable, unreadable
from recsys_cl.interactions.lines import Block, block_size, blocks, head_lines, read_head


def likeness(head: bytes, name: str) -> int:  # noqa: ARG001 - one signature
    """Tell how much a file looks like JSON Lines."""
    lines = head_lines(head, "utf-8", limit=20)
    objects = sum(_object(line) is not None for line in lines)
    if objects:
        return 4 if objects >= 0.5 * len(lines) else 1
    return 0


def layout(path: Path, config: IngestConfig) -> Layout:  # noqa: ARG001 - one signature
    """Collect the keys of the first thousand objects.

    Raises:
        InputError: none of the first lines is a JSON object.
    """
    lines = head_lines(read_head(path), "utf-8")
    found = [record for line in lines if (record := _object(line)) is not None]
    if not found:
        raise InputError(
            f"{path}, row 1: {lines[0][:80]!r} is not a JSON object. Leave --format out, or mend the file."
        )
    columns = tuple(dict.fromkeys(key for record in found for key in record))
    return Layout(columns, _frame(found, columns))


def read(path: Path, layout: Layout, wanted: Wanted) -> Iterator[Batch]:  # noqa: ARG001 - one signature
    """Read the objects; a line that is none is an unreadable row."""
    size = block_size(read_head(path), wanted.batch_rows)
    for block in blocks(path, size):
        yield _batch(block, wanted)


def _batch(block: Block, wanted: Wanted) -> Batch:
    lines = block.data.count(b"\n")
    keys = tuple(dict.fromkeys(wanted.columns.values()))
    try:
        frame = pl.read_ndjson(block.data, schema=dict.fromkeys(keys, pl.String()))
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError):
        frame = pl.DataFrame()
    if frame.height != lines or b"\n\n" in block.data:
        return _careful(block, wanted, keys)
    rows = pl.int_range(block.first_line, block.first_line + lines, eager=True)
    return Batch(_as_roles(frame, wanted).with_columns(rows.alias("row")), none_unreadable(), block.size)


def _careful(block: Block, wanted: Wanted, keys: tuple[str, ...]) -> Batch:
    lines = block.data.decode("utf-8", errors="surrogateescape").split("\n")
    texts = {block.first_line + number: line for number, line in enumerate(lines) if line.strip()}
    objects = {row: _object(text) for row, text in texts.items()}
    good = {row: record for row, record in objects.items() if record is not None}
    bad = {row: texts[row] for row in objects if row not in good}
    broken = {
        row: text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for row, text in bad.items()
    }
    undecodable = np.array([broken[row] != bad[row] for row in bad], np.bool_)
    troubled = [
        unreadable(
            [row for row, hit in zip(bad, undecodable == reason, strict=True) if hit],
            word,
            [broken[row] for row, hit in zip(bad, undecodable == reason, strict=True) if hit],
        )
        for reason, word in ((False, "malformed_row"), (True, "undecodable"))
    ]
    frame = _as_roles(_frame(list(good.values()), keys), wanted)
    return Batch(frame.with_columns(row=pl.Series(list(good), dtype=pl.Int64)), pl.concat(troubled), block.size)


def _object(line: str) -> dict[str, Any] | None:
    try:
        line.encode()
        value = json.loads(line, parse_int=str, parse_float=_plain_number)
    except (UnicodeEncodeError, json.JSONDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _plain_number(text: str) -> str:
    return text.removesuffix(".0")


def _frame(objects: list[dict[str, Any]], keys: tuple[str, ...]) -> pl.DataFrame:
    return pl.DataFrame({key: pl.Series([_text(one.get(key)) for one in objects], dtype=pl.String) for key in keys})


def _text(value: Any) -> str | None:  # noqa: ANN401 - whatever JSON holds
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _as_roles(frame: pl.DataFrame, wanted: Wanted) -> pl.DataFrame:
    return frame.select(pl.col(column).alias(role) for role, column in wanted.columns.items())
