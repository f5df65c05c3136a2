"""Lines of fields with a separator of one byte, taken apart fast when they are well formed and carefully when not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from recsys_cl.interactions.batches import Batch, Layout, Role, Wanted, none_unreadable, unreadable
from recsys_cl.interactions.lines import Block, block_size, blocks, count_byte, read_head

_QUOTE = ord('"')
_LINE_FEED = ord("\n")


@dataclass(frozen=True)
class _Shape:
    """How lines are taken apart: separator (one byte), number of fields, whether quotes count, wanted columns."""

    separator: bytes
    width: int
    quoted: bool
    places: Mapping[Role, int]
    types: Mapping[Role, pl.DataType]


def read_fields(path: Path, layout: Layout, wanted: Wanted, *, quoted: bool = True) -> Iterator[Batch]:
    """Read a text file of fields in batches.

    A separator of several characters is read as one control character, which it is replaced by.

    Raises:
        InputError: the file is damaged.
    """
    separator = (layout.delimiter or ",").encode()
    head = read_head(path)
    places = {role: layout.columns.index(column) for role, column in wanted.columns.items()}
    single = separator if len(separator) == 1 else b"\x1f"
    shape = _Shape(single, len(layout.columns), quoted, places, wanted.types)
    size = block_size(head, wanted.batch_rows)
    for block in blocks(path, size, encoding=layout.encoding, skip=int(layout.named), quoted=quoted):
        data = block.data if single == separator else block.data.replace(separator, single)
        yield _batch(Block(data, block.first_line, block.size), shape)


def _batch(block: Block, shape: _Shape) -> Batch:
    data = block.data
    lines = count_byte(data, b"\n")
    if not (shape.quoted and b'"' in data) and count_byte(data, shape.separator) == lines * (shape.width - 1):
        frame = _parsed(data, shape)
        if frame is not None and frame.height == lines:
            rows = pl.int_range(block.first_line, block.first_line + lines, eager=True)
            return Batch(frame.with_columns(rows.alias("row")), none_unreadable(), block.size)
    return _careful(block, shape)


def _parsed(data: bytes, shape: _Shape) -> pl.DataFrame | None:
    """Return the wanted columns of well-formed lines, numbers where all are; None if they are not well formed."""
    for types in (shape.types, {}) if shape.types else ({},):
        by_place = {shape.places[role]: dtype for role, dtype in types.items() if role in shape.places}
        schema = {str(place): by_place.get(place, pl.String()) for place in range(shape.width)}
        try:
            frame = pl.read_csv(
                data,
                has_header=False,
                separator=shape.separator.decode("latin-1"),
                quote_char='"' if shape.quoted else None,
                schema=schema,
                columns=sorted(set(shape.places.values())),
                raise_if_empty=False,
            )
        except (pl.exceptions.ComputeError, pl.exceptions.InvalidOperationError):
            continue
        return frame.select(pl.col(str(place)).alias(role) for role, place in shape.places.items())
    return None


def _careful(block: Block, shape: _Shape) -> Batch:
    """Take apart a block with quotes, blank, broken or undecodable lines: records are told apart one by one."""
    text = np.frombuffer(block.data, np.uint8)
    records = _records(text, shape)
    if shape.quoted and records.broken:
        records = min(records, _records(text, shape, multiline=False), key=lambda found: found.broken)
    decodable = _decodable(block.data, records)
    good = records.good & decodable
    frame = _parsed(_only(block.data, records, good), shape)
    lines = block.first_line + records.lines
    if frame is None or frame.height != good.sum():  # the parser sees it otherwise: ask it about each record
        good &= _acceptable(block.data, records, good, shape)
        frame = _parsed(_only(block.data, records, good), shape)
    if frame is None:
        raise AssertionError("records that can be parsed one by one cannot be parsed together")
    bad = ~good & ~records.blank
    troubled = [
        _cut(block.data, records, lines, bad & decodable, "malformed_row", shape),
        _cut(block.data, records, lines, bad & ~decodable, "undecodable", shape),
    ]
    return Batch(frame.with_columns(row=pl.Series(lines[good], dtype=pl.Int64)), pl.concat(troubled), block.size)


@dataclass(frozen=True)
class _Records:
    """Where records start and end (bytes), on which line (from 0), which are good, which blank, lines in bad ones."""

    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    good: npt.NDArray[np.bool_]
    blank: npt.NDArray[np.bool_]
    broken: int


def _records(text: npt.NDArray[np.uint8], shape: _Shape, *, multiline: bool = True) -> _Records:
    # Only these few bytes tell records apart; to look at them alone is several times faster than at all.
    telling = np.zeros(256, np.bool_)
    telling[[_LINE_FEED, ord(shape.separator), *([_QUOTE] if shape.quoted else [])]] = True
    places = np.flatnonzero(telling[text])
    signs = text[places]
    feeds, quotes = signs == _LINE_FEED, np.concatenate([[0], np.cumsum(signs == _QUOTE)])
    outside = quotes[1:] % 2 == 0
    last = np.flatnonzero(feeds & outside if multiline else feeds)  # sign at which each record ends
    ends, upto = places[last] + 1, last + 1
    if not len(ends) or ends[-1] != len(text):
        ends, upto = np.append(ends, len(text)), np.append(upto, len(signs))
    starts, since = np.concatenate([[0], ends[:-1]]), np.concatenate([[0], upto[:-1]])
    if not multiline:
        outside = (quotes[1:] - np.repeat(quotes[since], upto - since)) % 2 == 0
    separators = np.concatenate([[0], np.cumsum((signs == ord(shape.separator)) & outside)])
    line_of = np.concatenate([[0], np.cumsum(feeds)])
    closed = (quotes[upto] - quotes[since]) % 2 == 0
    blank = (ends - starts == 1) | ((ends - starts == 2) & (text[starts] == ord("\r")))
    good = (separators[upto] - separators[since] == shape.width - 1) & closed & ~blank
    spans = line_of[upto] - line_of[since]
    return _Records(starts, ends, line_of[since], good, blank, int(spans[~good & ~blank].sum()))


def _only(data: bytes, records: _Records, which: npt.NDArray[np.bool_]) -> bytes:
    if which.all():
        return data
    return np.frombuffer(data, np.uint8)[np.repeat(which, records.ends - records.starts)].tobytes()


def _decodable(data: bytes, records: _Records) -> npt.NDArray[np.bool_]:
    decodable = np.ones(len(records.starts), np.bool_)
    if not _is_utf8(data):
        for number in np.flatnonzero(~records.blank):
            decodable[number] = _is_utf8(data[records.starts[number] : records.ends[number]])
    return decodable


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _acceptable(data: bytes, records: _Records, good: npt.NDArray[np.bool_], shape: _Shape) -> npt.NDArray[np.bool_]:
    accepted = np.zeros(len(good), np.bool_)
    for number in np.flatnonzero(good):
        frame = _parsed(data[records.starts[number] : records.ends[number]], shape)
        accepted[number] = frame is not None and frame.height == 1
    return accepted


def _cut(
    data: bytes,
    records: _Records,
    lines: npt.NDArray[np.int64],
    which: npt.NDArray[np.bool_],
    reason: str,
    shape: _Shape,
) -> pl.DataFrame:
    numbers = np.flatnonzero(which)
    shown = "::" if shape.separator == b"\x1f" else shape.separator.decode("latin-1")
    raw = [
        data[records.starts[n] : min(records.ends[n], records.starts[n] + 1000)]
        .replace(shape.separator, shown.encode())
        .decode("utf-8", errors="backslashreplace")
        .rstrip("\r\n")
        for n in numbers
    ]
    return unreadable([int(line) for line in lines[numbers]], reason, raw)
