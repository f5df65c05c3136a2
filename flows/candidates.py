"""Write candidates for every user from the champion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow

from flows.plan import Plan
from flows.tasks import write_candidates


@flow(name="candidates", log_prints=True)
def candidates(plan: Plan, out: Path | None = None) -> dict[str, Any]:
    """Write the champion's candidates to ``out``, by default in the workspace; return path and rows."""
    with plan.job().workspace.held():
        return write_candidates(plan, out)
