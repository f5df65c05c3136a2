"""The log that the larger benchmarks work on: Gowalla where it is to be had, else a synthetic one of its size."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from recsys_cl.config import IndexConfig, RunConfig, TrainConfig
from recsys_cl.interactions.sample import write_sample
from recsys_cl.pairs.histories import Queries
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.retrieval.bundle import Bundle, Origin, items_table, write_bundle
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.retrieval.tuning import build_index
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import Prepared, prepare
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.loop import train
from recsys_cl.workspace import Workspace

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("RECSYS_CL_SHARED_DATA", _ROOT.parent / "shared" / "data"))


def prepared_log(home: Path) -> tuple[str, Prepared]:
    """Ingest and split the log in ``home``; return a few words on it beside."""
    workspace = Workspace.at(home)
    job = Job(workspace, "log", RunConfig(), workspace.tracking_uri, NOW)
    gowalla = SHARED / "gowalla"
    if gowalla.is_dir():
        source, name = Source((gowalla / "train.txt",), test=gowalla / "test.txt"), "Gowalla"
    else:
        path = home / "log.csv"
        write_sample(path, users=30_000, items=40_000, interactions=1_000_000)
        source, name = Source((path,)), "a synthetic log"
    prepared = prepare(job, ingest(job, source))
    vocabulary = prepared.vocabulary("train_and_validation")
    return f"{name}, {vocabulary.n_users:,} users and {vocabulary.n_items:,} items", prepared


def trained_towers(pairs: PairSet, n_users: int) -> TwoTower:
    """Train towers for one epoch: enough for vectors to lie as vectors lie, which approximate search feels."""
    return train(pairs, n_users, TrainConfig(epochs=1), ordered=False, seed=0, device="cpu").towers


def retriever_of(prepared: Prepared, towers: TwoTower, index_kind: str, folder: Path) -> Retriever:
    """Write a bundle with an index of this kind, and load it."""
    vocabulary, histories = prepared.vocabulary("train_and_validation"), prepared.histories("train_and_validation")
    some = np.random.default_rng(0).permutation(vocabulary.n_users)[:1000].astype(np.int32)
    vectors = towers.query_vectors(Queries(some, histories.take(some)))
    search, report = build_index(towers.item_vectors(), vectors, IndexConfig(index_kind=index_kind), k=100, seed=0)
    items = items_table(vocabulary, histories, None)
    bundle = Bundle(towers, vocabulary, items, histories, search, report, RunConfig().model_dump(mode="json"))
    write_bundle(folder, bundle, Origin("log", "train_and_validation", prepared.snapshot.digest, NOW))
    return Retriever.load(folder)
