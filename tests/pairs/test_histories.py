"""Histories hold what each user did, oldest first, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.interactions.schema import COLUMNS
from recsys_cl.pairs.histories import Histories, Queries, histories_of, ragged
from recsys_cl.pairs.vocabulary import Vocabulary

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VOCABULARY = Vocabulary(
    pl.Series("user_id", [str(n) for n in range(6)]),
    pl.Series("item_id", [str(n) for n in range(8)]),
    "integer",
    "integer",
)  # the logs below also have users and items that it lacks

patient = settings(deadline=None)


@st.composite
def logs(draw, timed=None):
    timed = draw(st.booleans()) if timed is None else timed
    row = st.tuples(st.integers(0, 8), st.integers(0, 9), st.integers(-5, 5), st.floats(0, 5, width=32))
    drawn = draw(st.lists(row, max_size=50))
    positions = draw(st.permutations(range(len(drawn))))
    return pl.DataFrame(
        {
            "user_id": [str(user) for user, *_ in drawn],
            "item_id": [str(item) for _, item, *_ in drawn],
            "value": [value for *_, value in drawn],
            "time": [EPOCH + timedelta(microseconds=at) if timed else None for _, _, at, _ in drawn],
            "position": positions,
            "part": ["train"] * len(drawn),
        },
        schema=COLUMNS,
    )


def expected(frame: pl.DataFrame, user: str) -> list[tuple[int, float, object]]:
    own = [row for row in frame.rows(named=True) if row["user_id"] == user and int(row["item_id"]) < 8]
    own.sort(key=lambda row: (row["time"] or EPOCH, row["position"]))
    return [(int(row["item_id"]), row["value"], row["time"]) for row in own]


@patient
@given(logs())
def test_rows_are_what_each_user_did_oldest_first(frame):
    histories = histories_of(frame, VOCABULARY)
    assert len(histories) == 6
    assert histories.n_items == 8
    assert (histories.indptr.dtype, histories.item_nums.dtype, histories.values.dtype) == (
        np.int64,
        np.int32,
        np.float32,
    )
    for number in range(6):
        own = expected(frame, str(number))
        assert histories.row(number).tolist() == [item for item, _, _ in own]
        start, stop = histories.indptr[number : number + 2]
        assert histories.values[start:stop].tolist() == [value for _, value, _ in own]
        if histories.times is not None:
            assert histories.times.dtype == np.int64
            micros = [(at - EPOCH) // timedelta(microseconds=1) for _, _, at in own]
            assert histories.times[start:stop].tolist() == micros
    assert histories.lengths.sum() == histories.indptr[-1] == len(histories.item_nums)


@patient
@given(logs(timed=False), logs(timed=True))
def test_times_are_there_just_when_the_log_has_them(untimed, timed):
    if len(untimed):
        assert histories_of(untimed, VOCABULARY).times is None
    assert histories_of(timed, VOCABULARY).times is not None


@patient
@given(logs(), st.lists(st.integers(-1, 5), max_size=12))
def test_take_gives_the_rows_asked_for(frame, wanted):
    histories = histories_of(frame, VOCABULARY)
    taken = histories.take(np.array(wanted, dtype=np.int32))
    assert len(taken) == len(wanted)
    assert taken.indptr.dtype == np.int64
    for at, number in enumerate(wanted):
        assert taken.row(at).tolist() == ([] if number < 0 else histories.row(number).tolist())
    parts = [slice(*histories.indptr[n : n + 2]) for n in wanted if n >= 0]
    assert taken.values.tolist() == [v for part in parts for v in histories.values[part]]
    if histories.times is not None:
        assert taken.times.tolist() == [t for part in parts for t in histories.times[part]]


def test_take_from_nobody():
    nobody = Histories(np.zeros(1, np.int64), np.zeros(0, np.int32), None, np.zeros(0, np.float32), 3)
    assert nobody.take(np.array([-1, -1])).lengths.tolist() == [0, 0]
    assert nobody.take(np.array([], dtype=np.int32)).lengths.tolist() == []
    assert nobody.matrix().shape == (0, 3)
    assert nobody.counts().tolist() == [0, 0, 0]


@patient
@given(logs())
def test_counts_and_matrix_agree_with_counting_by_hand(frame):
    histories = histories_of(frame, VOCABULARY)
    dense = np.zeros((6, 8))
    for number in range(6):
        for item in histories.row(number):
            dense[number, item] += 1
    assert histories.counts().tolist() == dense.sum(axis=0).tolist()
    matrix = histories.matrix()
    assert matrix.dtype == np.float32
    assert matrix.has_canonical_format
    assert np.array_equal(matrix.toarray(), dense > 0)


@patient
@given(logs(), st.lists(st.integers(-1, 3), max_size=50))
def test_ragged_puts_each_interaction_in_its_row(frame, rows):
    frame = frame.head(len(rows))
    rows = np.array(rows[: len(frame)], dtype=np.int64)
    histories = ragged(frame, rows, VOCABULARY, 4)
    for number in range(4):
        own = frame.filter(pl.Series(rows == number, dtype=pl.Boolean)).sort("time", "position")
        items = VOCABULARY.item_nums(own["item_id"])
        assert histories.row(number).tolist() == items[items >= 0].tolist()


@patient
@given(logs(), st.integers(0, 7), st.integers(0, 9))
def test_queries_are_sliced_with_their_histories(frame, start, stop):
    histories = histories_of(frame, VOCABULARY)
    queries = Queries(np.arange(6, dtype=np.int32), histories)
    part = queries.slice(start, stop)
    assert part.user_nums.tolist() == list(range(6))[start:stop]
    assert len(part) == len(part.histories)
    for at, number in enumerate(part.user_nums):
        assert part.histories.row(at).tolist() == histories.row(number).tolist()
