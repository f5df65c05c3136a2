"""All stages in a row, or as many as are asked for; what was done before is found, not done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsys_cl.stages.candidates import write
from recsys_cl.stages.evaluate import evaluate
from recsys_cl.stages.foresight import require_sound
from recsys_cl.stages.index import index
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import prepare
from recsys_cl.stages.register import register
from recsys_cl.stages.train import train

_LEAVE: dict[str, Callable[[Job, Any], Any]] = {
    "ingest": ingest,
    "pairs": prepare,
    "train": train,
    "evaluate": evaluate,
    "index": index,
}
STAGES = (*_LEAVE, "register", "candidates")


def run(job: Job, source: Source, *, until: str = "candidates", out: Path | None = None) -> dict[str, Any]:
    """Run the stages up to and with ``until``.

    Args:
        job: place, name, settings.
        source: where interactions come from.
        until: the last of `STAGES` to run.
        out: where to write candidates; in the workspace by default.

    Returns:
        What each stage has to say, JSON-ready: rows, split, pairs, training, metrics, index, registry, candidates,
        and the seconds each took.

    Raises:
        ConfigError: settings cannot work; nothing was begun.
    """
    require_sound(job.config, until, out)
    result: dict[str, Any] = {"name": job.name, "seconds": {}}
    seconds = result["seconds"]
    left: Any = source  # what a stage leaves is what the next one starts from
    for stage, do in _LEAVE.items():
        with timed(stage, seconds, job):
            left = do(job, left)
        result |= left.describe()
        if stage == until:
            return result
    with timed("register", seconds, job):
        result |= register(job, left, seconds)
    if until == "candidates":
        with timed("candidates", seconds, job):
            result |= _candidates(job, result["registry"], out)
    return result


def _candidates(job: Job, registry: dict[str, Any], out: Path | None) -> dict[str, Any]:
    if registry["champion"] is None:
        note = "There is no champion yet, so nobody was given candidates."
        return {"candidates": {"path": None, "rows": 0, "users": 0, "note": note}}
    return write(job, None, None, out)


@contextmanager
def timed(stage: str, seconds: dict[str, float], job: Job) -> Iterator[None]:
    """Say that a stage begins, and write down how long it took."""
    job.reporter.say(f"[dim]{stage}[/dim]")
    start = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - start, 3)
