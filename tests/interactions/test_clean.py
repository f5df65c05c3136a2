"""Repeats, cores and filters against slow oracles; and no row is ever lost."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingesting import Ingest, ingested

from recsys_cl.errors import InputError
from recsys_cl.interactions.snapshot import Snapshot, load

START = 10**9
texts = st.one_of(st.none(), st.text(max_size=3), st.sampled_from(["a", "A", "1", "1.0", " ", "x" * 30]))
numbers = st.one_of(st.none(), st.sampled_from(["1", "-2", "nan", "inf", "?", "", "1e99", " 3 "]))
times = st.one_of(
    st.none(), st.integers(START, START + 9).map(str), st.sampled_from(["0", "-1", "soon", "1e12", "99999999999"])
)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(texts, texts, numbers, times), min_size=1, max_size=40),
    options=st.fixed_dictionaries(
        {},
        optional={
            "min_value": st.just(1.0),
            "since": st.just(datetime.fromtimestamp(START + 3, UTC)),
            "until": st.just(datetime.fromtimestamp(START + 7, UTC)),
            "repeats": st.sampled_from(["first", "last", "all"]),
            "user_core": st.integers(1, 3),
            "item_core": st.integers(1, 3),
            "batch_rows": st.integers(1, 10),
            "max_id_length": st.just(20),
            "value_col": st.just("quantity"),
            "time_unit": st.sampled_from(["s", "ms", "iso"]),
        },
    ),
)
def test_every_row_is_kept_filtered_or_quarantined(rows: list[tuple[Any, ...]], options: dict[str, Any]) -> None:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(["user", "item", "quantity", "time"], pl.String), orient="row")
    with tempfile.TemporaryDirectory() as folder:
        try:
            snapshot = ingested(frame, Path(folder), **options)
        except InputError as error:
            if "none of" not in str(error):
                raise
            return
        log, bad = load(snapshot), pl.read_parquet(snapshot.quarantine)
        assert snapshot.counts.read == len(rows)
        assert log.frame.height == snapshot.counts.kept
        assert bad.height == snapshot.counts.quarantined
        assert bad.select("source", "row").is_unique().all()
        assert log.frame["position"].is_unique().all()
        assert not set(bad["row"]) & {position + 1 for position in log.frame["position"]}
        _require_cores(log.frame, options.get("user_core", 1), options.get("item_core", 1))


def _require_cores(frame: pl.DataFrame, user_core: int, item_core: int) -> None:
    assert min(Counter(frame["user_id"]).values()) >= user_core
    assert min(Counter(frame["item_id"]).values()) >= item_core


def _reduced(rows: list[tuple[int, int, int]], policy: str, core: int) -> list[int]:
    """Return the numbers of the rows kept, found slowly."""
    kept: list[int] = []
    seen: set[tuple[int, int, int]] = set()
    for number, row in enumerate(rows):
        if row not in seen:
            kept.append(number)
        seen.add(row)
    if policy != "all":
        best: dict[tuple[int, int], int] = {}
        for number in sorted(kept, key=lambda n: (rows[n][2], n), reverse=policy == "first"):
            best[rows[number][:2]] = number
        kept = sorted(best.values())
    while True:
        users, items = Counter(rows[n][0] for n in kept), Counter(rows[n][1] for n in kept)
        left = [n for n in kept if users[rows[n][0]] >= core and items[rows[n][1]] >= core]
        if left == kept:
            return kept
        kept = left


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(START, START + 3)), min_size=1, max_size=90
    ),
    policy=st.sampled_from(["first", "last", "all"]),
    core=st.integers(1, 4),
    batch_rows=st.sampled_from([1, 500]),
)
def test_repeats_and_cores_against_an_oracle(
    rows: list[tuple[int, int, int]], policy: str, core: int, batch_rows: int
) -> None:
    expected = _reduced(rows, policy, core)
    frame = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    with tempfile.TemporaryDirectory() as folder:
        options = {"repeats": policy, "user_core": core, "item_core": core, "batch_rows": batch_rows}
        if not expected:
            with pytest.raises(InputError, match="user_or_item_core"):
                ingested(frame, Path(folder), **options)
            return
        snapshot = ingested(frame, Path(folder), **options)
        assert sorted(load(snapshot).frame["position"]) == expected
        repeats = snapshot.counts.reasons["quarantined"].get("exact_repeat", 0)
        assert repeats == len(rows) - len(set(rows))


def test_what_is_an_exact_repeat_depends_on_what_tells_order(take: Ingest) -> None:
    frame = pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "x", "y"]})
    assert take(frame).counts.reasons["quarantined"] == {"exact_repeat": 1}
    assert take(frame, repeats="all").counts.kept == 3
    assert take(frame, ordered=True).counts.reasons["filtered"] == {"repeat": 1}
    assert take(frame, ordered=True, repeats="all").counts.kept == 3


def test_cancellations(take: Ingest) -> None:
    retail = pl.DataFrame(
        {
            "InvoiceNo": ["1", "2", "C3", "4"],
            "CustomerID": [1.0, 2.0, 3.0, None],
            "StockCode": ["a", "b", "c", "d"],
            "Quantity": [1, -2, 3, -4],
        }
    )
    snapshot = take(retail)
    assert snapshot.counts.reasons["quarantined"] == {"cancellation": 2, "missing_id": 1}
    ratings = pl.DataFrame({"user": [1, 2], "item": [1, 2], "rating": [-3.5, 4.0]})
    assert take(ratings).counts.kept == 2


def test_threshold_and_window_filter(take: Ingest) -> None:
    frame = pl.DataFrame(
        {"user": range(6), "item": range(6), "rating": [5, 3, 5, 5, 5, 4], "time": range(START, START + 6)}
    )
    options = {"min_value": 4, "since": datetime.fromtimestamp(START + 2, UTC), "until": "2001-09-09T01:46:45"}
    snapshot = take(frame, **options)
    assert snapshot.counts.reasons["filtered"] == {"min_value": 1, "before_since": 1, "at_or_after_until": 1}
    assert load(snapshot).frame["user_id"].to_list() == ["2", "3", "4"]


def test_order_is_time_then_position(take: Ingest) -> None:
    frame = pl.DataFrame(
        {"user": ["a", "b", "c", "d"], "item": ["x"] * 4, "time": [START + 5, START, START + 5, START]}
    )
    assert load(take(frame)).frame["user_id"].to_list() == ["b", "d", "a", "c"]


def test_snapshots_hold_what_they_say(take: Ingest) -> None:
    snapshot: Snapshot = take(pl.DataFrame({"user": ["a"], "item": ["x"], "time": [START]}))
    assert [path.name for path in (snapshot.folder / "interactions").iterdir()] == ["month=2001-09"]
    assert snapshot.manifest["time_range"] == ["2001-09-09T01:46:40+00:00"] * 2
