"""Work in a process of its own: its peak memory is its own, and so is its end.

``python -m recsys_cl.stages.apart TASK`` reads an order, one line of JSON, from standard input and prints the answer,
one line of JSON. It ends at once when its standard input does, so that none goes on alone when whoever asked is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import recsys_cl
from recsys_cl import errors
from recsys_cl.config import RunConfig
from recsys_cl.errors import RecsysError
from recsys_cl.progress import Reporter
from recsys_cl.stages.job import Job
from recsys_cl.workspace import Workspace

Task = Callable[[Mapping[str, Any]], dict[str, Any]]


def answer_of(task: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``task``, one of `contest.TASKS`, makes of an order, in a process of its own.

    Raises:
        RecsysError: what it raised there, of the same class; or that it came to an end some other way.
    """
    root = str(Path(recsys_cl.__file__).parents[1])  # so that the same code runs there
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    command = [sys.executable, "-m", __name__, task]
    piped = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=piped, stdout=piped, text=True, env=os.environ | {"PYTHONPATH": paths}
    ) as child:
        try:
            said = _asked(child, json.dumps(order, default=str))
        except BaseException:
            child.kill()
            raise
    answer: dict[str, Any] = json.loads(said) if said else {}
    if "error" in answer:
        kind = getattr(errors, answer["error"]["kind"], RecsysError)
        raise kind(answer["error"]["message"])
    if child.returncode:
        how = f"was killed by signal {-child.returncode}" if child.returncode < 0 else f"ended with {child.returncode}"
        raise RecsysError(f"The process for {task!r} {how}; what it said last stands above, if it said anything.")
    return answer


def order_of(job: Job, **more: Any) -> dict[str, Any]:
    """Return a job as an order, with more beside it."""
    told = {
        "home": str(job.workspace.home),
        "name": job.name,
        "config": job.config.model_dump(mode="json", exclude_unset=True),
        "tracking_uri": job.tracking_uri,
        "now": job.now.isoformat(),
        "quiet": job.reporter.quiet,
    }
    return told | {name: str(value) if isinstance(value, Path) else value for name, value in more.items()}


def job_of(order: Mapping[str, Any]) -> Job:
    """Return the job of an order."""
    return Job(
        Workspace(Path(order["home"])),
        order["name"],
        RunConfig.of(order["config"]),
        order["tracking_uri"],
        datetime.fromisoformat(order["now"]),
        Reporter(quiet=order["quiet"]),
    )


def _asked(child: subprocess.Popen[str], order: str) -> str:
    """Send an order, leave the line open until the child ends, and return the last line it printed."""
    if child.stdin is None or child.stdout is None:
        raise RecsysError("There is no way to speak to the process.")
    child.stdin.write(f"{order}\n")
    child.stdin.flush()
    said = child.stdout.read().splitlines()
    child.wait()
    return said[-1] if said else ""


def main() -> None:
    """Do as was ordered."""
    from recsys_cl.stages.contest import TASKS  # noqa: PLC0415 - it imports this file

    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_whoever_asked, daemon=True).start()
    try:
        answer = TASKS[sys.argv[1]](order)
    except RecsysError as error:
        answer = {"error": {"kind": type(error).__name__, "message": str(error)}}
    sys.stdout.write(json.dumps(answer, default=str) + "\n")


def _end_with_whoever_asked() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
