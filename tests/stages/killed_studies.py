"""Runs the same search again and again, killing it at one more point each time, until it ends; a script for a test.

As `killed_runs`, whose forks and points these are. Usage: ``python killed_studies.py LOG DATABASE HOME``; leaves a
search left in peace in HOME/peace and the one that was killed in HOME/killed.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import alembic.command  # noqa: F401 - imported for all forks, as are those below that are not used
import matplotlib.backends.backend_svg  # noqa: F401
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store
import optuna
import optuna.storages._rdb.storage
import rich.progress  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401
from killed_runs import Executioner, Told, play

from recsys_cl.config import load_config
from recsys_cl.registry import studies
from recsys_cl.stages import tune
from recsys_cl.stages.ingest import Source
from recsys_cl.stages.job import Job
from recsys_cl.training.learner import Learner
from recsys_cl.workspace import Workspace

SETTINGS = {
    "method": "gradient",
    "epochs": 2,
    "embedding_dim": 4,
    "batch_size": 32,
    "uniform_negatives": 16,
    "checkpoint_seconds": 1e-6,
    "trials": 4,
    "pruner": "none",
    "search": ["temperature", "learning_rate", "item_bias"],
}


class Hangman(Executioner):
    """Kills where a search writes."""

    def wait_everywhere(self, home: Path) -> None:
        self.around(Path, "rename", lambda old, new: f"{old.relative_to(home)} to {new.name}", when=("before",))
        self.around(Path, "replace", lambda _, target: str(Path(target).relative_to(home)), when=("after",))
        self.around(Learner, "step", lambda *_: "a step of training", when=("after",), times=3)
        self.around(optuna.Study, "ask", lambda *_, **__: "asking", when=("after",))
        self.around(optuna.Trial, "report", lambda *_: "an epoch", when=("after",))
        self.around(optuna.Study, "tell", lambda *_, **__: "telling", times=2)
        self.around(studies, "_record_trial", lambda *_: "recording a trial", times=2)
        self.around(mlflow.MlflowClient, "log_batch", lambda *_, **__: "telling MLflow", when=("before",), times=5)

    def at(self, point: str) -> None:
        """Pass over other stages, and over all files of one kind but the first."""
        if "data/" not in point:
            super().at(point)
        elif "data/studies" in point and "study." not in point:
            super().at(point.partition("/trial/")[0])


def work(log: Path, home: Path, told: Told) -> None:
    workspace = Workspace.at(home)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    job = Job(workspace, "tiny", load_config(None, SETTINGS), workspace.tracking_uri, now, told)
    with workspace.held():
        result = tune.search(job, Source(inputs=(log,)))
    (home / "result.json").write_text(json.dumps(result, default=str))


if __name__ == "__main__":
    play(Hangman, work)
