"""Ingest of what people really have; each figure was counted by other means."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from ingesting import Ingest

from recsys_cl.interactions.snapshot import load

pytestmark = pytest.mark.shared_data


def test_movielens_100k_in_both_formats(take: Ingest, shared_data: Path) -> None:
    folder = shared_data / "ml-100k"
    original, atomic = take(folder / "u.data"), take(folder / "ml-100k.inter")
    assert original.counts == atomic.counts
    assert original.content_digest == atomic.content_digest
    assert load(original).frame.equals(load(atomic).frame)
    assert (original.counts.kept, original.manifest["users"], original.manifest["items"]) == (100_000, 943, 1682)


def test_movielens_small_with_titles(take: Ingest, shared_data: Path) -> None:
    folder = shared_data / "ml-latest-small"
    log = load(take(folder / "ratings.csv", items=folder / "movies.csv", min_value=4))
    raw = pl.read_csv(folder / "ratings.csv").filter(pl.col("rating") >= 4)
    assert log.frame.height == raw.height
    assert log.items is not None
    assert log.items.height == 9742
    assert log.items.filter(pl.col("item_id") == "11").row(0) == (
        *("11", "American President, The (1995)"),
        ["Comedy", "Drama", "Romance"],
    )


def test_movielens_1m(take: Ingest, shared_data: Path) -> None:
    folder = shared_data / "ml-1m"
    snapshot = take(folder / "ratings_ge4.csv", items=folder / "movies.dat")
    assert (snapshot.counts.kept, snapshot.manifest["users"], snapshot.manifest["items"]) == (575_281, 6038, 3533)
    items = load(snapshot).items
    assert items is not None
    assert items["title"].str.contains("é").any()


def test_gowalla_with_its_given_test(take: Ingest, shared_data: Path) -> None:
    snapshot = take(shared_data / "gowalla" / "train.txt", test=shared_data / "gowalla" / "test.txt")
    parts = dict(load(snapshot).frame.group_by("part").len().rows())
    assert parts == {"train": 810_128, "test": 217_242}
    assert (snapshot.manifest["users"], snapshot.manifest["items"]) == (29_858, 40_981)


def test_amazon_beauty_is_in_order(take: Ingest, shared_data: Path) -> None:
    snapshot = take(shared_data / "amazon-beauty" / "Beauty.txt")
    assert snapshot.counts.kept == 198_502
    log = load(snapshot)
    assert log.ordering == "order"
    assert log.frame.filter(pl.col("user_id") == "2")["item_id"].to_list() == ["6", "7", "8", "9", "10", "4", "11"]


def test_online_retail(take: Ingest, shared_data: Path) -> None:
    snapshot = take(shared_data / "online-retail" / "online_retail.parquet", item_col="Description")
    assert snapshot.counts.read == 541_909
    assert snapshot.counts.reasons["quarantined"] == {
        "missing_id": 135_080,
        "cancellation": 8_905,
        "exact_repeat": 397_924 - 392_593,
    }
    assert snapshot.counts.kept == 268_295
    assert load(snapshot).user_kind == "integer"
