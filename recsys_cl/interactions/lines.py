"""Text files, plain or gzipped, as blocks of whole lines in UTF-8, in bounded memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from recsys_cl.errors import InputError

HEAD = 1 << 20  # bytes looked at to tell format, header and encoding
_SMALLEST, _LARGEST = 1 << 10, 1 << 26  # bytes of a block, whatever its number of rows
_LONGEST_LINE = 1 << 28  # bytes; a file with a longer line is not one of lines
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Block:
    """Whole lines.

    Attributes:
        data: UTF-8, every line ended by a line feed; undecodable bytes of the file are still in it.
        first_line: number of the first line in the file, from 1.
        size: bytes of the file (compressed, where it is) read for it.
    """

    data: bytes
    first_line: int
    size: int


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, at most `HEAD`, decompressed where it is gzipped.

    Raises:
        InputError: the file is missing, may not be read or is empty.
    """
    with opened(path) as (_, stream):
        head = stream.read(HEAD)
    if not head.removeprefix(_BOM).strip():
        raise InputError(f"{path} is empty. Give a file with at least a user and an item in each row.")
    return head.removeprefix(_BOM)


def encoding_of(head: bytes) -> str:
    """Return "utf-8" if the head of a file is that (but for its cut end), else "latin-1"."""
    try:
        head[: head.rfind(b"\n") + 1 or None].decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def head_lines(head: bytes, encoding: str, *, limit: int = 1000) -> list[str]:
    """Return the first whole lines of a head that are not blank, without their ends."""
    whole = head if len(head) < HEAD else head[: head.rfind(b"\n") + 1]
    lines = whole.decode(encoding, errors="replace").split("\n")
    return [line.rstrip("\r") for line in lines if line.strip("\r")][:limit]


def block_size(head: bytes, batch_rows: int, *, separators: bytes = b"\n") -> int:
    """Return how many bytes hold about ``batch_rows`` rows, a row being what stands between ``separators``."""
    rows = max(1, sum(head.count(bytes([separator])) for separator in separators))
    return int(np.clip(batch_rows * len(head) // rows, _SMALLEST, _LARGEST))


def blocks(path: Path, size: int, *, encoding: str = "utf-8", skip: int = 0, quoted: bool = False) -> Iterator[Block]:
    """Give a file's lines, about ``size`` bytes at a time.

    Args:
        path: a text file, plain or gzipped.
        size: bytes to aim at; a block ends at a line's end.
        encoding: of the file.
        skip: lines to leave out at the start.
        quoted: whether a line feed within double quotes is part of a value, so that no block should end there.

    Raises:
        InputError: the file is damaged, or has no lines.
    """
    line, rest, told = 1, b"", 0
    with opened(path) as (raw, stream):
        while chunk := stream.read(size):
            data = rest + chunk
            end = _end(data, quoted=quoted, limit=4 * size)
            rest = data[end:]
            _require_lines(path, rest, line)
            if not end:
                continue
            place = raw.tell()
            yield from _block(data[:end], line, place - told, encoding, skip)
            line, told = line + count_byte(data[:end], b"\n"), place
        if rest:
            yield from _block(rest + b"\n", line, raw.tell() - told, encoding, skip)


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a file for reading: its bytes as they are on disk, and decompressed if it is gzipped.

    Raises:
        InputError: the file is missing, may not be read, or its compression is damaged.
    """
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            yield raw, cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if zipped else raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path} is damaged: its compressed data cannot be read to the end ({error}). Fetch or write it again."
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}. Check the path given with --input.") from error
    except PermissionError as error:
        raise InputError(f"{path} may not be read by this user. Change its permissions, or copy it.") from error


def count_byte(data: bytes, byte: bytes) -> int:
    """Return how often a byte occurs in ``data``; where it is frequent this is faster than `bytes.count`."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == byte[0]))


def _block(data: bytes, line: int, size: int, encoding: str, skip: int) -> Iterator[Block]:
    data = data.removeprefix(_BOM) if line == 1 else data
    for _ in range(max(0, skip + 1 - line)):
        data = data[data.find(b"\n") + 1 :]
    if encoding != "utf-8":
        data = data.decode(encoding).encode()
    if data:
        yield Block(data, max(line, skip + 1), size)


def _end(data: bytes, *, quoted: bool, limit: int) -> int:
    """Return where the last line that surely ends in ``data`` ends; 0 if none does."""
    last = data.rfind(b"\n") + 1
    if not quoted or b'"' not in data or data.count(b'"', 0, last) % 2 == 0:
        return last
    text = np.frombuffer(data, np.uint8, count=last)
    outside = (np.cumsum(text == ord('"')) & 1) == 0
    ends = np.flatnonzero((text == ord("\n")) & outside)
    if len(ends):
        return int(ends[-1]) + 1
    return last if len(data) > limit else 0  # a quote that nobody closed must not hold up the file


def _require_lines(path: Path, rest: bytes, line: int) -> None:
    if len(rest) > _LONGEST_LINE:
        raise InputError(
            f"{path}, line {line}: no line end in {len(rest):,} bytes. This is not a text file of rows; "
            "name its format with --format if it is one that can be read."
        )
