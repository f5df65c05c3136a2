"""The flows from end to end: what they leave, what is cached, what is tried again, who waits."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import polars as pl
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH

from flows import tasks
from flows.artifacts import publish_training
from flows.candidates import candidates
from flows.evaluate import evaluate
from flows.ingest import ingest
from flows.plan import Plan
from flows.retrain import retrain
from flows.tune import tune
from recsys_cl.config import load_config
from recsys_cl.errors import BusyError, ConfigError, InputError, RegistryError, StorageError

STAGES = ("pairs", "train", "evaluate", "index")


def states_of(run_id, count: int) -> dict[str, str]:
    """Return the states of a flow run's tasks by name; the server hears of them a little later."""
    with get_client(sync_client=True) as client:
        for _ in range(100):
            runs = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
            if len(runs) == count and all(run.state.is_final() for run in runs):
                break
            time.sleep(0.1)
    return {run.name: run.state.name for run in runs}


def artifacts_of(run_id, part: str = "data") -> dict[str, object]:
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        found = client.read_artifacts(artifact_filter=wanted)
    return {artifact.key: getattr(artifact, part) for artifact in found if artifact.key}


def run_id_of(state):
    return state.state_details.flow_run_id


def test_a_retraining_leaves_a_champion_and_tells_of_it(toy):
    registry = toy.outcome["registry"]
    assert (registry["version"], registry["promoted"], registry["champion"]) == (1, True, 1)
    assert Path(toy.outcome["report"]).is_file()
    assert set(states_of(toy.run_id, 7).values()) == {"Completed"}

    found = artifacts_of(toy.run_id)
    assert set(found) == {f"toy-log-retrain{rest}" for rest in ("", "-metrics", "-report", "-plots")}
    assert artifacts_of(toy.run_id, "description")["toy-log-retrain"] == "**Version 1 of Toy_log is champion**"
    told = str(found["toy-log-retrain"])
    assert told.startswith(registry["reason"])
    assert f"`{toy.outcome['report']}`" in told
    assert "## Accuracy" in told
    assert Path(toy.outcome["report"]).as_uri() in str(found["toy-log-retrain-report"])
    assert "![Recall by length of the list](data:image/svg+xml;base64," in str(found["toy-log-retrain-plots"])


def test_the_metrics_table_has_the_model_and_the_baselines(toy):
    table = artifacts_of(toy.run_id)["toy-log-retrain-metrics"]
    rows = table if isinstance(table, list) else pl.read_json(str(table).encode()).to_dicts()
    assert [row["recommender"] for row in rows] == ["Two tower", "Popularity"]
    assert 0 < float(rows[1]["recall_at_20"]) < float(rows[0]["recall_at_20"]) < 1
    assert {"ndcg_at_20", "hit_rate_at_20", "mrr_at_20", "coverage_at_20"} < set(rows[0])


def test_a_version_on_a_server_is_linked_without_the_password(toy):
    plan = toy.plan.model_copy(update={"tracking_uri": "https://me:secret@mlflow.example/"})

    @flow
    def publish():
        publish_training(plan, toy.outcome)

    found = artifacts_of(run_id_of(publish(return_state=True)))
    assert found["toy-log-mlflow"] == "[version 1](https://mlflow.example/#/models/Toy_log/versions/1)"
    assert "secret" not in str(found)


def test_the_second_retraining_takes_cached_results(toy):
    state = retrain(toy.plan, return_state=True)
    states = states_of(run_id_of(state), 7)
    assert {stage: states[stage] for stage in STAGES} == dict.fromkeys(STAGES, "Cached")
    assert states["register"] == "Completed"
    assert state.result()["registry"]["version"] == 1


def test_results_are_kept_as_json(toy):
    kept = [json.loads(path.read_text()) for path in PREFECT_LOCAL_STORAGE_PATH.value().iterdir()]
    assert toy.outcome["report"] in [one.get("report") for one in kept if isinstance(one, dict)]
    assert len(kept) > len(STAGES)


@pytest.mark.parametrize("lost", ["data/pairs", "data/runs"])
def test_what_was_cached_and_then_removed_is_made_again(toy, lost):
    shutil.rmtree(toy.plan.home / lost)
    outcome = retrain(toy.plan)
    assert outcome["registry"]["promoted"]
    assert Path(outcome["report"]).is_file()
    assert any((toy.plan.home / lost).rglob("*"))


def test_other_settings_are_another_cache_key(toy):
    class Context:
        task = tasks.train_towers

    def key(plan, folder="a"):
        return tasks.cache_key(Context, {"plan": plan, "folder": folder})

    plan = toy.plan
    written_out = plan.model_copy(update={"settings": plan.settings | {"seed": 0}})
    assert key(plan) == key(written_out), "a default that is written out changes nothing"
    others = [
        plan.model_copy(update={"settings": plan.settings | {"seed": 1}}),
        plan.model_copy(update={"name": "other"}),
        plan.model_copy(update={"home": Path("elsewhere")}),
    ]
    assert len({key(plan), key(plan, "b"), *map(key, others)}) == 5


def test_another_version_of_the_package_is_another_cache_key(toy, monkeypatch):
    class Context:
        task = tasks.train_towers

    before = tasks.cache_key(Context, {"plan": toy.plan, "folder": "a"})
    monkeypatch.setattr(tasks, "__version__", "another")
    assert tasks.cache_key(Context, {"plan": toy.plan, "folder": "a"}) != before


