"""Ids and numbers are one to one, and ids leave as they came."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_cl.pairs.vocabulary import UNKNOWN, Vocabulary

IDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INTEGERS = st.integers(-(2**63), 2**63 - 1).map(str)

patient = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def frame_of(users, items) -> pl.DataFrame:
    return pl.DataFrame({"user_id": users, "item_id": items}, schema={"user_id": pl.String, "item_id": pl.String})


def rows(ids):
    return st.lists(st.tuples(ids, ids), max_size=40).map(
        lambda pairs: frame_of(*zip(*pairs, strict=True) if pairs else ([], []))
    )


@patient
@given(rows(IDS), st.lists(IDS))
def test_numbers_are_contiguous_and_lead_back_to_the_ids(frame, others):
    vocabulary = Vocabulary.fit(frame, "string", "string")
    for ids, known, numbers in (
        (frame["user_id"], vocabulary.user_ids, vocabulary.user_nums),
        (frame["item_id"], vocabulary.item_ids, vocabulary.item_nums),
    ):
        assert known.to_list() == sorted(set(ids.to_list()), key=lambda text: text.encode())
        assert numbers(known).tolist() == list(range(len(known)))
        assert known.gather(numbers(ids)).to_list() == ids.to_list()
        asked = pl.Series(others, dtype=pl.String)
        place = {text: number for number, text in enumerate(known)}
        assert numbers(asked).tolist() == [place.get(text, UNKNOWN) for text in others]
        assert numbers(asked).dtype == np.int32
    assert (vocabulary.n_users, vocabulary.n_items) == (len(vocabulary.user_ids), len(vocabulary.item_ids))


@patient
@given(rows(IDS), st.randoms(use_true_random=False))
def test_numbers_do_not_depend_on_the_order_of_rows(frame, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    one, other = (Vocabulary.fit(f, "string", "string") for f in (frame, frame[order]))
    assert one.user_ids.equals(other.user_ids)
    assert one.item_ids.equals(other.item_ids)


@patient
@given(rows(IDS))
def test_strings_survive_saving(tmp_path, frame):
    before = Vocabulary.fit(frame, "string", "string")
    before.save(tmp_path)
    after = Vocabulary.load(tmp_path)
    assert after.user_ids.equals(before.user_ids)
    assert after.item_ids.equals(before.item_ids)
    assert (after.user_kind, after.item_kind) == ("string", "string")


@patient
@given(rows(INTEGERS))
def test_integers_survive_saving_and_leave_as_integers(tmp_path, frame):
    before = Vocabulary.fit(frame, "integer", "string")
    before.save(tmp_path)
    after = Vocabulary.load(tmp_path)
    assert after.user_ids.to_list() == before.user_ids.to_list()
    assert (after.user_kind, after.item_kind) == ("integer", "string")
    assert after.users_as_written().dtype == pl.Int64
    assert after.users_as_written().to_list() == [int(text) for text in before.user_ids]
    assert after.items_as_written().dtype == pl.String


@pytest.mark.parametrize(
    "asked", [pl.Series([7, 8, -1]), pl.Series(["7", "8", "-1"]), pl.Series([7, 8, -1], dtype=pl.Int32)]
)
def test_integers_are_found_however_they_are_asked_for(asked):
    vocabulary = Vocabulary.fit(frame_of(["7", "-1"], ["1", "1"]), "integer", "integer")
    assert vocabulary.user_nums(asked).tolist() == [1, UNKNOWN, 0]


def test_a_missing_id_is_unknown_and_order_is_kept_for_many():
    rng = np.random.default_rng(0)
    ids = pl.Series([f"u{n}" for n in range(5000)])
    vocabulary = Vocabulary.fit(frame_of(ids, ids), "string", "string")
    asked = ids.gather(rng.integers(5000, size=50_000))
    assert vocabulary.user_ids.gather(vocabulary.user_nums(asked)).equals(asked.rename("user_id"))
    assert vocabulary.user_nums(pl.Series([None, "u1", None], dtype=pl.String)).tolist()[::2] == [UNKNOWN, UNKNOWN]
    assert vocabulary.user_nums(pl.Series([], dtype=pl.String)).shape == (0,)
