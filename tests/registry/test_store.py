"""Versions are kept whole, promoted, taken back and found again; a store that is not there is said so at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from recsys_cl.config import CandidatesConfig
from recsys_cl.errors import IntegrityError, RegistryError
from recsys_cl.registry.store import Record, Store
from recsys_cl.retrieval.candidates import write_candidates
from recsys_cl.retrieval.manifest import Manifest
from recsys_cl.retrieval.retriever import Retriever

RECORD = Record(
    params={"seed": 0, "train": {"epochs": 3, "similarity": "cosine"}},
    metrics={"recall_at_20": 0.25, "popularity.recall_at_20": 0.125},
    data_source="toy log",
)


def test_a_version_holds_the_whole_bundle(store, bundle_of, tmp_path):
    report = tmp_path / "report.html"
    report.write_text("<p>fine</p>")
    version = store.register(bundle_of(0), "toy", Record(RECORD.params, RECORD.metrics, "toy log", [report]))
    assert version == 1
    located = store.locate("models:/toy/1")
    assert located.version == "1"
    assert Manifest.verify(located.folder) == Manifest.verify(bundle_of(0))
    (line,) = store.versions("toy")
    assert line["metrics"] == RECORD.metrics
    assert (line["version"], line["aliases"], line["reason"]) == (1, [], None)
    assert line["data_digest"] == "d" * 64
    assert line["created"].endswith("+00:00")
    with store._opened() as (_, client):
        run = client.get_run(client.get_model_version("toy", "1").run_id)
        assert run.data.params == {"seed": "0", "train.epochs": "3", "train.similarity": "cosine"}
        assert [one.dataset.name for one in run.inputs.dataset_inputs] == ["toy log"]
        assert [one.path for one in client.list_artifacts(run.info.run_id, "report")] == ["report/report.html"]


def test_nothing_in_a_version_is_pickled(store, bundle_of):
    store.register(bundle_of(0), "toy", RECORD)
    kept = [path.name for path in store.locate("models:/toy/1").folder.parents[1].rglob("*") if path.is_file()]
    assert not [name for name in kept if name.endswith((".pkl", ".pickle", ".py", ".pt"))]


def test_registering_the_same_bundle_again_is_the_same_version(store, bundle_of):
    assert store.register(bundle_of(0), "toy", RECORD) == store.register(bundle_of(0), "toy", RECORD) == 1
    assert store.register(bundle_of(1), "toy", RECORD) == 2
