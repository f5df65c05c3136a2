"""A log folded in: newer histories decide, new users are served, and the towers are asked by their own numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from toy_bundle import random_bundle

from recsys_cl.errors import InputError
from recsys_cl.interactions.schema import COLUMNS, Interactions
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.pairs.vocabulary import UNKNOWN
from recsys_cl.retrieval.retriever import Retriever

# Users 10 to 49 and items i0000 to i0029 are the bundle's. Some of those who are not stand before it, some after it.
LOG = pl.DataFrame(
    {
        "user_id": [1, 12, 99_999, 12, 13, 1, 100],
        "item_id": ["i0003", "i0001", "i0007", "i0005", "new", "i0004", "newer"],
    }
)


def scored(retriever: Retriever, num: int, history: list[str], k: int) -> list[str]:
    """The best items for a user of the towers (-1 for none of them) with a history, worked out by hand."""
    bundle = retriever.bundle
    items = bundle.vocabulary.item_nums(pl.Series(history))
    row = Histories(np.array([0, len(items)]), items, None, np.ones(len(items), np.float32), bundle.vocabulary.n_items)
    query = bundle.towers.query_vectors(Queries(np.array([num], np.int32), row))[0]
    scores = bundle.towers.item_vectors() @ query
    scores[items] = -np.inf
    return bundle.vocabulary.item_ids.gather(np.argsort(-scores)[:k]).to_list()


def listed(retriever: Retriever, user: int | str, k: int = 5) -> list[str]:
    return retriever.recommend([user], k=k)["item_id"].to_list()


def as_log(retriever: Retriever) -> pl.DataFrame:
    """What the bundle holds of its users, as a log."""
    vocabulary, histories = retriever.bundle.vocabulary, retriever.bundle.histories
    users = vocabulary.users_as_written().gather(np.repeat(np.arange(len(histories)), histories.lengths))
    return pl.DataFrame([users, vocabulary.items_as_written().gather(histories.item_nums)])


def test_histories_of_the_log_decide_and_known_users_keep_their_number(retriever):
    folded = retriever.fold_in(LOG)
    (num,) = retriever.bundle.vocabulary.user_nums(pl.Series(["12"]))
    assert listed(folded, 12) == scored(retriever, num, ["i0001", "i0005"], 5)
    assert listed(folded, 12) != listed(retriever, 12)
    assert not {"i0001", "i0005"} & set(listed(folded, 12, k=100))
    assert len(listed(folded, 12, k=100)) == 28


def test_users_the_towers_lack_have_no_number_for_them(retriever):
    folded = retriever.fold_in(LOG)
    assert listed(folded, 1) == scored(retriever, UNKNOWN, ["i0003", "i0004"], 5)
    assert listed(folded, 99_999) == scored(retriever, UNKNOWN, ["i0007"], 5)
    assert listed(folded, 1) == retriever.recommend_from_history([["i0003", "i0004"]], k=5)["item_id"].to_list()
    nums = folded.queries_of(folded.user_ids).user_nums
    assert dict(zip(folded.user_ids, nums, strict=True)) == {"1": -1, "100": -1, "12": 2, "13": 3, "99999": -1}


def test_more_users_than_the_towers_know_are_no_trouble(retriever):
    ids = [*range(10), *range(10, 50, 7), *range(1000, 1300)]
    log = pl.DataFrame({"user_id": ids, "item_id": [f"i{n % 30:04d}" for n in range(len(ids))]})
    frame = retriever.fold_in(log).recommend(ids, k=3)
    assert frame.height == 3 * len(ids)
    assert set(frame["source"]) == {"model"}


def test_where_the_log_says_nothing_readable_the_bundle_is_asked(retriever):
    folded = retriever.fold_in(LOG)
    for user in (13, 14):  # one with an item that the model lacks, one who is not in the log
        assert_frame_equal(folded.recommend([user], k=9), retriever.recommend([user], k=9))
    for user in (100, 101):
        assert set(folded.recommend([user], k=3)["source"]) == {"popularity"}


def test_what_the_bundle_holds_folded_in_changes_nothing(retriever):
    folded, users = retriever.fold_in(as_log(retriever)), retriever.bundle.vocabulary.users_as_written()
    assert_frame_equal(folded.recommend(users, k=30), retriever.recommend(users, k=30))
    assert folded.user_ids.equals(retriever.user_ids)


def test_one_by_one_equals_together(retriever):
    folded, users = retriever.fold_in(LOG), [13, 1, 12, 100, 49, 1]
    assert_frame_equal(folded.recommend(users, k=6), pl.concat([folded.recommend([user], k=6) for user in users]))


def test_the_retriever_itself_stays_as_it_was(retriever):
    before = retriever.recommend([12, 1], k=5)
    retriever.fold_in(LOG)
    assert retriever.log is None
    assert_frame_equal(retriever.recommend([12, 1], k=5), before)


def test_a_second_log_takes_the_place_of_the_first(retriever):
    twice = retriever.fold_in(LOG[:3]).fold_in(LOG[3:])
    assert_frame_equal(twice.recommend([12, 1], k=5), retriever.fold_in(LOG[3:]).recommend([12, 1], k=5))


def test_it_is_told_what_was_folded_in(retriever):
    assert retriever.fold_in(LOG).log.describe() == {
        "users": 5,
        "new_users": 3,
        "interactions": 5,
        "unknown_interactions": 2,
        "unknown_items": 2,
    }
    nothing = retriever.fold_in(LOG[:0])
    assert set(nothing.log.describe().values()) == {0}
    assert len(nothing.user_ids) == 0
    assert_frame_equal(nothing.recommend([12], k=5), retriever.recommend([12], k=5))


def test_logs_are_told_apart(retriever):
    logs = [LOG, LOG.reverse(), LOG[:-1], LOG.with_columns(user_id=pl.col("user_id") + 1)]
    assert len({retriever.fold_in(log).log.digest for log in logs}) == 4
    assert retriever.fold_in(LOG.to_pandas()).log.digest == retriever.fold_in(LOG).log.digest


def test_a_log_of_a_snapshot_is_read_in_order_of_time():
    retriever = Retriever(random_bundle(kinds=("string", "string")), "toy")
    frame = LOG.with_columns(pl.col("user_id").cast(pl.String))
    days = pl.Series("time", range(len(frame)), pl.Int64) * 86_400_000_000
    shuffled = frame.with_columns(
        days.cast(COLUMNS["time"]), value=pl.lit(1.0, pl.Float32), position=pl.Series(range(len(frame))[::-1])
    ).with_columns(part=pl.lit("train"))[::-1]
    log = Interactions(shuffled, "time", "string", "string", "f" * 64, None, "toy")
    folded, plain = retriever.fold_in(log), retriever.fold_in(frame)
    assert folded.log.digest == "f" * 64
    assert folded.log.histories.item_nums.tolist() == plain.log.histories.item_nums.tolist()
    assert_frame_equal(folded.recommend(folded.user_ids, k=5), plain.recommend(plain.user_ids, k=5))


@pytest.mark.parametrize("kinds", [("integer", "integer"), ("string", "string"), ("string", "integer")])
def test_ids_come_back_as_the_model_writes_them(kinds):
    retriever = Retriever(random_bundle(kinds=kinds), "toy")
    types = {"integer": pl.Int64, "string": pl.String}
    items = [3, 4, 5] if kinds[1] == "integer" else ["i0003", "i0004", "i0005"]
    for users in ([7, 12, 7], ["7", "12", "7"], pd.Series([7.0, 12.0, 7.0])):
        log = pl.DataFrame({"user_id": pl.Series(users) if isinstance(users, list) else pl.from_pandas(users)})
        folded = retriever.fold_in(log.with_columns(item_id=pl.Series(items)))
        frame = folded.recommend(folded.user_ids, k=2)
        assert (frame.schema["user_id"], frame.schema["item_id"]) == (types[kinds[0]], types[kinds[1]])
        assert frame["user_id"].cast(pl.String).to_list() == ["12", "12", "7", "7"]


def test_pandas_and_polars_give_the_same(retriever):
    answer = retriever.fold_in(LOG.to_pandas()).recommend(LOG["user_id"], k=4)
    assert_frame_equal(answer, retriever.fold_in(LOG).recommend(LOG["user_id"], k=4))


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ({"user_id": [1]}, "has no column 'item_id'; it has user_id"),
        ({"user": [1], "item_id": ["i0001"]}, "has no column 'user_id'"),
        ({"user_id": [1, None], "item_id": ["i0001", "i0002"]}, "Row 1 of user_id is null"),
        ({"user_id": [1], "item_id": [None]}, "Row 0 of item_id is null"),
        ({"user_id": ["1", "abc"], "item_id": ["i0001"] * 2}, "1 users such as 'abc', but this model's .* integers"),
        ({"user_id": ["1", "007"], "item_id": ["i0001"] * 2}, "1 users such as '007', but this model's .* integers"),
        ({"user_id": [1, 2], "item_id": ["x", "y"]}, "none of the 2 items of the log, such as 'x'.* like 'i0000'"),
    ],
)
def test_logs_that_cannot_be_folded_in(retriever, log, why):
    for frame in (pl.DataFrame(log), pd.DataFrame(log)):
        with pytest.raises(InputError, match=why):
            retriever.fold_in(frame)