def test_a_version_that_the_gate_turns_down_is_no_failure(toy):
    untaught = {"method": "gradient", "epochs": 1, "learning_rate": 1e-9, "popularity_prior": False}
    worse = {**toy.plan.settings, "train": untaught}
    state = retrain(toy.plan.model_copy(update={"settings": worse}), return_state=True)
    assert state.is_completed()
    registry = state.result()["registry"]
    assert not registry["promoted"]
    title = f"Version {registry['version']} of Toy_log was not promoted; version {registry['champion']} stays champion"
    assert artifacts_of(run_id_of(state), "description")["toy-log-retrain"] == f"**{title}**"
    assert str(artifacts_of(run_id_of(state))["toy-log-retrain"]).startswith(registry["reason"])


def test_the_champion_is_examined_on_the_latest_snapshot(toy):
    state = evaluate(toy.plan.model_copy(update={"inputs": ()}), return_state=True)
    outcome = state.result()
    assert outcome["metrics"]["model"]["recall_at_20"] > outcome["metrics"]["baselines"]["popularity"]["recall_at_20"]
    found = artifacts_of(run_id_of(state))
    assert set(found) == {f"toy-log-evaluate{rest}" for rest in ("", "-metrics", "-report", "-plots")}


def test_candidates_of_the_champion_are_written(toy, tmp_path):
    out = tmp_path / "candidates.csv"
    state = candidates(toy.plan, str(out), return_state=True)
    written = state.result()
    assert pl.read_csv(out).height == written["rows"] > 0
    assert f"`{out}`" in str(artifacts_of(run_id_of(state))["toy-log-candidates"])


@pytest.mark.parametrize("inputs", [True, False], ids=["a log", "the latest snapshot"])
def test_candidates_may_be_made_from_a_log(toy, tmp_path, inputs):
    plan = toy.plan if inputs else toy.plan.model_copy(update={"inputs": ()})
    state = candidates(plan, str(tmp_path / "candidates.parquet"), fold_in=True, return_state=True)
    written = state.result()
    folded = written["folded_in"]
    assert written["users"] == folded["users"] >= folded["new_users"]
    told = str(artifacts_of(run_id_of(state))["toy-log-candidates"])
    assert f"Folded in: {folded['interactions']:,} interactions of {folded['users']:,} users" in told


def test_a_search_for_settings_leaves_a_file_of_them(toy):
    settings = {**toy.plan.settings, "tune": {"trials": 2, "search": ["temperature", "learning_rate"]}}
    state = tune(toy.plan.model_copy(update={"settings": settings}), return_state=True)
    outcome = state.result()
    assert len(outcome["tuning"]["trials"]) == 2
    assert load_config(Path(outcome["tuning"]["settings"]), {}).train.method == "hybrid"
    assert Path(outcome["report"]).is_file()
    found = artifacts_of(run_id_of(state))
    assert set(found) == {f"toy-log-tune{rest}" for rest in ("", "-trials", "-report")}
    assert "```yaml\n# Found by recsys-cl tune on Toy_log" in str(found["toy-log-tune"])
    assert artifacts_of(run_id_of(state), "description")["toy-log-tune"].startswith("**NDCG@")


def test_a_search_that_cannot_work_begins_nothing(tmp_path):
    plan = Plan(name="bad", sample=True, home=tmp_path, settings={"tune": {"search": ["temprature"]}})
    state = tune(plan, return_state=True)
    with pytest.raises(ConfigError, match="Did you mean 'temperature'"):
        state.result()
    assert not list(tmp_path.iterdir())


def test_ingest_tells_what_became_of_the_rows(toy):
    state = ingest(toy.plan, return_state=True)
    assert Path(state.result()).is_dir()
    table = str(artifacts_of(run_id_of(state))["toy-log-rows"])
    assert "3,000" in table
    assert "quarantined: " in table


def test_bad_input_is_told_at_once(tmp_path):
    empty = tmp_path / "empty.csv"
    empty.touch()
    state = ingest(Plan(name="bad", inputs=(empty,), home=tmp_path), return_state=True)
    assert state.is_failed()
    with pytest.raises(InputError, match=r"empty\.csv"):
        state.result()
    assert attempts_of(run_id_of(state)) == 1


def attempts_of(run_id) -> int:
    states_of(run_id, 1)
    with get_client(sync_client=True) as client:
        (run,) = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
    return run.run_count


def test_trouble_that_passes_is_tried_again(toy, monkeypatch):
    ingest_once, tries = tasks.ingest.ingest, []

    def full_at_first(*arguments):
        tries.append(arguments)
        if len(tries) < 3:
            raise StorageError("The disk is full.")
        return ingest_once(*arguments)

    monkeypatch.setattr(tasks.ingest, "ingest", full_at_first)
    monkeypatch.setattr(tasks.ingest_log, "retry_delay_seconds", 0)
    assert Path(ingest(toy.plan)).is_dir()
    assert len(tries) == 3


def test_a_second_run_in_the_workspace_is_refused(toy):
    with toy.plan.workspace.held():
        state = retrain(toy.plan, return_state=True)
    assert state.is_failed()
    with pytest.raises(BusyError, match="Another run is working in"):
        state.result()


def test_a_champion_that_is_not_there_is_told_at_once(tmp_path):
    state = candidates(Plan(name="nobody", home=tmp_path), return_state=True)
    with pytest.raises(RegistryError, match="nobody"):
        state.result()
    assert attempts_of(run_id_of(state)) == 1
