"""The stages as Prefect tasks. They pass folders to one another, never frames or tensors.

A task's cache key is the digest of its settings, the folder it starts from (whose name is itself a digest of the data)
and the package version. Results are stored as JSON. Trouble that may pass (a disk, a network, a store) is tried again;
a bad setting or a bad log is not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import Task, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext

from flows.plan import Plan
from flows.run_log import RunLog
from recsys_cl import __version__
from recsys_cl.errors import IntegrityError, RegistryError, StorageError
from recsys_cl.files import digest_of
from recsys_cl.interactions.snapshot import open_snapshot
from recsys_cl.registry.store import CHAMPION
from recsys_cl.stages import candidates, evaluate, index, ingest, pairs, register, train, tune

_LASTING = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)  # as failures of a disk go


def may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Tell whether a failure may be gone when the task is tried again.

    Disks fill and empty, networks and stores come back, whatever our error for it is; a store that answers and lacks
    what was asked of it, a bad setting and a bad log stay as they are.
    """
    error = state.data
    cause = error.__cause__ if isinstance(error, Exception) else None
    if isinstance(error, _LASTING) or isinstance(cause, _LASTING):
        return False
    silent = isinstance(error, RegistryError) and cause is not None
    return silent or isinstance(error, OSError | StorageError) or isinstance(cause, OSError)


def cache_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """Return the digest of the task's name, settings, seed, starting folder and package version."""
    plan: Plan = parameters["plan"]
    settings = plan.config.model_dump(mode="json")
    return digest_of(
        [context.task.name, plan.name, str(plan.workspace.home), settings, parameters["folder"], __version__]
    )


_CACHED: dict[str, Any] = {
    "cache_key_fn": cache_key,
    "persist_result": True,
    "result_serializer": "json",
    "retries": 1,
    "retry_delay_seconds": 10,
    "retry_condition_fn": may_pass,
}
_AFRESH: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "result_serializer": "json",
    "retries": 3,
    "retry_delay_seconds": [5, 30, 120],
    "retry_condition_fn": may_pass,
}


@task(task_run_name="ingest", **_AFRESH)
def ingest_log(plan: Plan) -> str:
    """Read and clean the log, or find that this was done; return the snapshot's folder."""
    log = RunLog()
    snapshot = ingest.ingest(plan.job(log), plan.source())
    counts = snapshot.counts
    log.say(
        f"{counts.read:,} rows read = {counts.kept:,} kept + {counts.filtered:,} filtered"
        f" + {counts.quarantined:,} quarantined{'; nothing new' if snapshot.reused else ''}"
    )
    return str(snapshot.folder)


@task(task_run_name="pairs", **_CACHED)
def make_pairs(plan: Plan, folder: str) -> str:
    """Split the snapshot in ``folder`` and write its pairs; return their folder."""
    return str(pairs.prepare(plan.job(RunLog()), open_snapshot(Path(folder))).folder)


@task(task_run_name="train", **_CACHED)
def train_towers(plan: Plan, folder: str) -> str:
    """Train on the pairs in ``folder``, going on from a checkpoint if there is one; return the run's folder."""
    return str(train.train(plan.job(RunLog()), pairs.open_prepared(Path(folder))).folder)


@task(task_run_name="evaluate", **_CACHED)
def evaluate_towers(plan: Plan, folder: str) -> str:
    """Examine the towers of the run in ``folder`` and the baselines; return the evaluation's folder."""
    return str(evaluate.evaluate(plan.job(RunLog()), train.open_trained(Path(folder))).folder)


@task(task_run_name="index", **_CACHED)
def build_index(plan: Plan, folder: str) -> str:
    """Index the towers evaluated in ``folder``; return the bundle's folder."""
    return str(index.index(plan.job(RunLog()), evaluate.open_evaluated(Path(folder))).folder)


@task(task_run_name="tune", **_AFRESH)
def search_settings(plan: Plan, folder: str) -> dict[str, Any]:
    """Search settings on the pairs in ``folder``, going on with what was tried; return `tuning` and `report`."""
    return tune.tune(plan.job(RunLog()), pairs.open_prepared(Path(folder))).describe()


@task(task_run_name="register", **_AFRESH)
def register_bundle(plan: Plan, folder: str) -> dict[str, Any]:
    """Register the bundle in ``folder`` and let the gate judge it; return `registry` and `report`."""
    return register.register(plan.job(RunLog()), index.open_bundled(Path(folder)))


@task(task_run_name="evaluate", **_AFRESH)
def examine_champion(plan: Plan) -> dict[str, Any]:
    """Examine the champion beside the baselines on the latest snapshot; return `metrics` and `report`."""
    result = evaluate.evaluate_bundle(plan.job(RunLog()), ingest.Source(), f"models:/{plan.name}@{CHAMPION}")
    return result | {"report": str(result["report"])}


@task(task_run_name="candidates", **_AFRESH)
def write_candidates(plan: Plan, out: str | None, *, fold_in: bool) -> dict[str, Any]:
    """Write candidates of the champion; return path, rows, users, fallback_users, version and what was folded in."""
    log = plan.source() if fold_in else None
    found = candidates.write(plan.job(RunLog()), None, None, None if out is None else Path(out), log)
    written: dict[str, Any] = found["candidates"]
    return written | {"folded_in": found["folded_in"]} if fold_in else written


def folder_of(step: Task[[Plan, str], str], plan: Plan, folder: str, opened: Callable[[Path], object]) -> str:
    """Run ``step`` or take its cached result; run it after all when what was cached cannot be ``opened`` any more."""
    found = step(plan, folder)
    if not _stands(Path(found), opened):
        get_run_logger().warning("%s, made before, is no longer whole; it is made again.", found)
        found = step.with_options(refresh_cache=True)(plan, folder)
    return found


def _stands(folder: Path, opened: Callable[[Path], object]) -> bool:
    try:
        opened(folder)
    except IntegrityError:
        return False
    return folder.is_dir()
