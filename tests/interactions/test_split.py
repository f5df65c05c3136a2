"""Every interaction is in one part, and no part sees what it must not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from recsys_cl.config import SplitConfig
from recsys_cl.errors import InputError
from recsys_cl.interactions.schema import COLUMNS, Interactions
from recsys_cl.interactions.split import Split, pair_chances, split

START = datetime(2020, 1, 1, tzinfo=UTC)

# Small logs often cannot be split and are then given up; a busy machine can be slow.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


def make(rows, ordering="time") -> Interactions:
    """Make a log from (user, item, instant in seconds, part), sorted as ingest sorts it."""
    users, items, seconds, parts = zip(*rows, strict=True) if rows else ((), (), (), ())
    times = [START + timedelta(seconds=s) if ordering == "time" else None for s in seconds]
    frame = pl.DataFrame(
        {
            "user_id": [str(user) for user in users],
            "item_id": [str(item) for item in items],
            "value": [1.0] * len(rows),
            "time": times,
            "position": range(len(rows)),
            "part": parts,
        },
        schema=COLUMNS,
    ).sort("time", "position")
    return Interactions(frame, ordering, "integer", "integer", "digest", None, "log.csv")


def logs(*, max_users=6, max_items=8, max_time=30, parts=("train",), min_size=1, max_size=80):
    row = st.tuples(
        st.integers(0, max_users), st.integers(0, max_items), st.integers(0, max_time), st.sampled_from(parts)
    )
    return st.lists(row, min_size=min_size, max_size=max_size)


def attempt(log: Interactions, kind: str = "auto", seed: int = 0, **shares: float) -> Split:
    """Split, or give the example up where the log is too small (that the message is right is tested below)."""
    try:
        return split(log, SplitConfig(split=kind, **shares), seed=seed)
    except InputError:
        reject()


def positions(parts: Split) -> list[int]:
    return sorted(p for part in (parts.train, parts.validation, parts.test) for p in part["position"].to_list())


def pairs_of(frame: pl.DataFrame) -> set[tuple[str, str]]:
    return set(frame.select("user_id", "item_id").rows())


@patient
@given(logs(parts=("train", "test")), st.sampled_from(["time", "last", "random", "given"]))
def test_every_row_is_in_exactly_one_part_and_keeps_its_order(rows, kind):
    log = make(rows)
    parts = attempt(log, kind)
    assert positions(parts) == sorted(log.frame["position"])
    order = {position: at for at, position in enumerate(log.frame["position"])}
    for part in (parts.train, parts.validation, parts.test):
        assert not part.is_empty()
        assert part.schema == log.frame.schema
        ranks = [order[position] for position in part["position"]]
        assert ranks == sorted(ranks)


@patient
@given(logs())
def test_time_cutoffs_part_the_past_from_the_future(rows):
    parts = attempt(make(rows), "time")
    first, second = parts.cutoffs
    assert first.utcoffset() == timedelta(0)
    assert parts.train["time"].max() < first <= parts.validation["time"].min()
    assert parts.validation["time"].max() < second <= parts.test["time"].min()


@patient
@given(st.integers(30, 300), st.floats(0.05, 0.4), st.floats(0.05, 0.4))
def test_time_shares_are_met_when_instants_are_distinct(n, test_share, validation_share):
    log = make([(i % 7, i % 5, i, "train") for i in range(n)])
    parts = attempt(log, "time", test_share=test_share, validation_share=validation_share)
    assert abs(len(parts.test) - test_share * n) <= 1
    assert abs(len(parts.validation) - validation_share * n) <= 1


@patient
@given(logs(max_time=4), st.floats(0.05, 0.45), st.floats(0.05, 0.45))
def test_time_cutoffs_are_the_best_there_are(rows, test_share, validation_share):
    parts = attempt(make(rows), "time", test_share=test_share, validation_share=validation_share)
    seconds = sorted(second for _, _, second, _ in rows)
    instants = sorted(set(seconds))
    second = min(instants[2:], key=lambda t: abs(sum(s >= t for s in seconds) - test_share * len(rows)))
    assert abs(len(parts.test) - test_share * len(rows)) == abs(
        sum(s >= second for s in seconds) - test_share * len(rows)
    )


def test_an_instant_is_never_torn_apart():
    rows = [(u, i, day, "train") for day, size in enumerate([10, 10, 30, 10]) for u in range(size) for i in [day]]
    parts = split(make(rows), SplitConfig(split="time", test_share=0.3, validation_share=0.3), seed=0)
    assert [len(parts.train), len(parts.validation), len(parts.test)] == [20, 30, 10]


@patient
@given(logs(), st.sampled_from(["time", "order"]))
def test_last_two_interactions_of_a_user_examine(rows, ordering):
    log = make(rows, ordering)
    parts = attempt(log, "last")
    train, validation, test = (dict(part.group_by("user_id").len().rows()) for part in positions_by_part(parts))
    for (user,), own in log.frame.group_by("user_id"):
        if len(own) < 3:
            assert user not in test
            assert user not in validation
            assert train[user] == len(own)
        else:
            mine = own["position"].to_list()
            assert parts.test.filter(pl.col("user_id") == user)["position"].to_list() == mine[-1:]
            assert parts.validation.filter(pl.col("user_id") == user)["position"].to_list() == mine[-2:-1]


def positions_by_part(parts: Split) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    return parts.train, parts.validation, parts.test


@patient
@given(logs(min_size=20), st.integers(0, 5))
def test_random_never_puts_a_pair_in_two_parts_and_leaves_everyone_something(rows, seed):
    log = make(rows, "none")
    parts = attempt(log, "random", seed, test_share=0.4, validation_share=0.4)
    train, validation, test = map(pairs_of, positions_by_part(parts))
    assert not train & validation
    assert not train & test
    assert not validation & test
    assert set(parts.train["user_id"]) == set(log.frame["user_id"])


@patient
@given(logs(min_size=20), st.integers(0, 5), st.randoms(use_true_random=False))
def test_random_does_not_depend_on_the_order_of_rows(rows, seed, random):
    shuffled = list(rows)
    random.shuffle(shuffled)
    one = attempt(make(rows, "none"), "random", seed, test_share=0.3, validation_share=0.3)
    other = attempt(make(shuffled, "none"), "random", seed, test_share=0.3, validation_share=0.3)
    assert pairs_of(one.test) == pairs_of(other.test)
    assert pairs_of(one.validation) == pairs_of(other.validation)


def test_random_stays_put_when_others_join():
    rows = [(u, i, 0, "train") for u in range(40) for i in range(20)]
    more = rows + [(u, i, 0, "train") for u in range(40, 60) for i in range(30)]
    one, other = (split(make(log, "none"), SplitConfig(), seed=3) for log in (rows, more))
    assert pairs_of(one.test) == {pair for pair in pairs_of(other.test) if int(pair[0]) < 40}


def test_random_meets_its_shares_and_follows_its_seed():
    rows = [(u, i, 0, "train") for u in range(100) for i in range(100)]
    one, again, other = (split(make(rows, "none"), SplitConfig(), seed=seed) for seed in (1, 1, 2))
    assert abs(len(one.test) - 1000) < 120
    assert abs(len(one.validation) - 1000) < 120
    assert one.test.equals(again.test)
    overlap = len(pairs_of(one.test) & pairs_of(other.test))
    assert 50 < overlap < 170  # chance alone gives 100


def test_chances_are_uniform_and_unrelated_across_users_and_items():
    users = pl.Series([str(u) for u in range(200) for _ in range(200)])
    items = pl.Series([str(i) for _ in range(200) for i in range(200)])
    chances = pair_chances(users, items, seed=0).reshape(200, 200)
    assert np.all((chances >= 0) & (chances < 1))
    histogram = np.histogram(chances, bins=20, range=(0, 1))[0]
    assert np.sum((histogram - 2000) ** 2 / 2000) < 45  # chi-squared, 19 degrees of freedom: p > .0007
    assert np.abs(chances.mean(axis=0) - 0.5).max() < 0.1
    assert np.abs(chances.mean(axis=1) - 0.5).max() < 0.1
    assert np.abs(np.corrcoef(chances) - np.eye(200)).max() < 0.4


@patient
@given(logs(parts=("train", "train", "test")), st.sampled_from(["time", "order", "none"]))
def test_given_test_is_taken_as_it_came(rows, ordering):
    log = make(rows, ordering)
    parts = attempt(log, "given", validation_share=0.2)
    assert parts.test.equals(log.frame.filter(pl.col("part") == "test"))
    if ordering == "time":
        assert parts.train["time"].max() < parts.validation["time"].min()


@patient
@given(logs(parts=("train", "train", "test"), max_users=3), st.sampled_from(["order", "none"]), st.floats(0.05, 0.45))
def test_given_without_times_validates_on_the_ends_of_lists(rows, ordering, share):
    parts = attempt(make([*rows, (0, 0, 0, "test")], ordering), "given", validation_share=share)
    for (user,), own in parts.validation.group_by("user_id"):
        rest = parts.train.filter(pl.col("user_id") == user)
        assert rest["position"].max() < own["position"].min()
        assert abs(len(own) - share * (len(own) + len(rest))) <= 0.5


def test_given_lets_short_lists_be():
    rows = [(0, i, 0, "train") for i in range(4)] + [(1, i, 0, "train") for i in range(20)] + [(0, 9, 0, "test")]
    parts = split(make(rows, "none"), SplitConfig(), seed=0)
    assert parts.kind == "given"
    assert parts.validation.select("user_id", "item_id").rows() == [("1", "18"), ("1", "19")]


@pytest.mark.parametrize(("ordering", "kind"), [("time", "time"), ("order", "last"), ("none", "random")])
def test_auto_takes_what_the_log_allows(ordering, kind):
    rows = [(u, i, u + 10 * i, "train") for u in range(20) for i in range(10)]
    assert split(make(rows, ordering), SplitConfig(), seed=0).kind == kind
    given_too = [*rows, (0, 11, 500, "test")]
    assert split(make(given_too, ordering), SplitConfig(), seed=0).kind == "given"


@pytest.mark.parametrize(
    ("rows", "ordering", "kind", "said"),
    [
        ([], "time", "auto", "no interactions left"),
        ([(0, 0, 5, "train")], "time", "auto", "1 distinct instants"),
        ([(u, i, 5, "train") for u in range(9) for i in range(9)], "time", "auto", "--split last or --split random"),
        ([(0, i, i, "train") for i in range(9)], "none", "time", "has no times"),
        ([(0, i, i, "train") for i in range(9)], "none", "last", "--ordered"),
        ([(u, i, i, "train") for u in range(9) for i in range(2)], "order", "auto", "at least three interactions"),
        ([(0, 0, 0, "train")] * 9, "none", "auto", "--test-share"),
        ([(u, 0, 0, "train") for u in range(9)], "none", "random", "9 interactions of 9 users"),
        ([(0, i, i, "train") for i in range(9)], "time", "given", "--test"),
        ([(0, i, i, "test") for i in range(9)], "time", "auto", "--input"),
        ([(0, 1, 3, "train"), (0, 2, 4, "test")], "time", "auto", "--validation-share"),
        ([(0, 1, 0, "train"), (0, 2, 0, "test")], "none", "auto", "--validation-share"),
    ],
)
def test_a_log_that_cannot_be_split_is_refused_with_a_remedy(rows, ordering, kind, said):
    with pytest.raises(InputError, match=said) as refusal:
        split(make(rows, ordering), SplitConfig(split=kind), seed=0)
    assert "log.csv" in str(refusal.value)


def test_one_user_and_one_item_can_be_split_by_time():
    rows = [(0, 0, second, "train") for second in range(3)]
    parts = split(make(rows), SplitConfig(), seed=0)
    assert [len(parts.train), len(parts.validation), len(parts.test)] == [1, 1, 1]
