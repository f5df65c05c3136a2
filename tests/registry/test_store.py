"""Versions are kept whole, promoted, taken back and found again; a store that is not there is said so at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from planted_space import planted_space

from recsys_cl.config import CandidatesConfig, DiagnoseConfig, GateConfig
from recsys_cl.errors import IntegrityError, RegistryError
from recsys_cl.evaluation.diagnostics import diagnose
from recsys_cl.registry.gate import Challenger, judge
from recsys_cl.registry.store import Record, Store
from recsys_cl.retrieval.candidates import write_candidates
from recsys_cl.retrieval.manifest import Manifest
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.retrieval.tuning import IndexReport

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


def aliases(store: Store) -> dict[int, list[str]]:
    return {line["version"]: line["aliases"] for line in store.versions("toy")}


def test_champions_come_and_go(filled):
    assert filled.champion("toy") is None
    assert filled.promote("toy", 1, "the first") == {
        "name": "toy",
        "version": 1,
        "previous": None,
        "reason": "the first",
    }
    filled.decline("toy", 2, "worse")
    assert aliases(filled) == {4: [], 3: [], 2: ["challenger"], 1: ["champion"]}
    filled.promote("toy", 3, "better")
    filled.promote("toy", 4, "better still")
    assert filled.champion("toy") == 4
    assert filled.rollback("toy")["version"] == 3
    assert filled.rollback("toy") == {
        "name": "toy",
        "version": 1,
        "previous": 3,
        "reason": "Rolled back; version 1 is champion again.",
    }
    with pytest.raises(RegistryError, match="no earlier champion"):
        filled.rollback("toy")
    assert aliases(filled) == {4: [], 3: [], 2: ["challenger"], 1: ["champion"]}
    reasons = {line["version"]: line["reason"] for line in filled.versions("toy")}
    assert reasons == {
        1: "the first",
        2: "worse",
        3: "Rolled back; version 1 is champion again.",
        4: "Rolled back; version 3 is champion again.",
    }


def test_a_promoted_challenger_is_challenger_no_more(filled):
    filled.decline("toy", 1, "not sure")
    filled.promote("toy", 1, "sure")
    filled.promote("toy", 1, "quite sure")
    assert aliases(filled) == {4: [], 3: [], 2: [], 1: ["champion"]}
    with pytest.raises(RegistryError, match="no earlier champion"):
        filled.rollback("toy")


def test_a_deleted_champion_is_passed_over(filled):
    for version in (1, 2, 3):
        filled.promote("toy", version, "next")
    with filled._opened() as (_, client):
        client.delete_model_version("toy", "2")
    assert filled.rollback("toy")["version"] == 1


def test_rollback_before_any_champion(filled):
    with pytest.raises(RegistryError, match="no earlier champion"):
        filled.rollback("toy")


def test_candidates_of_the_champion_are_those_of_the_bundle(store, bundle_of, tmp_path, monkeypatch):
    store.register(bundle_of(0), "toy", RECORD)
    store.promote("toy", 1, "the first")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.tracking_uri)
    from_registry = Retriever.load("models:/toy@champion")
    from_path = Retriever.load(bundle_of(0))
    assert from_registry.version == "1"
    tables = {}
    for name, retriever in {"registry": from_registry, "path": from_path}.items():
        written = write_candidates(retriever, None, tmp_path / f"{name}.parquet", CandidatesConfig(k=7))
        tables[name] = pl.read_parquet(written.path)
    assert tables["registry"].drop("version").equals(tables["path"].drop("version"))
    assert tables["registry"]["version"].unique().to_list() == ["1"]
    assert tables["path"]["version"].unique().to_list() == [from_path.digest[:12]]


def test_a_changed_file_in_the_store_is_refused(store, bundle_of):
    store.register(bundle_of(0), "toy", RECORD)
    located = store.locate("models:/toy/1")
    (located.folder / "index.faiss").write_bytes(b"x")
    with pytest.raises(IntegrityError, match=r"index\.faiss"):
        Retriever.load(located)


def test_a_store_whose_artifacts_are_gone(store, bundle_of):
    store.register(bundle_of(0), "toy", RECORD)
    store.artifacts.rename(store.artifacts.with_name("moved"))
    with pytest.raises(RegistryError, match="artifacts were removed, or"):
        store.locate("models:/toy/1")


def test_what_is_asked_for_and_not_there(store, bundle_of):
    with pytest.raises(RegistryError, match="Nothing has been registered yet"):
        store.locate("models:/toy@champion")
    store.register(bundle_of(0), "toy", RECORD)
    with pytest.raises(RegistryError, match=r"no model 'tou'. Did you mean 'toy'"):
        store.locate("models:/tou@champion")
    with pytest.raises(RegistryError, match=r"no version called 'champion'. It has no aliases yet"):
        store.locate("models:/toy@champion")
    store.promote("toy", 1, "the first")
    with pytest.raises(RegistryError, match=r"no version called 'champoin'. Did you mean 'champion'"):
        store.locate("models:/toy@champoin")
    with pytest.raises(RegistryError, match=r"no version 7; it has 1"):
        store.locate("models:/toy/7")
    with pytest.raises(RegistryError, match=r"no version 7; it has 1"):
        store.promote("toy", 7, "why not")
    with pytest.raises(RegistryError, match="no address of a model"):
        store.locate("models:/toy")


def test_the_settings_of_whoever_calls_are_left_alone(store, bundle_of, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")
    store.register(bundle_of(0), "toy", RECORD)
    assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:///elsewhere.db"


def test_nothing_is_said_on_the_way(store, bundle_of, capfd):
    store.register(bundle_of(0), "toy", RECORD)
    store.promote("toy", 1, "the first")
    assert capfd.readouterr() == ("", "")


def test_a_store_not_made_yet_is_not_made_by_looking(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'none.db'}", tmp_path)
    assert store.names() == []
    assert store.champion("toy") is None
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_said_at_once():
    began = time.perf_counter()
    with pytest.raises(RegistryError, match=r"does not answer.*--tracking-uri"):
        Store("http://127.0.0.1:9", Path("unused")).versions("toy")
    with pytest.raises(RegistryError, match=r"does not answer.*--tracking-uri"):
        Store("postgresql://someone@127.0.0.1:9/mlflow", Path("unused")).names()
    assert time.perf_counter() - began < 5


def test_places_where_no_store_can_be(tmp_path):
    (tmp_path / "file").write_text("this is not a database at all")
    for uri, why in {
        f"sqlite:///{tmp_path / 'file'}": "not an SQLite database",
        f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}": "is a file",
        f"sqlite:///{tmp_path}": "is a folder",
        str(tmp_path): "plain folder",
    }.items():
        with pytest.raises(RegistryError, match=why):
            Store(uri, tmp_path).names()


def test_a_truncated_database_is_said_at_once(store, bundle_of):
    store.register(bundle_of(0), "toy", RECORD)
    path = Path(store.tracking_uri.removeprefix("sqlite:///"))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(RegistryError, match="MLflow store"):
        store.versions("toy")


def test_a_worse_challenger_changes_nothing_and_a_better_one_can_be_taken_back(filled):
    index = IndexReport("exact", {}, 1.0, 0.99, 100, 10, 0.1, 30, 1000, (), "")
    space = diagnose(planted_space(), DiagnoseConfig())

    def offered(version: int, recall: float, rival: float | None) -> bool:
        def marks(mean: float) -> pl.DataFrame:
            spread = np.random.default_rng(0).normal(mean, 0.05, 300)
            ids = [f"u{number:03d}" for number in range(300)]
            return pl.DataFrame({"user_id": ids, "warm": True, "n_relevant": 1, "recall_at_20": spread})

        metrics = {"recall_at_20": recall, "coverage_at_20": 0.9}
        known = {"vectors_finite": True, "diagnostics": space, "index": index}
        challenger = Challenger(metrics, marks(recall), {"recall_at_20": 0.01}, **known)
        verdict = judge(challenger, None if rival is None else marks(rival), GateConfig())
        (filled.promote if verdict.promoted else filled.decline)("toy", version, verdict.reason)
        return verdict.promoted

    assert offered(1, 0.30, None)
    assert not offered(2, 0.20, 0.30)
    assert aliases(filled) == {4: [], 3: [], 2: ["challenger"], 1: ["champion"]}
    reason = next(line["reason"] for line in filled.versions("toy") if line["version"] == 2)
    assert "not within 2.0% of it" in reason
    assert offered(3, 0.35, 0.30)
    assert filled.rollback("toy")["version"] == 1
    assert filled.locate("models:/toy@champion").version == "1"


def test_the_store_of_the_workspace_is_the_default(store, bundle_of, tmp_path, monkeypatch):
    store.register(bundle_of(0), "toy", RECORD)
    (tmp_path / "store").rename(tmp_path / "mlflow")
    (tmp_path / "store").symlink_to(tmp_path / "mlflow")  # artifacts are found by their absolute paths
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("RECSYS_CL_HOME", str(tmp_path))
    assert Retriever.load("models:/toy/1").version == "1"
