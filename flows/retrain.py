"""From a log to a registered version that the gate has judged."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.artifacts import publish_training
from flows.plan import Plan, run_name
from flows.tasks import (
    build_index,
    evaluate_towers,
    folder_of,
    ingest_log,
    make_pairs,
    register_bundle,
    train_towers,
)
from flows.turn import in_turn
from recsys_cl.stages.evaluate import open_evaluated
from recsys_cl.stages.foresight import require_sound
from recsys_cl.stages.index import open_bundled
from recsys_cl.stages.pairs import open_prepared
from recsys_cl.stages.train import open_trained


@flow(name="retrain", flow_run_name=run_name, persist_result=True, result_serializer="json")
def retrain(plan: Plan) -> dict[str, Any]:
    """Ingest, split, pair, train, evaluate, index, register, and let the gate judge.

    A version that the gate turns down is no failure: the run completes and its artifacts tell the reason.

    Returns:
        ``registry`` (name, version, promoted, reason, champion, gate) and ``report``, the page.

    Raises:
        ConfigError: settings cannot work; nothing was begun.
        BusyError: another run holds the workspace.
    """
    require_sound(plan.config, "register")
    with in_turn(plan):
        snapshot = ingest_log(plan)
        pairs = folder_of(make_pairs, plan, snapshot, open_prepared)
        run = folder_of(train_towers, plan, pairs, open_trained)
        evaluation = folder_of(evaluate_towers, plan, run, open_evaluated)
        bundle = folder_of(build_index, plan, evaluation, open_bundled)
        outcome = register_bundle(plan, bundle)
        publish_training(plan, outcome)
    return outcome
