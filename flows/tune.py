"""Search the settings that validation likes best."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.artifacts import publish_study
from flows.plan import Plan, run_name
from flows.tasks import folder_of, ingest_log, make_pairs, search_settings
from flows.turn import in_turn
from recsys_cl.stages.pairs import open_prepared
from recsys_cl.stages.tune import require_tunable


@flow(name="tune", flow_run_name=run_name, persist_result=True, result_serializer="json")
def tune(plan: Plan) -> dict[str, Any]:
    """Try settings within the plan's `tune: {trials, tuning_time}`; a search that was killed goes on.

    Nothing is trained for use, and no plan changes: what was found is a file of settings for a person to take over.

    Returns:
        ``tuning`` (the best trial, the first, all that were tried) and ``report``, the page.

    Raises:
        ConfigError: settings cannot work, or nothing can be searched so; nothing was begun.
        BusyError: another run holds the workspace.
    """
    require_tunable(plan.config)
    with in_turn(plan):
        snapshot = ingest_log(plan)
        pairs = folder_of(make_pairs, plan, snapshot, open_prepared)
        outcome = search_settings(plan, pairs)
    publish_study(plan, outcome)
    return outcome
