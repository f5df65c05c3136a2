"""Our retriever, by the stages that every run goes through."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.exchange import Fitted, Lists, Log
from benchmarks.peers.logs import job_of, source_of
from recsys_cl.pairs.histories import Queries
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.stages.assemble import assemble
from recsys_cl.stages.evaluate import EXACT
from recsys_cl.stages.ingest import ingest
from recsys_cl.stages.pairs import prepare
from recsys_cl.stages.train import train


def fit(log: Log, *, log_name: str, home: str, **settings: Any) -> Fitted:
    """Split, make pairs, train with validation held out, refit on all that the others learn from, and index.

    Args:
        log: what is asked, and what must come out of the split.
        log_name: one of `benchmarks.quality.LOGS`.
        home: workspace in which the log was ingested.
        settings: beside those that the log needs.

    Raises:
        ValueError: our split gives something else than the others were handed.
    """
    job = job_of(log_name, Path(home), settings)
    for done_before in ("pairs", "runs"):
        shutil.rmtree(job.workspace.home / "data" / done_before / log_name, ignore_errors=True)
    prepared = prepare(job, ingest(job, source_of(log_name)))
    histories = prepared.histories("train_and_validation")
    if not (np.array_equal(histories.indptr, log.indptr) and np.array_equal(histories.item_nums, log.item_nums)):
        raise ValueError(f"the split of {log_name} is not the one that was handed out")
    towers = train(job, prepared).towers("train_and_validation")
    retriever = Retriever(assemble(job, prepared, towers, "train_and_validation", EXACT), "ours")
    queries = Queries(log.test_users, histories.take(log.test_users))

    def recommend(k: int) -> Lists:
        return retriever.rank(queries, k, exclude_seen=True).item_nums

    return Fitted(recommend, retriever.bundle.towers.item_vectors().shape[1] * 4)
