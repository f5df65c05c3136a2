"""The way of a log from its sources to the files of a snapshot: read, clean, part from repeats, filter, write."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from recsys_cl.config import IngestConfig
from recsys_cl.errors import InputError
from recsys_cl.interactions.buckets import Buckets
from recsys_cl.interactions.clean import Cleaner, Origin, Tally, within
from recsys_cl.interactions.core import Degrees, to_core
from recsys_cl.interactions.entities import Entities, Names, near_alike
from recsys_cl.interactions.items import SeenItems
from recsys_cl.interactions.opened import Opened
from recsys_cl.interactions.partitions import Writer, Written, slices
from recsys_cl.interactions.quarantine import Quarantine
from recsys_cl.interactions.repeats import part_repeats
from recsys_cl.interactions.schema import Ordering
from recsys_cl.progress import Reporter

_BUCKETS = 64  # parts of a log too large for memory, by user
_MEMORY_BATCHES = 48  # batches of cleaned rows, about 50 bytes each, that are held in memory


@dataclass(frozen=True)
class Earlier:
    """The snapshot that new rows are added to.

    Attributes:
        name: how quarantine calls it.
        paths: its parquet files.
        next_position: position for the first new row.
    """

    name: str
    paths: list[Path]
    next_position: int


@dataclass(frozen=True)
class Outcome:
    """What an ingest has to say about itself.

    Attributes:
        written: rows, content digest and time range.
        read: rows read, those of the earlier snapshot included.
        from_parent: rows that came from the earlier snapshot.
        filtered: rows by reason.
        quarantined: rows by reason.
        users: names of the users kept.
        items: names of the items kept.
        seen_items: `items.ITEMS` from the log itself; None if it says nothing about items.
        next_position: position that a row added later would have.
        notes: what a person should know.
    """

    written: Written
    read: int
    from_parent: int
    filtered: Counter[str]
    quarantined: Counter[str]
    users: Names
    items: Names
    seen_items: pl.DataFrame | None
    next_position: int
    notes: list[str]


class Ingestion:
    """One ingest, writing into one folder.

    Args:
        folder: where `interactions/` and `quarantine.parquet` are written.
        config: how to clean and filter.
        ordering: what tells before from after.
        now: later times cannot be.
        reporter: shows how far reading is.
    """

    def __init__(
        self, folder: Path, config: IngestConfig, ordering: Ordering, now: datetime, reporter: Reporter
    ) -> None:
        self._folder = folder
        self._config = config
        self._ordering = ordering
        self._now = now
        self._reporter = reporter
        self._users = Entities(config.max_id_length)
        self._items = Entities(config.max_id_length)
        self._seen = SeenItems(self._items)
        self._tally = Tally()
        self._names: list[str] = []
        self._memory_rows = _MEMORY_BATCHES * config.batch_rows
        self._stores = 0

    def run(self, opened: Sequence[Opened], earlier: Earlier | None) -> Outcome:
        """Read all, and write what is kept and what is not.

        Raises:
            InputError: a source cannot be read, or nothing is left to keep.
        """
        with Quarantine(self._folder / "quarantine.parquet") as quarantine:
            rows = self._read(opened, quarantine, earlier.next_position if earlier else 0)
            fresh = self._tally.read
            if earlier is not None:
                self._add_earlier(earlier, rows)
            kept, degrees = self._reduce(rows, quarantine)
        users, items = self._users.names(degrees.users > 0), self._items.names(degrees.items > 0)
        written = self._write(kept, users, items)
        shutil.rmtree(self._folder / ".spill", ignore_errors=True)
        if not written.rows:
            raise InputError(_nothing_left(opened, self._tally, quarantine))
        return Outcome(
            written=written,
            read=self._tally.read,
            from_parent=self._tally.read - fresh,
            filtered=self._tally.filtered,
            quarantined=quarantine.reasons,
            users=users,
            items=items,
            seen_items=self._seen.table(),
            next_position=(earlier.next_position if earlier else 0) + fresh,
            notes=[*_alike(users, "users"), *_alike(items, "items")],
        )

    def _read(self, opened: Sequence[Opened], quarantine: Quarantine, offset: int) -> Buckets:
        rows = self._store()
        cleaner = Cleaner(self._config, self._users, self._items, quarantine, self._tally, self._now)
        total, start = sum(one.source.size for one in opened), time.monotonic()
        with self._reporter.bar("reading", total) as advance:
            for number, one in enumerate(opened):
                self._names.append(one.source.name)
                origin = Origin(number, one.source.name, one.columns, one.test)
                for batch in one.source.read(one.layout, one.columns.wanted(self._config.batch_rows)):
                    rows.add(cleaner.clean(batch, origin).with_columns(pl.col("position") + offset))
                    self._seen.add(batch.frame)
                    rate = self._tally.read / max(time.monotonic() - start, 1e-9)
                    advance(batch.size, f"{rate:,.0f} rows/s")
        if not self._tally.read:
            raise InputError(
                f"{', '.join(self._names)}: no rows were found. Give a file with a user and an item a row."
            )
        self._users.settle()
        self._items.settle()
        return rows

    def _add_earlier(self, earlier: Earlier, rows: Buckets) -> None:
        number = len(self._names)
        self._names.append(earlier.name)
        for path in earlier.paths:
            frame = pl.read_parquet(path, hive_partitioning=False)
            self._tally.read += frame.height
            as_rows = frame.select(
                self._users.encode(frame["user_id"]).alias("user"),
                self._items.encode(frame["item_id"]).alias("item"),
                "value",
                "time",
                "position",
                (pl.col("part") == "test").alias("test"),
                pl.lit(number, pl.UInt32()).alias("source"),
                pl.col("position").alias("row"),
            )
            rows.add(within(as_rows, self._config, self._tally))

    def _reduce(self, rows: Buckets, quarantine: Quarantine) -> tuple[Buckets, Degrees]:
        """Part the rows from repeats and cut them down to the core."""
        config, kept = self._config, self._store()
        degrees = Degrees(len(self._users), len(self._items))
        for bucket in rows:
            in_order = bucket if bucket["position"].is_sorted() else bucket.sort("position")
            left, exact, repeated = part_repeats(in_order, config.repeats, self._ordering)
            self._quarantine_repeats(exact, quarantine)
            self._tally.filter("repeat", repeated)
            degrees.count(left)
            kept.add(left)
        kept, degrees, dropped = to_core(kept, degrees, config.user_core, config.item_core, self._store)
        self._tally.filter("user_or_item_core", dropped)
        return kept, degrees

    def _quarantine_repeats(self, exact: pl.DataFrame, quarantine: Quarantine) -> None:
        names = pl.Series(self._names, dtype=pl.String)
        quarantine.add(
            exact.select(
                names.gather(exact["source"]).alias("source"),
                "row",
                pl.lit("exact_repeat").alias("reason"),
                self._users.texts(exact["user"]).alias("user"),
                self._items.texts(exact["item"]).alias("item"),
                pl.col("value").cast(pl.String),
                pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ"),
            )
        )

    def _write(self, kept: Buckets, users: Names, items: Names) -> Written:
        timed = self._ordering == "time"
        config = self._config
        writer = Writer(
            self._folder / "interactions",
            users,
            items,
            timed=timed,
            longest=config.max_id_length,
            batch_rows=config.batch_rows,
        )
        for rows in slices(kept, self._spill_folder(), timed=timed, memory_rows=self._memory_rows):
            writer.write(rows)
        return writer.finish()

    def _store(self) -> Buckets:
        return Buckets(self._spill_folder(), _by_user, _BUCKETS, self._memory_rows)

    def _spill_folder(self) -> Path:
        self._stores += 1
        return self._folder / ".spill" / str(self._stores)


def _by_user(rows: pl.DataFrame) -> pl.Series:
    return rows["user"] % _BUCKETS


def _alike(names: Names, what: str) -> list[str]:
    groups = near_alike(names.texts)
    if groups.is_empty():
        return []
    example = " and ".join(repr(text[:40]) for text in groups["written"][0].sort().to_list()[:2])
    return [
        f"{groups.height} groups of {what} differ only in case or white space, such as {example}; they are kept apart."
    ]


def _nothing_left(opened: Sequence[Opened], tally: Tally, quarantine: Quarantine) -> str:
    reasons = quarantine.reasons + tally.filtered
    counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
    text = f"{opened[0].source.name}: none of {tally.read:,} rows can be used ({counts})."
    if not quarantine.reasons:
        return f"{text} Loosen --min-value, --since, --until, --user-core or --item-core."
    reason = quarantine.reasons.most_common(1)[0][0]
    example = quarantine.examples[reason]
    return f"{text} {_example(reason, example, opened[0])}"


def _example(reason: str, example: dict[str, object], first: Opened) -> str:
    where = f"For {reason} see {example['source']}, row {example['row']}: "
    shown = [
        f"{first.columns.by_role[role]} is {_short(example[role])}"
        for role in ("user", "item", "value", "time")
        if role in first.columns.by_role and role in example
    ]
    text = ", ".join(shown) or _short(example.get("raw"))
    flags = ", ".join(f"--{role}-col" for role in ("user", "item", "value", "time"))
    return f"{where}{text}. If the wrong columns were taken, name them with {flags}."


def _short(value: object) -> str:
    return "empty" if value is None else repr(str(value)[:60])
