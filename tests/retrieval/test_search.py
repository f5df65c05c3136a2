"""Search leaves out what it must, gives all there is, and equals a slow search where it is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_bundle import random_histories

from recsys_cl.errors import ConfigError, IntegrityError, RecsysError
from recsys_cl.families import members
from recsys_cl.pairs.histories import Histories
from recsys_cl.retrieval.faiss_index import KINDS, FaissIndex
from recsys_cl.retrieval.search import Search

ITEMS, DIM = 600, 8
ROUNDING = {"sq8": 0.02, "sq4": 0.3}  # by how much a score may be off


def unit(rng: np.random.Generator, rows: int) -> np.ndarray:
    vectors = rng.standard_normal((rows, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def slow(queries, vectors, k, seen=None, allowed=None):
    """Rank one query and one item at a time."""
    answer = []
    for row, query in enumerate(queries):
        banned = set() if seen is None else set(seen.row(row).tolist())
        left = [n for n in range(len(vectors)) if n not in banned and (allowed is None or allowed[n])]
        answer.append(sorted(left, key=lambda n: (-float(vectors[n] @ query), n))[:k])
    return answer


def rows_of(matches):
    return [[n for n in row.tolist() if n >= 0] for row in matches.item_nums]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return unit(np.random.default_rng(0), ITEMS)


@pytest.fixture(scope="module", params=members(KINDS))
def search(request, vectors) -> Search:
    return Search(FaissIndex.build(request.param, vectors))


@pytest.fixture
def queries() -> np.ndarray:
    return unit(np.random.default_rng(1), 25)


def test_there_are_exact_and_approximate_kinds():
    assert {"exact", "hnsw", "ivf_flat", "ivf_sq8", "reranked_sq8", "sq4", "sq8"} <= set(members(KINDS))


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'hnsw'"):
        FaissIndex.build("hnws", np.ones((2, 2), dtype=np.float32))


def test_scores_fall_and_are_inner_products(search, vectors, queries):
    found = search(queries, 15)
    assert found.item_nums.dtype == np.int32
    assert found.scores.dtype == np.float32
    assert (np.diff(found.scores, axis=1) <= 0).all()
    products = np.einsum("qd,qkd->qk", queries, vectors[found.item_nums])
    np.testing.assert_allclose(found.scores, products, atol=ROUNDING.get(search.index.kind[-3:], 1e-5))


@settings(max_examples=25, deadline=None)
@given(k=st.integers(1, 40), longest=st.integers(1, 30), seed=st.integers(0, 1000), share=st.floats(0.02, 1))
def test_exact_search_equals_the_slow_one(k, longest, seed, share):
    rng = np.random.default_rng(seed)
    vectors = np.round(unit(rng, 30), 1)  # coarse, so that there are ties
    search = Search(FaissIndex.build("exact", vectors))
    asked = np.round(unit(rng, 6), 1)
    seen = random_histories(rng, 6, 30, longest)
    allowed = rng.random(30) < share
    found = search(asked, k, seen=seen, allowed=allowed)
    wanted = slow(asked, vectors, k, seen, allowed)
    assert [len(row) for row in rows_of(found)] == [len(row) for row in wanted]
    for row, (nums, best) in enumerate(zip(rows_of(found), wanted, strict=True)):
        # Sums in another order may differ in the last digit, so scores are compared, not places within a tie.
        np.testing.assert_allclose(vectors[nums] @ asked[row], vectors[best] @ asked[row], atol=1e-6)
        assert not set(nums) & set(seen.row(row).tolist())
        assert all(allowed[nums])
    assert (found.scores[found.item_nums < 0] == -np.inf).all()


@pytest.mark.parametrize("k", [1, 20, 300])
def test_what_was_seen_never_comes_back_and_nothing_is_lacking(search, queries, k):
    seen = random_histories(np.random.default_rng(2), len(queries), ITEMS, 400)
    found = search(queries, k, seen=seen)
    for row, nums in enumerate(rows_of(found)):
        banned = set(seen.row(row).tolist())
        assert not set(nums) & banned
        assert len(nums) == len(set(nums)) == min(k, ITEMS - len(banned))


def test_most_of_what_is_best_is_found(search, vectors, queries):
    thorough = Search(search.index.exhaustive())
    seen = random_histories(np.random.default_rng(2), len(queries), ITEMS, 50)
    found, wanted = rows_of(thorough(queries, 20, seen=seen)), slow(queries, vectors, 20, seen)
    share = np.mean([len(set(a) & set(b)) / 20 for a, b in zip(found, wanted, strict=True)])
    assert share > (0.7 if search.index.kind == "sq4" else 0.95)


@settings(max_examples=20)
@given(data=st.data())
def test_nothing_is_lacking_whatever_is_left_out(search, data):
    draw = np.random.default_rng(data.draw(st.integers(0, 10**6), label="seed"))
    left = data.draw(st.integers(0, 5), label="unseen items of the one who has seen nearly everything")
    k = data.draw(st.sampled_from([1, 3, 100, ITEMS - 1, ITEMS]), label="k")
    allowed = draw.random(ITEMS) < data.draw(st.sampled_from([0.01, 0.3, 0.95, 1.0]), label="allowed share")
    few_items = data.draw(st.sampled_from([0, 10_000]), label="allowed items searched exhaustively")
    rows = [draw.permutation(ITEMS)[left:], draw.integers(0, ITEMS, 40), np.zeros(0, dtype=int)]
    seen = histories_of_rows(rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("recsys_cl.retrieval.search._FEW_ITEMS", few_items)
        found = search(unit(draw, 3), k, seen=seen, allowed=allowed)
    for row, nums in zip(rows, rows_of(found), strict=True):
        eligible = set(np.flatnonzero(allowed).tolist()) - set(row.tolist())
        assert set(nums) <= eligible
        assert len(nums) == len(set(nums)) == min(k, len(eligible))
    assert (np.diff(np.maximum(found.scores, -9), axis=1) <= 0).all()
    assert ((found.item_nums < 0) == (found.scores == -np.inf)).all()


def histories_of_rows(rows):
    items = np.concatenate(rows).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Histories(indptr, items, None, np.ones(len(items), np.float32), ITEMS)


def test_what_an_index_keeps_of_an_item():
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((3000, 256)) / np.arange(1, 257)).astype(np.float32)
    kept = {kind: FaissIndex.build(kind, vectors).n_bytes / 3000 for kind in ("exact", "sq8", "sq4", "reranked_sq8")}
    assert kept["exact"] == pytest.approx(4 * 256, abs=1)
    assert kept["sq8"] == pytest.approx(256, abs=1)
    assert kept["sq4"] == pytest.approx(128, abs=1)
    rotation = 4 * 32 * 256 / 3000  # one matrix for all items
    assert kept["reranked_sq8"] == pytest.approx(256 + 32 + rotation, abs=2)


def test_principal_components_rank_by_inner_product_though_items_have_a_common_part():
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((2000, 64)) / np.arange(1, 65) + 3).astype(np.float32)
    queries = rng.standard_normal((50, 64)).astype(np.float32)
    index = FaissIndex.build("reranked_sq8", vectors).set_to({"k_factor": 8})
    found, wanted = index.nearest(queries, 10)[0].tolist(), slow(queries, vectors, 10)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, wanted, strict=True)]) > 0.9


def test_an_exact_index_shows_its_vectors_without_copying_them(vectors):
    index = FaissIndex.build("exact", vectors)
    np.testing.assert_array_equal(index.vectors, vectors)
    assert not index.vectors.flags.owndata


def test_all_items_seen_leaves_nothing(search, queries):
    everything = np.tile(np.arange(ITEMS, dtype=np.int32), 2)
    seen = Histories(np.array([0, ITEMS, 2 * ITEMS]), everything, None, np.ones(2 * ITEMS, np.float32), ITEMS)
    found = search(queries[:2], 5, seen=seen)
    assert (found.item_nums == -1).all()
    assert (found.scores == -np.inf).all()


def test_more_than_the_catalogue_gives_the_catalogue(search, queries):
    found = search(queries, ITEMS + 50)
    assert found.item_nums.shape == (len(queries), ITEMS + 50)
    assert [sorted(row) for row in rows_of(found)] == [list(range(ITEMS))] * len(queries)


@pytest.mark.parametrize("few_items", [0, 50_000])
def test_only_allowed_items_come_back(search, queries, few_items, monkeypatch):
    monkeypatch.setattr("recsys_cl.retrieval.search._FEW_ITEMS", few_items)
    allowed = np.zeros(ITEMS, dtype=bool)
    allowed[::3] = True
    seen = random_histories(np.random.default_rng(3), len(queries), ITEMS, 50)
    found = search(queries, 30, seen=seen, allowed=allowed)
    for row, nums in enumerate(rows_of(found)):
        assert allowed[nums].all()
        assert not set(nums) & set(seen.row(row).tolist())
        assert len(nums) == 30


def test_a_few_allowed_items_are_all_given(search, queries):
    allowed = np.zeros(ITEMS, dtype=bool)
    allowed[[5, 599]] = True
    found = search(queries, 3, allowed=allowed)
    assert [sorted(row) for row in rows_of(found)] == [[5, 599]] * len(queries)
    nothing = search(queries, 3, allowed=np.zeros(ITEMS, dtype=bool))
    assert (nothing.item_nums == -1).all()


def test_a_batch_gives_what_its_queries_give_alone(search, queries):
    seen = random_histories(np.random.default_rng(4), len(queries), ITEMS, 60)
    together = search(queries, 10, seen=seen)
    for row in range(len(queries)):
        alone = search(queries[row : row + 1], 10, seen=seen.take(np.array([row])))
        np.testing.assert_array_equal(alone.item_nums[0], together.item_nums[row])


@pytest.mark.parametrize("kind", members(KINDS))
def test_equal_scores_go_to_the_lower_item_number(vectors, queries, kind):
    search = Search(FaissIndex.build(kind, np.tile(vectors[:300], (2, 1))[np.random.default_rng(5).permutation(600)]))
    found = search(queries, 40)
    equal = found.scores[:, 1:] == found.scores[:, :-1]
    assert equal.sum() > 200  # each vector is there twice
    assert (np.diff(found.item_nums, axis=1)[equal] > 0).all()


def test_nobody_asks(search):
    assert search(np.zeros((0, DIM), dtype=np.float32), 5).item_nums.shape == (0, 5)


def test_an_index_comes_back_from_its_file(search, queries, tmp_path):
    search.index.write(tmp_path / "index.faiss")
    assert (tmp_path / "index.faiss").stat().st_size == search.index.n_bytes
    read = FaissIndex.read(tmp_path / "index.faiss", search.index.kind, search.index.parameters)
    again, before = read.nearest(queries, 9), search.index.nearest(queries, 9)
    np.testing.assert_array_equal(again[0], before[0])
    np.testing.assert_array_equal(again[1], before[1])


def test_a_truncated_index_is_refused_by_name(search, tmp_path):
    path = tmp_path / "index.faiss"
    search.index.write(path)
    for length in (0, 3, 100, path.stat().st_size - 1):
        search.index.write(path)
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(IntegrityError, match=r"index\.faiss is not a whole FAISS index"):
            FaissIndex.read(path, search.index.kind, search.index.parameters)
    with pytest.raises(IntegrityError, match="is missing"):
        FaissIndex.read(tmp_path / "other.faiss", search.index.kind, search.index.parameters)


def test_a_vector_that_is_not_finite_is_named():
    vectors = unit(np.random.default_rng(0), 50)
    vectors[17, 3] = np.nan
    with pytest.raises(RecsysError, match="item number 17"):
        FaissIndex.build("exact", vectors)
