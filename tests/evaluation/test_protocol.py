"""The examination: who counts, what counts, and marks against a slow loop over users."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.config import EvaluateConfig
from recsys_cl.evaluation import protocol
from recsys_cl.evaluation.baselines import popularity
from recsys_cl.evaluation.protocol import evaluate, examine, mean_of_vectors
from recsys_cl.pairs.histories import Queries, histories_of
from recsys_cl.pairs.vocabulary import Vocabulary
from recsys_cl.retrieval.exact import rank_exact
from recsys_cl.retrieval.matches import Matches

CONFIG = EvaluateConfig(ks=(1, 2, 5), bootstrap_samples=100)
START = datetime(2020, 1, 1, tzinfo=UTC)


def log(*rows: tuple[str, str]) -> pl.DataFrame:
    count = len(rows)
    return pl.DataFrame(
        {
            "user_id": pl.Series([user for user, _ in rows], dtype=pl.String),
            "item_id": pl.Series([item for _, item in rows], dtype=pl.String),
            "value": pl.Series([1.0] * count, dtype=pl.Float32),
            "time": pl.Series([START + timedelta(hours=n) for n in range(count)], dtype=pl.Datetime("us", "UTC")),
            "position": pl.Series(range(count), dtype=pl.Int64),
            "part": pl.Series(["train"] * count, dtype=pl.String),
        }
    )


@dataclass
class Always:
    """Recommends the same numbers, in the same order, to everyone; remembers how many asked at a time."""

    item_nums: list[int]
    name: str = "always"
    asked: list[int] = field(default_factory=list)

    def rank(self, queries: Queries, k: int, *, exclude_seen: bool = True) -> Matches:
        assert exclude_seen
        self.asked.append(len(queries))
        line = (self.item_nums + [-1] * k)[:k]
        items = np.tile(np.array(line, dtype=np.int32), (len(queries), 1))
        return Matches(items, np.where(items < 0, -np.inf, 0.0).astype(np.float32))


TRAIN = log(("ann", "a"), ("ann", "b"), ("ben", "b"), ("cat", "c"), ("cat", "d"), ("cat", "a"))
VOCABULARY = Vocabulary.fit(TRAIN, "string", "string")


def test_who_is_asked_and_what_is_right():
    test = log(
        ("ann", "c"), ("ann", "c"), ("ann", "a"),  # one thing new, told twice, and one that she had
        ("ben", "new"), ("ben", "d"),  # one item that no training row has
        ("eve", "a"),  # nobody knows her
    )  # fmt: skip
    examination = examine(TRAIN, test, VOCABULARY)
    assert examination.user_ids.to_list() == ["ann", "ben", "eve"]
    assert examination.queries.user_nums.tolist() == [0, 1, -1]
    assert [examination.queries.histories.row(r).tolist() for r in range(3)] == [[0, 1], [1], []]
    assert [examination.relevant.row(r).tolist() for r in range(3)] == [[2], [3], [0]]
    assert examination.unknown.tolist() == [0, 1, 0]
    assert examination.n_relevant.tolist() == [1, 2, 1]
    assert examination.repeats == 1
    assert examination.warm.tolist() == [True, True, False]
    assert examination.recall_ceiling == pytest.approx((1 / 1 + 1 / 2) / 2)
    assert examination.popularity.tolist() == [2, 2, 1, 1]


def test_what_was_seen_in_validation_counts_as_seen():
    seen = pl.concat([TRAIN, log(("ann", "d"), ("ann", "new"), ("eve", "b"))])
    test = log(("ann", "d"), ("ann", "new"), ("ann", "c"), ("eve", "c"))
    examination = examine(seen, test, VOCABULARY)
    assert examination.repeats == 2  # also of the item that the vocabulary lacks
    assert examination.relevant.row(0).tolist() == [2]
    assert examination.unknown.tolist() == [0, 0]
    assert set(examination.queries.histories.row(0)) == {0, 1, 3}
    assert examination.queries.histories.row(1).tolist() == [1]  # cold, but with a history


def test_headline_figures_leave_out_the_cold_and_those_with_nothing_new():
    test = log(("ann", "c"), ("ben", "b"), ("eve", "c"))
    found = evaluate(Always([2, 3]), examine(TRAIN, test, VOCABULARY), CONFIG)
    assert found.metrics["recall_at_1"] == 1.0
    assert found.per_user["warm"].to_list() == [True, True, False]
    assert found.per_user["n_relevant"].to_list() == [1, 0, 1]
    assert found.cold["without_history"].users == 1
    assert found.cold["without_history"].metrics["recall_at_1"] == 1.0
    assert found.cold["with_history"].users == 0
    assert found.cold["with_history"].metrics == {}


def test_an_item_never_seen_in_training_is_a_miss():
    test = log(("ann", "c"), ("ann", "new"))
    found = evaluate(Always([2]), examine(TRAIN, test, VOCABULARY), CONFIG)
    assert found.metrics["recall_at_5"] == 0.5


def test_padding_is_never_a_hit():
    # The padding of the second row must not be taken for the last item of the row before.
    test = log(("ann", "d"), ("ben", "d"))
    found = evaluate(Always([]), examine(TRAIN, test, VOCABULARY), CONFIG)
    assert found.metrics["hit_rate_at_5"] == 0.0
    assert found.metrics["coverage_at_5"] == 0.0


def test_coverage_and_popularity_of_what_is_recommended():
    found = evaluate(Always([2, 0]), examine(TRAIN, log(("ann", "c"), ("ben", "d")), VOCABULARY), CONFIG)
    assert found.metrics["coverage_at_1"] == 1 / 4
    assert found.metrics["coverage_at_2"] == 2 / 4
    assert found.metrics["popularity_at_2"] == 1.5
    assert found.metrics["popularity_lift_at_2"] == pytest.approx(1.5 / 2)  # both chose items that two people have


def test_slices_by_history_and_by_popularity():
    test = log(("ann", "c"), ("ben", "a"), ("cat", "b"))
    found = evaluate(Always([2, 1]), examine(TRAIN, test, VOCABULARY), CONFIG)
    by_history = {part.label: (part.users, part.metrics["recall_at_2"]) for part in found.slices[:2]}
    assert by_history == {"1 to 2": (2, 0.5), "3 to 5": (1, 1.0)}
    by_popularity = {part.label: (part.users, part.metrics["recall_at_2"]) for part in found.slices[2:]}
    assert by_popularity == {"head": (1, 0.0), "mid": (1, 1.0), "tail": (1, 1.0)}


def test_nobody_to_ask_is_no_trouble():
    for test in (log(), log(("ann", "a")), log(("eve", "a"))):
        found = evaluate(Always([0]), examine(TRAIN, test, VOCABULARY), CONFIG)
        assert found.metrics["recall_at_5"] == 0.0
        assert all(np.isfinite(value) for value in found.metrics.values())
        assert found.intervals == {}


def test_users_are_asked_in_blocks_with_equal_results(monkeypatch):
    draw = np.random.default_rng(0)
    train = log(*{(f"u{draw.integers(30)}", f"i{draw.integers(20):02}") for _ in range(200)})
    test = log(*{(f"u{draw.integers(40)}", f"i{draw.integers(25):02}") for _ in range(150)})
    vocabulary = Vocabulary.fit(train, "string", "string")
    examination = examine(train, test, vocabulary)
    model = popularity.fit(histories_of(train, vocabulary), seed=0, config=CONFIG)
    whole = evaluate(model, examination, CONFIG)
    monkeypatch.setattr(protocol, "_BLOCK_USERS", 7)
    parts = evaluate(model, examination, CONFIG)
    assert whole.per_user.equals(parts.per_user)
    assert whole.metrics == parts.metrics
    assert whole.intervals == parts.intervals
    always = Always([0])
    evaluate(always, examination, CONFIG)
    assert max(always.asked) == 7


pairs = st.sets(st.tuples(st.sampled_from("ABCDEF"), st.sampled_from("pqrstuvw")), min_size=1, max_size=30)


@settings(deadline=None)
@given(pairs, pairs, st.integers(0, 2**16))
def test_marks_are_those_of_a_slow_loop(train_pairs, test_pairs, seed):
    train, test = log(*sorted(train_pairs)), log(*sorted(test_pairs))
    vocabulary = Vocabulary.fit(train, "string", "string")
    order = np.random.default_rng(seed).permutation(vocabulary.n_items).tolist()
    found = evaluate(Always(order), examine(train, test, vocabulary), CONFIG)
    names = [vocabulary.item_ids[number] for number in order]
    recalls = {}
    for user in sorted({user for user, _ in test_pairs}):
        right = {item for who, item in test_pairs - train_pairs if who == user}
        if right:
            recalls[user] = len(right & set(names[:2])) / len(right)
    marked = found.per_user.filter(pl.col("n_relevant") > 0)
    assert dict(zip(marked["user_id"], marked["recall_at_2"], strict=True)) == pytest.approx(recalls)
    headline = [recall for user, recall in recalls.items() if user in vocabulary.user_ids]
    assert found.metrics["recall_at_2"] == pytest.approx(np.mean(headline) if headline else 0.0)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_mean_of_vectors_is_the_headline_recall(k):
    draw = np.random.default_rng(1)
    train = log(*{(f"u{draw.integers(20)}", f"i{draw.integers(15)}") for _ in range(100)})
    test = log(*{(f"u{draw.integers(30)}", f"i{draw.integers(20)}") for _ in range(100)})
    vocabulary = Vocabulary.fit(train, "string", "string")
    examination = examine(train, test, vocabulary)
    queries = draw.normal(size=(len(examination), 4)).astype(np.float32)
    items = draw.normal(size=(vocabulary.n_items, 4)).astype(np.float32)
    ranked = rank_exact(queries, items, examination.queries.histories, k).item_nums
    recalls = []
    for row in np.flatnonzero(examination.headline):
        found = set(ranked[row]) & set(examination.relevant.row(row))
        recalls.append(len(found) / examination.n_relevant[row])
    assert mean_of_vectors(queries, items, examination, k) == pytest.approx(np.mean(recalls))


def test_mean_of_vectors_with_nobody_to_ask():
    examination = examine(TRAIN, log(("eve", "a")), VOCABULARY)
    assert mean_of_vectors(np.ones((1, 2), np.float32), np.ones((4, 2), np.float32), examination, 5) == 0.0
