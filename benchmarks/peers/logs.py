"""The logs, split by our pipeline: once for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers.exchange import Log
from benchmarks.quality import LOGS
from benchmarks.real_log import SHARED
from recsys_cl.config import load_config
from recsys_cl.evaluation.protocol import Examination, examine
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import prepare
from recsys_cl.workspace import Workspace

NAMES = ("ml-100k", "ml-latest-small", "ml-1m", "online-retail", "amazon-beauty", "gowalla")


def job_of(name: str, home: Path, settings: Mapping[str, Any]) -> Job:
    """Return the job of one log, with these settings beside those it needs."""
    workspace = Workspace.at(home)
    config = load_config(None, {**LOGS[name].settings, **settings})
    return Job(workspace, name, config, workspace.tracking_uri, datetime.now(UTC))


def source_of(name: str) -> Source:
    """Return where one log is read from."""
    log = LOGS[name]
    return Source((SHARED / log.file,), test=SHARED / log.test if log.test else None)


def split_log(name: str, home: Path) -> tuple[Log, Examination]:
    """Ingest and split a log; return what is learnt from (train and validation) and how lists are marked."""
    job = job_of(name, home, {})
    prepared = prepare(job, ingest(job, source_of(name)))
    vocabulary, histories = prepared.vocabulary("train_and_validation"), prepared.histories("train_and_validation")
    examination = examine(prepared.seen("train_and_validation"), prepared.part("test"), vocabulary).asked
    return Log(histories.indptr, histories.item_nums, histories.n_items, examination.queries.user_nums), examination
