"""What prefect.yaml promises: flows that load, plans that hold, one retraining at a time, runs on a schedule."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import load_flow_from_entrypoint

from flows.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: one["entrypoint"])
def test_each_deployment_has_a_flow_and_a_plan_for_it(deployment, monkeypatch):
    monkeypatch.chdir(ROOT)
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    plan = flow.validate_parameters(deployment["parameters"])["plan"]
    assert Plan.model_validate(plan.model_dump()).job().name
    assert deployment["description"]
    for schedule in deployment["schedules"]:
        assert CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])


def test_all_flows_are_deployed_one_run_at_a_time():
    assert {Path(one["entrypoint"].partition(":")[0]).stem for one in DEPLOYMENTS} == {
        "ingest",
        "retrain",
        "evaluate",
        "candidates",
        "tune",
    }
    for deployment in DEPLOYMENTS:
        assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


def test_the_server_schedules_what_is_deployed():
    """Releases of SQLAlchemy that Prefect does not know make its server schedule nothing, quietly."""
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("scheduled")
        schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron="* * * * *"), active=True)
        made = client.create_deployment(flow, "every minute", schedules=[schedule])
        answer = client._client.post(f"/deployments/{made}/schedule", json={"min_runs": 3})
        assert answer.is_success
        runs = client.read_flow_runs()
    due = [run.expected_start_time for run in runs if run.deployment_id == made]
    assert len(due) >= 3
    assert max(due) > datetime.now(UTC)
