"""Runs the same job again and again, killing it at one more point each time, until it ends; a script for a test.

What takes seconds is imported once, and nothing is computed here: every run is a fork of this process. Usage:
``python killed_runs.py LOG DATABASE HOME``; writes the points at which runs were killed, by stage, and the results of a
run left in peace (in HOME/peace) and of the run that was killed (in HOME/killed).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow.data.code_dataset_source
import mlflow.data.meta_dataset
import mlflow.models
import mlflow.pyfunc
import mlflow.types

import recsys_cl.evaluation.report_html
import recsys_cl.retrieval.index_kinds.exact  # noqa: F401 - imported for all forks, as are all above
from recsys_cl.config import load_config
from recsys_cl.progress import Reporter
from recsys_cl.registry import store
from recsys_cl.retrieval import candidates
from recsys_cl.stages.ingest import Source
from recsys_cl.stages.job import Job
from recsys_cl.stages.run import STAGES, run
from recsys_cl.training.learner import Learner
from recsys_cl.workspace import Workspace

SETTINGS: dict[str, Any] = {
    "budget": "0s",
    "epochs": 2,
    "embedding_dim": 4,
    "batch_size": 32,
    "uniform_negatives": 16,
    "checkpoint_seconds": 1e-6,
    "baselines": ["popularity"],
    "bootstrap_samples": 100,
    "beat_popularity": False,
    "k": 10,
    "batch_users": 40,
}


class Told(Reporter):
    """Knows in which stage a run is."""

    stage = ""

    def say(self, text: str) -> None:
        """Take the name of a stage from what is said at its start."""
        name = re.sub(r"\[/?dim\]", "", text)
        self.stage = name if name in STAGES else self.stage


class Executioner:
    """Kills the process at the first point that is not in a list, and adds it there."""

    def __init__(self, record: Path, told: Told) -> None:
        self.record, self.told = record, told
        self.past = record.read_text().splitlines() if record.exists() else []

    def at(self, point: str) -> None:
        if ".partial/" in point or "train_and_validation-checkpoints" in point:
            return  # like other points: a folder that nobody sees yet, a second fit
        line = f"{self.told.stage}: {re.sub(r'[.][0-9a-f]{8}[.](partial|retired)', '', point)}"
        if line not in self.past:
            with self.record.open("a") as stream:
                stream.write(f"{line}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def around(
        self,
        owner: Any,
        name: str,
        point: Callable[..., str],
        *,
        when: tuple[str, ...] = ("before", "after"),
        times: int = 1,
    ) -> None:
        """Kill before and after the ``times``-th call of a function, or ``when`` else."""
        whole, calls = getattr(owner, name), 0

        def watched(*given: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls >= times and "before" in when:
                self.at(f"before {point(*given, **named)}")
            result = whole(*given, **named)
            if calls >= times and "after" in when:
                self.at(f"after {point(*given, **named)}")
            return result

        setattr(owner, name, watched)

    def wait_everywhere(self, home: Path) -> None:
        self.around(Path, "replace", lambda _, target: str(Path(target).relative_to(home)), when=("after",))
        self.around(Path, "rename", lambda old, new: f"{old.relative_to(home)} to {new.name}", when=("before",))
        self.around(Learner, "step", lambda *_: "a step of training", when=("after",), times=3)
        self.around(store, "log", lambda *_: "logging the bundle", when=("after",))
        self.around(mlflow.MlflowClient, "create_model_version", lambda *_, **__: "a version", when=("after",))
        self.around(store, "_crown", lambda *_: "crowning", when=("after",))
        self.around(candidates, "table_writer", lambda *_: "the table of candidates", when=("before",))


def work(log: Path, home: Path, told: Told) -> None:
    config = load_config(None, SETTINGS)
    workspace = Workspace.at(home)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with workspace.held():
        result = run(Job(workspace, "tiny", config, workspace.tracking_uri, now, told), Source(inputs=(log,)))
    (home / "result.json").write_text(json.dumps(result, default=str))


def forked(action: Callable[[], None]) -> int:
    """Run ``action`` in a fork; return its exit code, or the negative number of the signal that killed it."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def play(executioner: type[Executioner], work: Callable[[Path, Path, Told], None]) -> None:
    """Do ``work`` left in peace, then killed at one more point each time; print exit codes and the points passed."""
    log, database, home = (Path(given).resolve() for given in sys.argv[1:])
    record, told = home / "points.txt", Told()
    for name in ("peace", "killed"):
        (home / name / "mlflow").mkdir(parents=True)
        shutil.copy(database, home / name / "mlflow" / "mlflow.db")

    def doomed() -> None:
        executioner(record, told).wait_everywhere(home / "killed")
        work(log, home / "killed", told)

    codes = [forked(lambda: work(log, home / "peace", told))]
    while (code := forked(doomed)) == -signal.SIGKILL:
        pass
    sys.stdout.write(json.dumps({"codes": [*codes, code], "points": record.read_text().splitlines()}) + "\n")


if __name__ == "__main__":
    play(Executioner, work)
