"""Take in a log, or what is new in it."""

from __future__ import annotations

from prefect import flow

from flows.plan import Plan
from flows.tasks import ingest_log


@flow(name="ingest", log_prints=True)
def ingest(plan: Plan) -> str:
    """Read, clean and store the log; return the snapshot's folder."""
    with plan.job().workspace.held():
        return ingest_log(plan)
