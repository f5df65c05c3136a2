"""The stages as Prefect tasks. They pass folders to one another, never frames or tensors.

A task's cache key is the digest of its settings, the folder it starts from (whose name is itself a digest of the data)
and the package version. Results are stored as JSON. Trouble that may pass (a disk, a network, a store) is tried again;
a bad setting or a bad log is not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext

from flows.plan import Plan
from recsys_cl import __version__
from recsys_cl.errors import RegistryError, StorageError
from recsys_cl.files import digest_of
from recsys_cl.interactions.snapshot import open_snapshot
from recsys_cl.stages import candidates, evaluate, index, ingest, pairs, register, train

_PASSING = (OSError, StorageError, RegistryError)


def may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Tell whether a failure may be gone when the task is tried again."""
    return isinstance(state.result(raise_on_failure=False), _PASSING)


def cache_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """Return the digest of the task's name, settings, seed, starting folder and package version."""
    plan: Plan = parameters["plan"]
    given = [plan.settings, str(plan.home), plan.name, str(parameters["folder"])]
    return digest_of([context.task.name, given, __version__])


_CACHED: dict[str, Any] = {
    "cache_key_fn": cache_key,
    "persist_result": True,
    "result_serializer": "json",
    "retry_condition_fn": may_pass,
}


@task(retries=3, retry_delay_seconds=[5, 30, 120], retry_condition_fn=may_pass)
def ingest_log(plan: Plan) -> str:
    """Read and clean the log; return the snapshot's folder."""
    return str(ingest.ingest(plan.job(), plan.source()).folder)


@task(**_CACHED, retries=1)
def make_pairs(plan: Plan, folder: str) -> str:
    """Split the snapshot in ``folder`` and write its pairs; return their folder."""
    return str(pairs.prepare(plan.job(), open_snapshot(Path(folder))).folder)


@task(**_CACHED, retries=1)
def train_towers(plan: Plan, folder: str) -> str:
    """Train on the pairs in ``folder``, going on from a checkpoint if there is one; return the run's folder."""
    return str(train.train(plan.job(), pairs.open_prepared(Path(folder))).folder)


@task(**_CACHED, retries=1)
def evaluate_towers(plan: Plan, folder: str) -> str:
    """Examine the towers of the run in ``folder`` and the baselines; return the evaluation's folder."""
    return str(evaluate.evaluate(plan.job(), train.open_trained(Path(folder))).folder)


@task(**_CACHED, retries=1)
def build_index(plan: Plan, folder: str) -> str:
    """Index the towers evaluated in ``folder``; return the bundle's folder."""
    return str(index.index(plan.job(), evaluate.open_evaluated(Path(folder))).folder)


@task(retries=3, retry_delay_seconds=[5, 30, 120], retry_condition_fn=may_pass, persist_result=False)
def register_bundle(plan: Plan, folder: str) -> dict[str, Any]:
    """Register the bundle in ``folder`` and let the gate judge it; return name, version, promoted and reason."""
    return register.register(plan.job(), index.open_bundled(Path(folder)))


@task(retries=2, retry_delay_seconds=[5, 30], retry_condition_fn=may_pass, persist_result=False)
def write_candidates(plan: Plan, out: Path | None) -> dict[str, Any]:
    """Write candidates of the champion for every user; return path and rows."""
    return candidates.write(plan.job(), None, None, out)


def folder_of(step: Task[[Plan, str], str], plan: Plan, folder: str) -> str:
    """Run ``step`` or take its cached result; run it after all when the cached folder was deleted since."""
    found = step(plan, folder)
    return found if Path(found).exists() else step.with_options(refresh_cache=True)(plan, folder)
