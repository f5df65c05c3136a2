"""Rows in memory while they are few, on disk in buckets when they are many."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
from pyarrow import feather

Key = Callable[[pl.DataFrame], pl.Series]


class Buckets:
    """A table that is read back bucket by bucket; the order of rows within a bucket is that in which they came.

    Args:
        folder: where rows go when there are more than ``memory_rows``.
        key: gives the bucket of each row, an integer from 0 to ``count`` - 1.
        count: number of buckets.
        memory_rows: most rows held in memory; while all fit there is one bucket.
    """

    def __init__(self, folder: Path, key: Key, count: int, memory_rows: int) -> None:
        self.rows = 0
        self._folder = folder
        self._key = key
        self._count = count
        self._memory_rows = memory_rows
        self._held: list[pl.DataFrame] = []
        self._held_rows = 0
        self._spills = 0

    @property
    def spilled(self) -> bool:
        """Whether rows are on disk."""
        return self._spills > 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take some more rows."""
        if frame.is_empty():
            return
        self._held.append(frame)
        self._held_rows += frame.height
        self.rows += frame.height
        if self._held_rows > self._memory_rows:
            self._spill()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Give the buckets in order; each is forgotten once given."""
        return self._each(keep=False)

    def peek(self) -> Iterator[pl.DataFrame]:
        """Give the buckets in order, and keep them."""
        return self._each(keep=True)

    def _each(self, *, keep: bool) -> Iterator[pl.DataFrame]:
        if not self.spilled:
            held = self._held
            self._held = held if keep else []
            if held:
                yield pl.concat(held)
            return
        self._spill()
        for number in range(self._count):
            paths = sorted((self._folder / f"{number:04}").glob("*.arrow"))
            if paths:
                frame = pl.concat([_read(path) for path in paths])
                if not keep:
                    shutil.rmtree(self._folder / f"{number:04}")
                yield frame

    def _spill(self) -> None:
        if not self._held:
            return
        frame = pl.concat(self._held)
        self._held, self._held_rows = [], 0
        bucket = self._key(frame).alias("bucket")
        for (number,), part in (
            frame.with_columns(bucket)
            .partition_by("bucket", as_dict=True, include_key=False, maintain_order=True)
            .items()
        ):
            folder = self._folder / f"{number:04}"
            folder.mkdir(parents=True, exist_ok=True)
            feather.write_feather(part.to_arrow(), folder / f"{self._spills:06}.arrow", compression="uncompressed")
        self._spills += 1


def _read(path: Path) -> pl.DataFrame:
    frame = pl.from_arrow(feather.read_table(path, memory_map=False))
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("a table gives a frame")
    return frame
