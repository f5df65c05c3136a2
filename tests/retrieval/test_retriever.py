"""Recommendations in external ids: equal however asked, never what was seen, marked where nothing is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from toy_bundle import random_bundle

from recsys_cl.errors import ConfigError, InputError
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.retrieval.retriever import Retriever

UNKNOWN_USER = 99_999


def seen_by(retriever: Retriever, user: int) -> set[str]:
    vocabulary = retriever.bundle.vocabulary
    (num,) = vocabulary.user_nums(pl.Series([str(user)]))
    return set(vocabulary.item_ids.gather(retriever.bundle.histories.row(num)).to_list())


def by_popularity(retriever: Retriever) -> list[str]:
    items = retriever.bundle.items.sort("interactions", descending=True, maintain_order=True)
    return items["item_id"].to_list()


def test_a_frame_says_who_what_how_much_and_why(retriever):
    frame = retriever.recommend([10, 11], k=3)
    assert frame.schema == {
        "user_id": pl.Int64,
        "item_id": pl.String,
        "score": pl.Float32,
        "rank": pl.Int32,
        "source": pl.String,
    }
    assert frame["user_id"].to_list() == [10, 10, 10, 11, 11, 11]
    assert frame["rank"].to_list() == [1, 2, 3, 1, 2, 3]
    assert frame["source"].unique().to_list() == ["model"]
    assert (frame.filter(user_id=10)["score"].diff().drop_nulls() <= 0).all()


def test_what_the_model_knows_decides(retriever):
    bundle = retriever.bundle
    (num,) = bundle.vocabulary.user_nums(pl.Series(["12"]))
    queries = Queries(np.array([num], dtype=np.int32), bundle.histories.take(np.array([num])))
    scores = bundle.towers.query_vectors(queries)[0] @ bundle.towers.item_vectors().T
    scores[bundle.histories.row(num)] = -np.inf
    best = bundle.vocabulary.item_ids.gather(np.argsort(-scores)[:5]).to_list()
    assert retriever.recommend([12], k=5)["item_id"].to_list() == best


def test_seen_items_come_back_only_if_wanted(retriever):
    for user in range(10, 50):
        assert not seen_by(retriever, user) & set(retriever.recommend([user], k=100)["item_id"])
        everything = retriever.recommend([user], k=100, exclude_seen=False)
        assert everything.height == 30
        assert retriever.recommend([user], k=100).height == 30 - len(seen_by(retriever, user))


def test_one_by_one_equals_together(retriever):
    users = [12, UNKNOWN_USER, 49, 12, 10]
    alone = pl.concat([retriever.recommend([user], k=6) for user in users])
    assert_frame_equal(retriever.recommend(users, k=6), alone)


def test_every_way_of_asking_gives_the_same(retriever):
    wanted = retriever.recommend([10, 11, UNKNOWN_USER], k=4)
    ids = [10, 11, UNKNOWN_USER]
    asked = [
        tuple(ids),
        np.array(ids),
        pl.Series(ids),
        pl.Series([str(number) for number in ids]),
        pl.Series([float(number) for number in ids]),
        pl.DataFrame({"user_id": ids, "more": [1, 2, 3]}),
        iter(ids),
    ]
    for users in asked:
        answer = retriever.recommend(users, k=4)
        assert isinstance(answer, pl.DataFrame)
        assert_frame_equal(answer, wanted)
    for users in (pd.Series(ids), pd.DataFrame({"user_id": ids}), pd.Index(ids), pd.Series([10.0, 11.0, UNKNOWN_USER])):
        answer = retriever.recommend(users, k=4)
        assert isinstance(answer, pd.DataFrame)
        assert answer["user_id"].dtype == np.int64
        assert_frame_equal(pl.from_pandas(answer), wanted)


@pytest.mark.parametrize("kinds", [("integer", "integer"), ("string", "string"), ("string", "integer")])
def test_ids_come_back_as_they_were_written(kinds):
    retriever = Retriever(random_bundle(kinds=kinds), "toy")
    types = {"integer": pl.Int64, "string": pl.String}
    user = 10 if kinds[0] == "integer" else "10"
    frame = retriever.recommend([user], k=3)
    assert (frame.schema["user_id"], frame.schema["item_id"]) == (types[kinds[0]], types[kinds[1]])
    similar = retriever.similar_items(frame["item_id"], k=2)
    assert (similar.schema["item_id"], similar.schema["similar_item_id"]) == (types[kinds[1]], types[kinds[1]])
    again = retriever.recommend_from_history([frame["item_id"].to_list()], k=2)
    assert again.schema["item_id"] == types[kinds[1]]


def test_an_unknown_user_gets_what_is_popular_and_is_told_so(retriever):
    frame = retriever.recommend([UNKNOWN_USER], k=5)
    assert frame["source"].unique().to_list() == ["popularity"]
    assert frame["item_id"].to_list() == by_popularity(retriever)[:5]
    counts = retriever.bundle.items.sort("interactions", descending=True)["interactions"].head(5)
    assert frame["score"].to_list() == counts.to_list()


def test_evaluation_and_people_get_the_same(retriever):
    queries = retriever.queries_of(pl.Series(["10", str(UNKNOWN_USER)]))
    matches = retriever.rank(queries, 4)
    items = retriever.bundle.vocabulary.item_ids
    assert items.gather(matches.item_nums.ravel()).to_list() == (
        retriever.recommend([10, UNKNOWN_USER], k=4)["item_id"].to_list()
    )


def test_all_items_seen_leaves_no_row():
    bundle = random_bundle(users=2, items=3)
    everything = Histories(
        np.array([0, 3, 4]), np.array([0, 1, 2, 0], dtype=np.int32), None, np.ones(4, dtype=np.float32), 3
    )
    retriever = Retriever(
        type(bundle)(
            bundle.towers, bundle.vocabulary, bundle.items, everything, bundle.search, bundle.index, bundle.config
        ),
        "toy",
    )
    frame = retriever.recommend([10, 11], k=5)
    assert frame["user_id"].to_list() == [11, 11]


def test_allowed_and_denied_items(retriever):
    allow, deny = ["i0001", "i0002", "i0003", "no such item"], ["i0002", "nor this"]
    for user in (10, 11, UNKNOWN_USER):
        seen = seen_by(retriever, user) if user != UNKNOWN_USER else set()
        frame = retriever.recommend([user], k=50, allow=allow)
        assert set(frame["item_id"]) == {"i0001", "i0002", "i0003"} - seen
        frame = retriever.recommend([user], k=50, allow=allow, deny=pl.Series(deny))
        assert set(frame["item_id"]) == {"i0001", "i0003"} - seen
        frame = retriever.recommend([user], k=50, deny=deny)
        assert frame.height == 29 - len(seen - {"i0002"})
    with pytest.raises(InputError, match="leave nothing to recommend"):
        retriever.recommend([10], allow=["no such item"])
    with pytest.raises(InputError, match="leave nothing to recommend"):
        retriever.recommend([10], allow=["i0001"], deny=["i0001"])


def test_nobody_asks(retriever):
    frame = retriever.recommend([], k=5)
    assert frame.height == 0
    assert frame.schema == retriever.recommend([10], k=5).schema
    assert retriever.recommend_from_history([], k=5).height == 0
    assert retriever.similar_items([], k=5).height == 0
    assert isinstance(retriever.recommend(pd.Series([], dtype="int64"), k=5), pd.DataFrame)


def test_histories_as_lists_and_as_frames_give_the_same(retriever):
    lists = [["i0001", "i0005"], ["i0009"], [], ["i0003", "i0003", "no such item"]]
    answer = retriever.recommend_from_history(lists, k=4)
    assert answer["user_id"].unique(maintain_order=True).to_list() == [0, 1, 2, 3]
    assert set(answer.filter(user_id=2)["source"]) == {"popularity"}
    assert set(answer.filter(pl.col("user_id") != 2)["source"]) == {"model"}
    assert answer.group_by("user_id", maintain_order=True).first()["ignored"].to_list() == [0, 0, 0, 1]
    for number, history in enumerate(lists):
        assert not set(history) & set(answer.filter(user_id=number)["item_id"])
    frame = pl.DataFrame({"user_id": [7, 3, 7, 1, 1, 1], "item_id": ["i0001", "i0009", "i0005", *lists[3]]})
    asked = retriever.recommend_from_history(frame, k=4)
    assert asked["user_id"].unique(maintain_order=True).to_list() == [7, 3, 1]
    kept = answer.filter(pl.col("user_id") != 2).drop("user_id")
    assert_frame_equal(asked.drop("user_id"), kept)
    from_pandas = retriever.recommend_from_history(frame.to_pandas(), k=4)
    assert isinstance(from_pandas, pd.DataFrame)
    assert_frame_equal(pl.from_pandas(from_pandas), asked)


def test_a_history_of_nothing_known_gets_what_is_popular(retriever):
    answer = retriever.recommend_from_history([["x", "y"]], k=2)
    assert answer["source"].to_list() == ["popularity"] * 2
    assert answer["ignored"].to_list() == [2, 2]


def test_similar_items_are_near_and_never_the_item_itself(retriever):
    vectors = retriever.bundle.towers.item_vectors()
    answer = retriever.similar_items(["i0004", "i0000"], k=3)
    for item, num in (("i0004", 4), ("i0000", 0)):
        cosine = vectors @ vectors[num] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors[num])
        cosine[num] = -np.inf
        rows = answer.filter(item_id=item)
        assert rows["similar_item_id"].to_list() == [f"i{n:04d}" for n in np.argsort(-cosine)[:3]]
        np.testing.assert_allclose(rows["score"], np.sort(cosine)[::-1][:3], atol=1e-6)
    assert retriever.similar_items(["i0004"], k=500).height == 29
    with pytest.raises(InputError, match=r"no item 'i004'. Did you mean 'i00\d4'"):
        retriever.similar_items(["i0001", "i004"], k=3)


def test_ids_that_cannot_be(retriever):
    with pytest.raises(InputError, match="Row 1 of user_id is null"):
        retriever.recommend([10, None])
    with pytest.raises(InputError, match="Row 1 of user_id is 'abc', but this model's user_id are integers"):
        retriever.recommend([10, "abc"])
    with pytest.raises(InputError, match="has no column 'user_id'; it has user"):
        retriever.recommend(pl.DataFrame({"user": [1]}))
    with pytest.raises(InputError, match="has no column 'item_id'"):
        retriever.recommend_from_history(pd.DataFrame({"user_id": [1]}))
    with pytest.raises(InputError, match="not the one text"):
        retriever.similar_items("i0001")


def test_names_versions_and_addresses(retriever, stored):
    assert retriever.name == "toy"
    assert retriever.version == retriever.digest[:12]
    with pytest.raises(ConfigError, match=r"scheme of 'modles:/toy/1'. Did you mean 'models'"):
        Retriever.load("modles:/toy/1")
    assert Retriever.load(str(stored)).digest == retriever.digest


def test_every_vector_is_finite_or_it_is_told(bundle):
    retriever = Retriever(random_bundle(), "toy")
    assert retriever.vectors_finite(block=7)
    retriever.bundle.towers.tables["user"][39, 0] = float("nan")
    assert not retriever.vectors_finite(block=7)
