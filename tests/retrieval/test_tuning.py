"""The index chosen is the quickest that reaches the recall asked for, measured with real users."""

from __future__ import annotations

import json

import numpy as np
import pytest

from recsys_cl.config import IndexConfig
from recsys_cl.errors import ConfigError, RecsysError
from recsys_cl.retrieval.faiss_index import FaissIndex
from recsys_cl.retrieval.tuning import IndexReport, build_index


@pytest.fixture(scope="module")
def vectors() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((40, 16))
    items = centres[rng.integers(0, 40, 3000)] + 0.4 * rng.standard_normal((3000, 16))
    users = centres[rng.integers(0, 40, 200)] + 0.4 * rng.standard_normal((200, 16))
    return items.astype(np.float32), users.astype(np.float32)


def test_a_small_catalogue_is_searched_exactly(vectors):
    search, report = build_index(*vectors, IndexConfig(), k=20, seed=0)
    assert (report.kind, report.recall, report.n_items) == ("exact", 1.0, 3000)
    assert len(report.tried) == 1
    assert report.bytes == search.index.n_bytes > 3000 * 16 * 4
    assert report.describe()["bytes_per_item"] == report.bytes / 3000
    assert report.ms_per_query > 0


def test_a_large_one_is_measured_and_what_is_said_is_true(vectors):
    items, users = vectors
    search, report = build_index(items, users, IndexConfig(exact_below=1000, index_recall=0.95), k=20, seed=0)
    assert {trial.kind for trial in report.tried} >= {"exact", "hnsw", "ivf_flat", "ivf_sq8"}
    assert report.recall >= 0.95
    reached = [trial for trial in report.tried if trial.recall >= 0.95]
    assert report.ms_per_query == min(trial.ms_per_query for trial in reached)
    truth = np.argsort(-(users @ items.T), axis=1)[:, :20]
    found = search.index.nearest(users, 20)[0]
    measured = np.mean([len(set(a) & set(b)) / 20 for a, b in zip(truth.tolist(), found.tolist(), strict=True)])
    assert report.recall == pytest.approx(measured, abs=1e-3)
    assert (search.index.kind, search.index.parameters) == (report.kind, report.parameters)


def test_a_kind_can_be_named(vectors):
    config = IndexConfig(index_kind="ivf_flat", index_recall=0.9)
    _, report = build_index(*vectors, config, k=20, seed=0)
    assert report.kind == "ivf_flat"
    assert {trial.kind for trial in report.tried} == {"exact", "ivf_flat"}
    assert build_index(*vectors, IndexConfig(index_kind="exact"), k=20, seed=0)[1].note == "Exact search was asked for."
    with pytest.raises(ConfigError, match="Did you mean 'ivf_flat'"):
        build_index(*vectors, IndexConfig(index_kind="ivf_flatt"), k=20, seed=0)


def test_what_no_kind_reaches_is_said_plainly(vectors, monkeypatch):
    monkeypatch.setattr("recsys_cl.retrieval.index_kinds.ivf_sq8.SEARCHES", ({"nprobe": 1},))
    _, report = build_index(*vectors, IndexConfig(index_kind="ivf_sq8", index_recall=1.0), k=20, seed=0)
    assert (report.kind, report.recall) == ("exact", 1.0)
    assert "No approximate index found 100.0% of exact search (the closest, ivf_sq8, found" in report.note


@pytest.mark.parametrize("exact_below", [1000, 50_000])
def test_the_index_keeps_to_a_bound(vectors, exact_below):
    config = IndexConfig(exact_below=exact_below, index_recall=0.9, index_max_bytes_per_item=40)
    search, report = build_index(*vectors, config, k=20, seed=0)
    within = [trial for trial in report.tried if trial.bytes_per_item <= 40]
    assert {trial.kind for trial in report.tried} - {trial.kind for trial in within} >= {"exact", "hnsw", "ivf_flat"}
    assert search.index.n_bytes / 3000 <= 40
    assert report.ms_per_query == min(trial.ms_per_query for trial in within if trial.recall >= 0.9)
    assert report.note.endswith("finds 90.0% of exact search within 40 bytes an item.")
    for trial in report.tried:
        assert trial.bytes_per_item * 3000 == pytest.approx(FaissIndex.build(trial.kind, vectors[0]).n_bytes)


def test_what_cannot_be_had_within_the_bound_is_said_plainly(vectors):
    config = IndexConfig(index_recall=1.0, index_max_bytes_per_item=40)
    _, report = build_index(*vectors, config, k=20, seed=0)
    assert report.recall == max(trial.recall for trial in report.tried if trial.bytes_per_item <= 40) < 1
    assert "No index within 40 bytes an item found 100.0% of exact search; this one found the most, 9" in report.note
    with pytest.raises(ConfigError, match=r"keeps an item in 3 bytes; the smallest, sq4, takes 8\. Raise --index-max"):
        build_index(*vectors, IndexConfig(index_max_bytes_per_item=3), k=20, seed=0)
    with pytest.raises(ConfigError, match="the smallest, exact, takes 64"):
        build_index(*vectors, IndexConfig(index_kind="exact", index_max_bytes_per_item=63), k=20, seed=0)


def test_a_bound_that_exact_search_keeps_to_changes_nothing(vectors):
    _, report = build_index(*vectors, IndexConfig(index_max_bytes_per_item=64), k=20, seed=0)
    assert (report.kind, len(report.tried)) == ("exact", 1)


def test_a_report_comes_back_from_json(vectors):
    _, report = build_index(*vectors, IndexConfig(exact_below=1000, index_recall=0.9), k=20, seed=0)
    assert IndexReport.of(json.loads(json.dumps(report.describe()))) == report


def test_it_takes_users_and_finite_vectors(vectors):
    items, users = vectors
    with pytest.raises(RecsysError, match="there is no user"):
        build_index(items, users[:0], IndexConfig(), k=20, seed=0)
    with pytest.raises(RecsysError, match="user vector is not finite"):
        build_index(items, np.full_like(users, np.nan), IndexConfig(), k=20, seed=0)


def test_k_beyond_the_catalogue(vectors):
    items, users = vectors
    _, report = build_index(items[:50], users, IndexConfig(), k=100, seed=0)
    assert report.k == 50
    _, report = build_index(items[:50], users, IndexConfig(index_kind="hnsw"), k=100, seed=0)
    assert report.kind == "hnsw"
