"""The synthetic log is what it says: seeded, long-tailed, personal, drifting, growing and a little dirty."""

from __future__ import annotations

import tracemalloc

import numpy as np
import polars as pl
import pytest

from recsys_cl.errors import ConfigError, StorageError
from recsys_cl.interactions.sample import PERIOD, write_sample

COLUMNS = ["user_id", "item_id", "value", "timestamp", "title", "category"]


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> pl.DataFrame:
    path = tmp_path_factory.mktemp("sample") / "log.parquet"
    write_sample(path, dirty_share=0, seed=7)
    return pl.read_parquet(path)


def as_text(path) -> pl.DataFrame:
    return pl.read_csv(path, separator="\t" if ".tsv" in path.name else ",", infer_schema=False)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".tsv.gz", ".jsonl", ".jsonl.gz", ".parquet"])
def test_every_format_holds_the_same_rows(tmp_path, suffix):
    small = {"users": 50, "items": 40, "interactions": 1500, "dirty_share": 0.1, "seed": 3}
    path, plain = tmp_path / f"log{suffix}", tmp_path / "plain.parquet"
    assert write_sample(path, **small) == write_sample(plain, **small)
    if ".jsonl" in suffix:
        got = pl.read_ndjson(path).with_columns(pl.col("value").fill_null(float("nan")))
    elif suffix == ".parquet":
        got = pl.read_parquet(path)
    else:
        got = as_text(path).with_columns(
            pl.col("value").cast(pl.Float64), pl.col("timestamp").cast(pl.Int64, strict=False)
        )
    assert got.columns == COLUMNS
    assert got.equals(pl.read_parquet(plain))


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl", ".parquet"])
def test_the_seed_decides_every_byte(tmp_path, suffix):
    paths = [tmp_path / f"{name}{suffix}" for name in "abc"]
    for path, seed in zip(paths, (5, 5, 6), strict=True):
        write_sample(path, users=30, items=30, interactions=500, seed=seed)
    one, again, other = (path.read_bytes() for path in paths)
    assert one == again
    assert one != other


@pytest.mark.parametrize("interactions", [1, 2, 47, 48, 49, 5001])
def test_it_has_the_rows_asked_for(tmp_path, interactions):
    write_sample(tmp_path / "log.csv", users=1, items=1, interactions=interactions)
    assert len(as_text(tmp_path / "log.csv")) == interactions


def test_dirt_is_planted_and_counted(tmp_path):
    path = tmp_path / "log.csv"
    planted = write_sample(path, interactions=20_000, dirty_share=0.06)
    frame = as_text(path)
    seconds = frame["timestamp"].cast(pl.Int64, strict=False)
    assert planted == {
        "missing_user": frame["user_id"].null_count(),
        "missing_item": frame["item_id"].null_count(),
        "bad_time": seconds.null_count(),
        "nan_value": (frame["value"] == "NaN").sum(),
        "exact_repeat": len(frame) - len(frame.unique()),
        "future_time": (seconds >= PERIOD[1]).sum(),
    }
    assert all(100 < count < 300 for count in planted.values())


def test_times_rise_within_the_period(clean):
    assert clean["timestamp"].is_sorted()
    assert clean["timestamp"].min() >= PERIOD[0]
    assert clean["timestamp"].max() < PERIOD[1]
    assert clean["value"].is_between(1, 5).all()


def test_popularity_has_a_long_tail_and_users_differ(clean):
    counts = clean["item_id"].value_counts(sort=True)["count"].to_numpy()
    assert counts[: len(counts) // 10].sum() > 0.3 * counts.sum()
    assert counts[0] > 15 * np.median(counts)
    activity = clean["user_id"].value_counts()["count"].to_numpy()
    assert np.percentile(activity, 90) > 6 * np.percentile(activity, 10)


def test_items_have_one_title_each_and_keep_arriving(clean):
    labels = clean.select("item_id", "title", "category").unique()
    assert labels["item_id"].is_unique().all()
    assert labels["title"].is_unique().all()
    assert labels["title"].str.contains(r"^The [A-Z][a-z]+ [A-Z][a-z]+(, Part \d+)?$").all()
    assert 5 < labels["category"].n_unique() < 30
    first_seen = clean.group_by("item_id").agg(pl.col("timestamp").min())["timestamp"].to_numpy()
    share_of_period = (first_seen - PERIOD[0]) / (PERIOD[1] - PERIOD[0])
    quarters = np.histogram(share_of_period, bins=4, range=(0, 1))[0]
    assert (quarters[1:] > 0.05 * len(first_seen)).all()


def test_personal_ranking_beats_popularity_and_recent_interactions_tell_more(clean):
    log = clean.unique(["user_id", "item_id"], keep="first", maintain_order=True)
    cut = int(0.9 * len(log))
    past, future = log[:cut], log[cut:]
    users, items = (past[column].unique().sort() for column in ("user_id", "item_id"))
    row, column = users.search_sorted(past["user_id"]), items.search_sorted(past["item_id"])
    seen, recent = (np.zeros((len(users), len(items)), dtype=np.float32) for _ in range(2))
    seen[row, column] = 1
    age = (past["timestamp"][-1] - past["timestamp"].to_numpy()) / 86_400
    recent[row, column] = np.exp(-age / 90)
    popularity = seen.sum(axis=0)
    alike = seen.T @ seen / np.sqrt(np.outer(popularity, popularity))

    known = future.filter(pl.col("user_id").is_in(users) & pl.col("item_id").is_in(items))
    wanted = np.zeros(seen.shape, dtype=bool)
    wanted[users.search_sorted(known["user_id"]), items.search_sorted(known["item_id"])] = True

    def recall(scores: np.ndarray) -> float:
        best = np.argsort(-np.where(seen > 0, -np.inf, scores), axis=1)[:, :20]
        asked = wanted.any(axis=1)
        hits = np.take_along_axis(wanted, best, axis=1).sum(axis=1)
        return float(np.mean(hits[asked] / wanted[asked].sum(axis=1)))

    by_popularity, by_neighbours = recall(np.broadcast_to(popularity, seen.shape)), recall(seen @ alike)
    assert by_neighbours > 2 * by_popularity
    assert recall(recent @ alike) > 1.05 * by_neighbours


def test_memory_does_not_grow_with_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr("recsys_cl.interactions.sample._SLICE_ROWS", 2000)

    def peak(interactions: int) -> int:
        tracemalloc.start()
        try:
            write_sample(tmp_path / "log.csv", users=100, items=100, interactions=interactions)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small = peak(100_000)
    assert peak(400_000) < 1.5 * small


@pytest.mark.parametrize(
    ("name", "numbers", "said"),
    [
        ("log.xlsx", {}, "Known|Did you mean"),
        ("log.cvs", {}, "Did you mean '.csv'"),
        ("log", {}, "suffix"),
        ("log.parquet.gz", {}, "suffix"),
        ("log.csv", {"items": 0}, "at least one of items"),
        ("log.csv", {"dirty_share": 1.5}, "dirty_share"),
        ("log.csv", {"seed": -1}, "seed"),
    ],
)
def test_nonsense_is_refused_and_nothing_is_left(tmp_path, name, numbers, said):
    with pytest.raises(ConfigError, match=said):
        write_sample(tmp_path / name, **numbers)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(StorageError, match="Free some space"):
        write_sample(tmp_path / "log.csv", interactions=100)
    assert not list(tmp_path.iterdir())
