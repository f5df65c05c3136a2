"""From rows as they stand in a file to rows that can be used; the others are quarantined or filtered, and counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from recsys_cl.config import IngestConfig
from recsys_cl.interactions.batches import Batch
from recsys_cl.interactions.entities import Entities, as_text
from recsys_cl.interactions.infer import Columns
from recsys_cl.interactions.quarantine import Quarantine
from recsys_cl.interactions.times import INSTANT, instants

# A row on its way: users and items by number, and where it stood.
ROWS: dict[str, pl.DataType] = {
    "user": pl.UInt32(),
    "item": pl.UInt32(),
    "value": pl.Float32(),
    "time": INSTANT,
    "position": pl.Int64(),
    "test": pl.Boolean(),
    "source": pl.UInt32(),
    "row": pl.Int64(),
}


@dataclass
class Tally:
    """What became of the rows so far."""

    read: int = 0
    filtered: Counter[str] = field(default_factory=Counter)

    def filter(self, reason: str, rows: int) -> None:
        """Count rows that a filter took away."""
        if rows:
            self.filtered[reason] += rows


@dataclass(frozen=True)
class Origin:
    """The file that rows come from: its number, name, columns, and whether it is the test of a given split."""

    number: int
    name: str
    columns: Columns
    test: bool


class Cleaner:
    """Cleans batches, one after the other.

    Args:
        config: thresholds and windows.
        users: numbers of users.
        items: numbers of items.
        quarantine: where rows go that cannot be used.
        tally: where rows are counted.
        now: later times cannot be.
    """

    def __init__(
        self,
        config: IngestConfig,
        users: Entities,
        items: Entities,
        quarantine: Quarantine,
        tally: Tally,
        now: datetime,
    ) -> None:
        self._config = config
        self._users = users
        self._items = items
        self._quarantine = quarantine
        self._tally = tally
        self._now = now

    def clean(self, batch: Batch, origin: Origin) -> pl.DataFrame:
        """Return the usable rows of a batch (`ROWS`), in their order."""
        first = self._tally.read
        self._tally.read += batch.frame.height + batch.unreadable.height
        self._quarantine.add(batch.unreadable, origin.name)
        raw = batch.frame
        users, items = self._users.encode(raw["user"]), self._items.encode(raw["item"])
        values, value_reasons = _values(raw, origin.columns)
        times, time_reasons = self._times(raw, origin.columns)
        rows = pl.DataFrame(
            {
                "user": users,
                "item": items,
                "value": values,
                "time": times,
                "position": pl.int_range(first, first + raw.height, eager=True),
                "row": raw["row"],
            }
        ).with_columns(test=pl.lit(origin.test), source=pl.lit(origin.number, pl.UInt32()))
        reasons = [self._users.troubles(users), self._items.troubles(items), time_reasons, value_reasons]
        usable = self._usable(rows.select(*ROWS), raw, [r for r in reasons if r is not None], origin)
        return within(usable, self._config, self._tally)

    def _times(self, raw: pl.DataFrame, columns: Columns) -> tuple[pl.Series, pl.Series | None]:
        if "time" not in raw.columns or columns.time_unit is None:
            return pl.Series([None], dtype=INSTANT).new_from_index(0, raw.height), None
        doubt = not columns.unit_given
        times, reasons = instants(raw["time"], columns.time_unit, now=self._now, doubt=doubt, forms=columns.time_forms)
        return times, reasons if reasons.count() else None

    def _usable(self, rows: pl.DataFrame, raw: pl.DataFrame, reasons: list[pl.Series], origin: Origin) -> pl.DataFrame:
        if not reasons:
            return rows
        reason = pl.select(pl.coalesce(reasons).alias("reason")).to_series()
        bad = reason.is_not_null()
        shown = raw.filter(bad).drop("title", "category", "invoice", strict=False)
        as_they_stood = [pl.Series(role, _as_it_stood(shown[role])) for role in shown.columns if role != "row"]
        self._quarantine.add(shown.with_columns(*as_they_stood, reason.filter(bad)), origin.name)
        return rows.filter(~bad)


def _as_it_stood(column: pl.Series) -> pl.Series:
    text = as_text(column)
    if column.name != "value" or not column.dtype.is_float():
        return text
    return pl.select(pl.when(column.is_nan()).then(pl.lit("NaN")).otherwise(text)).to_series()


def within(rows: pl.DataFrame, config: IngestConfig, tally: Tally) -> pl.DataFrame:
    """Return the rows that pass the threshold of ``config`` and lie within its window of time; count the others."""
    value, time = pl.col("value"), pl.col("time")
    tests: dict[str, pl.Expr] = {}
    if config.min_value is not None:
        tests["min_value"] = value >= config.min_value
    if config.since is not None:
        tests["before_since"] = time >= _utc(config.since)
    if config.until is not None:
        tests["at_or_after_until"] = time < _utc(config.until)
    for reason, test in tests.items():
        left = rows.filter(test)
        tally.filter(reason, rows.height - left.height)
        rows = left
    return rows


def _values(raw: pl.DataFrame, columns: Columns) -> tuple[pl.Series, pl.Series | None]:
    """Return values (Float32; 1.0 where the log has none) and why they cannot be used; None if all can."""
    if "value" not in raw.columns:
        values, reasons = pl.Series([1.0], dtype=pl.Float32).new_from_index(0, raw.height), None
    else:
        values, reasons = _read_values(raw["value"], quantity=columns.quantity)
    if "invoice" in raw.columns:
        cancelled = raw["invoice"].cast(pl.String).str.starts_with("C").fill_null(value=False)
        if cancelled.any():
            return values, _first_reason({"cancellation": cancelled}, otherwise=reasons)
    return values, reasons


def _read_values(written: pl.Series, *, quantity: bool) -> tuple[pl.Series, pl.Series | None]:
    text = written.str.strip_chars() if written.dtype == pl.String() else written
    numbers = text.cast(pl.Float64, strict=False)
    missing = text.is_null() | (text == "") if written.dtype == pl.String() else text.is_null()
    values = numbers.cast(pl.Float32)
    troubles = {
        "missing_value": missing,
        "unparsable_value": numbers.is_null() & ~missing,
        "non_finite_value": (~values.is_finite()).fill_null(value=False),
    }
    if quantity:
        troubles["cancellation"] = (numbers < 0).fill_null(value=False)
    return values, _first_reason(troubles) if any(trouble.any() for trouble in troubles.values()) else None


def _first_reason(troubles: dict[str, pl.Series], *, otherwise: pl.Series | None = None) -> pl.Series:
    reasons = [pl.when(trouble).then(pl.lit(reason)) for reason, trouble in troubles.items()]
    return pl.select(pl.coalesce(*reasons, *([] if otherwise is None else [otherwise]))).to_series()


def _utc(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
