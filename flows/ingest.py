"""Take in a log, or what is new in it."""

from __future__ import annotations

from prefect import flow

from flows.artifacts import publish_snapshot
from flows.plan import Plan, run_name
from flows.tasks import ingest_log
from flows.turn import in_turn


@flow(name="ingest", flow_run_name=run_name, persist_result=True, result_serializer="json")
def ingest(plan: Plan) -> str:
    """Read, clean and store the log; return the snapshot's folder."""
    with in_turn(plan):
        folder = ingest_log(plan)
    publish_snapshot(plan, folder)
    return folder
