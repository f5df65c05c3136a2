"""Write candidates for every user from the champion."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.artifacts import publish_candidates
from flows.plan import Plan, run_name
from flows.tasks import write_candidates
from flows.turn import in_turn


@flow(name="candidates", flow_run_name=run_name, persist_result=True, result_serializer="json")
def candidates(plan: Plan, out: str | None = None, *, fold_in: bool = False) -> dict[str, Any]:
    """Write the champion's candidates to ``out``, by default in the workspace; return path and rows.

    With ``fold_in`` histories are read in the plan's log, or in the latest snapshot if it names none, and no longer in
    the bundle.
    """
    with in_turn(plan):
        written = write_candidates(plan, out, fold_in=fold_in)
    publish_candidates(plan, written)
    return written
