"""Ingest of a CSV file: against polars alone and against pandas.

Ours reads, takes the file's SHA-256, looks at every id, time and value, sets aside what cannot be used, takes out
repeats, sorts by time, validates, and writes partitioned Parquet with checksums. The baselines do less:

- a bare scan parses the same columns into memory and does nothing else;
- scan, unique, sort, write is what one would write by hand in polars: no checks, no quarantine, no digests;
- pandas parses the same columns and takes out repeated rows.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pandas as pd
import polars as pl

from benchmarks.interleaved import compared, in_turn, tell
from recsys_cl.config import IngestConfig
from recsys_cl.interactions.sample import write_sample
from recsys_cl.interactions.snapshot import ingest

COLUMNS = ["user_id", "item_id", "value", "timestamp"]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def scan(path: Path) -> pl.DataFrame:
    return pl.scan_csv(path).collect()


def by_hand(path: Path, out: Path) -> None:
    pl.scan_csv(path).unique(COLUMNS, keep="any").sort("timestamp").collect().write_parquet(out)


def with_pandas(path: Path) -> pd.DataFrame:
    return pd.read_csv(path).drop_duplicates()


def ours(path: Path, folder: Path, numbers: Iterator[int]) -> None:
    ingest(path, folder / str(next(numbers)), "log", IngestConfig(), now=NOW)


def write_log(path: Path, rows: int, *, titles: bool) -> None:
    """Write a clean synthetic log; its titles hold commas and so are quoted, which is slower to take apart."""
    write_sample(path, users=rows // 20, items=20_000, interactions=rows, dirty_share=0.0)
    if not titles:
        pl.read_csv(path, columns=COLUMNS).write_csv(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    measured, numbers = [], count()
    folder = Path(tempfile.mkdtemp(prefix="recsys-cl-ingest-"))
    try:
        for titles in (False, True):
            path = folder / f"log-{titles}.csv"
            write_log(path, arguments.rows, titles=titles)
            seconds = in_turn(
                {
                    "ours": lambda path=path: ours(path, folder, numbers),
                    "scan": lambda path=path: scan(path),
                    "by hand": lambda path=path: by_hand(path, folder / "by-hand.parquet"),
                    "pandas": lambda path=path: with_pandas(path),
                },
                arguments.rounds,
            )
            shape = f"{arguments.rows:,} rows, {'six columns, quoted titles' if titles else 'four columns'}"
            what = f"ingest a CSV ({shape}, {path.stat().st_size / 1e6:.0f} MB)"
            for name, against in (
                ("scan", "polars `scan_csv().collect()`"),
                ("by hand", "polars scan, unique, sort, write one Parquet file"),
                ("pandas", "pandas `read_csv().drop_duplicates()`"),
            ):
                aim = 1.5 if name == "scan" else None
                measured.append(compared(what, seconds["ours"], against, seconds[name], aim))
    finally:
        shutil.rmtree(folder)
    tell(measured, {"rows": arguments.rows})


if __name__ == "__main__":
    main()
