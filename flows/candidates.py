"""Write candidates for every user from the champion."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.artifacts import publish_candidates
from flows.plan import Plan, run_name
from flows.tasks import write_candidates
from flows.turn import in_turn


@flow(name="candidates", flow_run_name=run_name, persist_result=True, result_serializer="json")
def candidates(plan: Plan, out: str | None = None) -> dict[str, Any]:
    """Write the champion's candidates to ``out``, by default in the workspace; return path and rows."""
    with in_turn(plan):
        written = write_candidates(plan, out)
    publish_candidates(plan, written)
    return written
