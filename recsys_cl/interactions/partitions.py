"""The clean log on disk: parquet in a folder for each month, or for each part where there are no times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from recsys_cl.files import digest_of
from recsys_cl.interactions.buckets import Buckets
from recsys_cl.interactions.entities import Names
from recsys_cl.interactions.schema import COLUMNS
from recsys_cl.interactions.validate import Promise

# Ids and values recur, times and positions rise: said to parquet, that is a third less to store, and sooner written.
_STORAGE: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": ["user_id", "item_id", "value", "part"],
    "column_encoding": {"time": "DELTA_BINARY_PACKED", "position": "DELTA_BINARY_PACKED"},
}
_EVERY = 97  # one row in so many is looked at to cut the log into slices


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        rows: interactions in all files.
        content: SHA-256 of users, items, values, times and parts in the order of the log; it does not depend on the
            format the log came in, on batch sizes, nor on how it is stored.
        first: earliest time, ISO 8601; None where there are no times.
        last: latest time.
    """

    rows: int
    content: str
    first: str | None
    last: str | None


class Writer:
    """Writes the rows of a log, given in its order, slice by slice.

    Args:
        folder: of the partitions.
        users: what the numbers of users stand for.
        items: the same for items.
        timed: whether the log has times; partitions are months if so, parts if not.
        longest: characters an id may have.
        batch_rows: rows validated at a time.
    """

    def __init__(self, folder: Path, users: Names, items: Names, *, timed: bool, longest: int, batch_rows: int) -> None:
        self._folder = folder
        self._users = users
        self._items = items
        self._timed = timed
        self._promise = Promise(longest, timed=timed)
        self._batch_rows = batch_rows
        self._slices = 0
        self._rows = 0
        self._hashes = [hashlib.sha256() for _ in range(5)]
        self._ends: list[str] = []
        self._file: Any = None  # parquet file of the partition that is being written, if one is
        self._open_name: str | None = None

    def write(self, rows: pl.DataFrame) -> None:
        """Write one slice: rows as in `clean.ROWS` that all come after those written before."""
        rows = _in_order(rows, timed=self._timed)
        self._hash(rows)
        if not self._timed:
            rows = rows.sort("test", "position")
        try:
            self._write_batches(rows)
        finally:
            self._close()
        self._slices += 1
        self._rows += rows.height

    def finish(self) -> Written:
        """Return what was written."""
        names = [_digest(names.texts) for names in (self._users, self._items)]
        content = digest_of([self._users.kind, self._items.kind, *names, *(h.hexdigest() for h in self._hashes)])
        first, last = (self._ends[0], self._ends[-1]) if self._ends else (None, None)
        return Written(self._rows, content, first, last)

    def _write_batches(self, rows: pl.DataFrame) -> None:
        # One batch is written while the next is made ready and validated.
        with ThreadPoolExecutor(max_workers=1) as writing:
            before: Future[None] | None = None
            for start in range(0, rows.height, self._batch_rows):
                frame = self._promise.kept(self._frame(rows[start : start + self._batch_rows]))
                if before is not None:
                    before.result()
                before = writing.submit(self._write_batch, frame)
            if before is not None:
                before.result()

    def _frame(self, rows: pl.DataFrame) -> pl.DataFrame:
        columns = {
            "user_id": self._users.texts.gather(_ranks(self._users, rows["user"])),
            "item_id": self._items.texts.gather(_ranks(self._items, rows["item"])),
            "value": rows["value"],
            "time": rows["time"],
            "position": rows["position"],
            "part": rows.select(pl.when("test").then(pl.lit("test")).otherwise(pl.lit("train"))).to_series(),
        }
        return pl.DataFrame(columns, schema=COLUMNS)

    def _write_batch(self, frame: pl.DataFrame) -> None:
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        for name, start, length in _months(frame["time"]) if self._timed else _parts(frame["part"]):
            if name != self._open_name:
                self._close()
                path = self._folder / name / f"{self._slices:05}.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file, self._open_name = pq.ParquetWriter(path, table.schema, **_STORAGE), name
            self._file.write_table(table.slice(start, length))

    def _close(self) -> None:
        if self._open_name is not None:
            self._open_name = None
            self._file.close()

    def _hash(self, rows: pl.DataFrame) -> None:
        users, items = _ranks(self._users, rows["user"]), _ranks(self._items, rows["item"])
        times = rows["time"].cast(pl.Int64).fill_null(0).to_numpy()
        columns = (users, items, rows["value"].to_numpy(), times, rows["test"].cast(pl.UInt8).to_numpy())
        for digest, column in zip(self._hashes, columns, strict=True):
            digest.update(np.ascontiguousarray(column).data)
        if self._timed and rows.height:
            self._ends += [rows["time"][place].isoformat() for place in (0, -1)]


