"""Model and baselines side by side, from a log to a report; and what the baselines give on real logs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys_cl.config import EvaluateConfig
from recsys_cl.errors import ConfigError
from recsys_cl.evaluation.baselines import item_knn
from recsys_cl.evaluation.comparison import differences, evaluate_all, examined
from recsys_cl.evaluation.facts import DataFacts, EvaluationReport
from recsys_cl.evaluation.findings import headline_k
from recsys_cl.evaluation.protocol import examine
from recsys_cl.evaluation.report import read_report, write_report
from recsys_cl.pairs.histories import histories_of
from recsys_cl.pairs.vocabulary import Vocabulary

CONFIG = EvaluateConfig(
    ks=(5, 20), bootstrap_samples=100, baselines=("popularity", "item_knn", "ease"), ease_max_items=10
)


def log(users: np.ndarray, items: np.ndarray, seconds: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": pl.Series(users).cast(pl.String),
            "item_id": pl.Series(items).cast(pl.String),
            "value": pl.Series(np.ones(len(users), dtype=np.float32)),
            "time": pl.Series(seconds * 1_000_000).cast(pl.Datetime("us", "UTC")),
            "position": pl.Series(np.arange(len(users))),
            "part": pl.Series(["train"] * len(users)),
        }
    )


def made_up() -> tuple[pl.DataFrame, pl.DataFrame]:
    draw = np.random.default_rng(0)
    users = draw.integers(0, 60, 1500)
    items = 2 * draw.integers(0, 30, 1500) + users % 2  # even users, even items
    frame = log(users, items, np.arange(1500)).unique(["user_id", "item_id"], keep="first", maintain_order=True)
    return frame.head(600), frame.slice(600)


def test_from_a_log_to_a_report(tmp_path):
    train, test = made_up()
    vocabulary = Vocabulary.fit(train, "integer", "integer")
    histories, examination = histories_of(train, vocabulary), examine(train, test, vocabulary)
    model = item_knn.fit(histories, seed=0, config=CONFIG)
    found = evaluate_all(model, histories, examination, CONFIG, seed=0)
    assert [baseline.name for baseline in found.baselines] == ["popularity", "item_knn"]
    assert "60 items" in found.skipped["ease"]
    assert found.metrics()["baselines"]["ease"] == {"skipped": found.skipped["ease"]}
    assert found.metrics()["model"]["recall_at_20"] > found.metrics()["baselines"]["popularity"]["recall_at_20"]
    compared = {(d.baseline, d.metric): d for d in differences(found, CONFIG, seed=0)}
    assert compared["popularity", "recall_at_20"].low > 0
    assert compared["item_knn", "ndcg_at_20"].difference == 0.0
    report = EvaluationReport(
        name="made up",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        package_version="0",
        evaluated_on="train",
        data=DataFacts(source="made up", synthetic=True),
        examined=examined(examination),
        marks=found.marks(),
        skipped=found.skipped,
        differences=tuple(compared.values()),
    )
    write_report(report, tmp_path)
    assert read_report(tmp_path) == report


def test_baselines_alone():
    train, test = made_up()
    vocabulary = Vocabulary.fit(train, "integer", "integer")
    found = evaluate_all(None, histories_of(train, vocabulary), examine(train, test, vocabulary), CONFIG, seed=0)
    assert found.metrics()["model"] == {}
    assert differences(found, CONFIG, seed=0) == ()


def test_an_unknown_baseline_is_refused_before_anything_is_fitted():
    train, test = made_up()
    vocabulary = Vocabulary.fit(train, "integer", "integer")
    config = EvaluateConfig(baselines=("popularity", "item_knm"))
    with pytest.raises(ConfigError, match="item_knn"):
        evaluate_all(None, histories_of(train, vocabulary), examine(train, test, vocabulary), config, seed=0)


def test_the_headline_is_at_20_or_near_it():
    assert headline_k((5, 10, 20, 50)) == 20
    assert headline_k((1, 10, 100)) == 10


@pytest.mark.shared_data
def test_baselines_on_movielens_give_what_others_found(shared_data: Path):
    """The last of each user's ratings of 4 and up, on MovieLens 1M; ranges rather than figures."""
    frame = pl.read_csv(shared_data / "ml-1m" / "ratings_ge4.csv")
    frame = log(*(frame[column].to_numpy() for column in (frame.columns[0], frame.columns[1], frame.columns[-1])))
    frame = frame.sort("time", "position").with_columns(left=pl.int_range(pl.len()).reverse().over("user_id"))
    train, test = (frame.filter(part).drop("left") for part in (pl.col("left") > 0, pl.col("left") == 0))
    vocabulary = Vocabulary.fit(train, "integer", "integer")
    config = EvaluateConfig(bootstrap_samples=100, ks=(20,))
    found = evaluate_all(None, histories_of(train, vocabulary), examine(train, test, vocabulary), config, seed=0)
    recall = {baseline.name: baseline.metrics["recall_at_20"] for baseline in found.baselines}
    assert 0.05 < recall["popularity"] < recall["recent_popularity"] < recall["item_knn"] < recall["ease"] < 0.2
