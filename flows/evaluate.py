"""Ask how the champion does on what has been ingested since."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.artifacts import publish_evaluation
from flows.plan import Plan, run_name
from flows.tasks import examine_champion
from flows.turn import in_turn


@flow(name="evaluate", flow_run_name=run_name, persist_result=True, result_serializer="json")
def evaluate(plan: Plan) -> dict[str, Any]:
    """Examine the champion beside the baselines on the latest snapshot; return `metrics` and `report`."""
    with in_turn(plan):
        outcome = examine_champion(plan)
        publish_evaluation(plan, outcome)
    return outcome