def slices(parts: Buckets, folder: Path, *, timed: bool, memory_rows: int) -> Iterator[pl.DataFrame]:
    """Give the rows of a log in slices of rising time (position where there are no times), each fit for memory.

    Args:
        parts: the rows, which this empties.
        folder: for what does not fit in memory.
        timed: whether the log has times.
        memory_rows: rows that fit in memory.
    """
    if not parts.spilled:
        yield from parts
        return
    column = pl.col("time").cast(pl.Int64) if timed else pl.col("position")
    edges = _edges(parts, column, memory_rows)

    def slice_of(rows: pl.DataFrame) -> pl.Series:
        key = rows.select(column).to_series().to_numpy()
        return pl.Series(np.searchsorted(edges, key, side="right"))

    sorted_apart = Buckets(folder, slice_of, len(edges) + 1, memory_rows)
    for part in parts:
        sorted_apart.add(part)
    yield from sorted_apart


def _edges(parts: Buckets, column: pl.Expr, memory_rows: int) -> npt.NDArray[np.int64]:
    """Return keys that cut the rows into slices of about half the memory each, from a sample."""
    sample = np.concatenate([part.select(column).to_series().gather_every(_EVERY).to_numpy() for part in parts.peek()])
    count = -(-2 * parts.rows // memory_rows)
    cuts = np.linspace(0, 1, count + 1)[1:-1]
    return np.unique(np.quantile(sample, cuts, method="nearest"))


def load_frame(paths: list[Path]) -> pl.DataFrame:
    """Read partitions into one frame, sorted by (time, position)."""
    frame = pl.concat([pl.read_parquet(path, hive_partitioning=False).select(*COLUMNS) for path in paths])
    return frame.sort("time", "position")


def _ranks(names: Names, numbers: pl.Series) -> npt.NDArray[np.int64]:
    ranks: npt.NDArray[np.int64] = names.ranks[numbers.to_numpy()]
    return ranks


def _in_order(rows: pl.DataFrame, *, timed: bool) -> pl.DataFrame:
    rows = rows if rows["position"].is_sorted() else rows.sort("position")
    if not timed or rows["time"].is_sorted():
        return rows
    return rows.sort("time", maintain_order=True)


def _months(times: pl.Series) -> list[tuple[str, int, int]]:
    """Return the months of sorted times: name of the folder, first row, number of rows."""
    month = times.dt.year().cast(pl.Int32) * 12 + times.dt.month() - 1
    return [(f"month={value // 12:04}-{value % 12 + 1:02}", start, length) for value, start, length in _runs(month)]


def _parts(parts: pl.Series) -> list[tuple[str, int, int]]:
    return [(f"part={value}", start, length) for value, start, length in _runs(parts)]


def _runs(values: pl.Series) -> list[tuple[Any, int, int]]:
    runs = values.rle().struct.unnest().with_columns(start=pl.col("len").cum_sum() - pl.col("len"))
    return [(value, start, length) for length, value, start in runs.iter_rows()]


def _digest(texts: pl.Series) -> str:
    lengths = texts.str.len_bytes().to_numpy().tobytes()
    return hashlib.sha256(lengths + "".join(texts).encode()).hexdigest()
