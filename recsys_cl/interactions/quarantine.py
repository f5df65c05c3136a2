"""Rows that cannot be used, kept apart with their place, the reason, and what stood there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow.parquet as pq

from recsys_cl.interactions.batches import RAW_LENGTH

SCHEMA: dict[str, pl.DataType] = {
    "source": pl.String(),  # file
    "row": pl.Int64(),  # row or line in the file as a person counts them
    "reason": pl.String(),
    "user": pl.String(),  # what stood in the column, cut to `RAW_LENGTH` characters
    "item": pl.String(),
    "value": pl.String(),
    "time": pl.String(),
    "raw": pl.String(),  # the line, where it could not be taken apart
}
_ROLES = ("user", "item", "value", "time", "raw")


class Quarantine:
    """The quarantine file of one snapshot, written as rows come, with a count for each reason.

    Args:
        path: parquet file to write.

    Attributes:
        reasons: rows by reason.
        examples: the first row of each reason.
    """

    def __init__(self, path: Path) -> None:
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, dict[str, object]] = {}
        self._path = path
        self._schema = pl.DataFrame(schema=SCHEMA).to_arrow().schema

    def __enter__(self) -> Self:
        self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def add(self, rows: pl.DataFrame, source: str | None = None) -> None:
        """Take rows with `row`, `reason`, and any of user, item, value, time, raw; and `source`, unless it is given."""
        if rows.is_empty():
            return
        if source is not None:
            rows = rows.with_columns(pl.lit(source).alias("source"))
        for reason, count in rows.group_by("reason").len().iter_rows():
            self.reasons[reason] += count
            if reason not in self.examples:
                self.examples[reason] = rows.filter(pl.col("reason") == reason).row(0, named=True)
        present = [role for role in _ROLES if role in rows.columns]
        absent = [pl.lit(None, pl.String()).alias(role) for role in _ROLES if role not in present]
        cut = [pl.col(role).cast(pl.String, strict=False).str.slice(0, RAW_LENGTH) for role in present]
        frame = rows.with_columns(*cut, *absent).select(*SCHEMA)
        self._writer.write_table(frame.to_arrow().cast(self._schema))
