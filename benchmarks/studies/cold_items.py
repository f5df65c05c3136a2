"""Items that nobody took, found by their categories: a tenth of a log's items is kept from training altogether."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import polars as pl

from benchmarks.real_log import SHARED
from benchmarks.studies.drawn import FAINT, OTHERS, OURS, panel, saved, sheet
from recsys_cl.config import load_config
from recsys_cl.evaluation import metrics
from recsys_cl.pairs.histories import Queries
from recsys_cl.retrieval.rough import rank_roughly
from recsys_cl.stages.fit import Fitter
from recsys_cl.stages.foresight import require_sound
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job
from recsys_cl.stages.judge import some_of
from recsys_cl.stages.pairs import prepare
from recsys_cl.training.loop import train
from recsys_cl.workspace import Workspace

SEEDS = (0, 1, 2)
_LOG, _ITEMS = SHARED / "ml-1m" / "ratings_ge4.csv", SHARED / "ml-1m" / "movies.dat"
_K, _USERS, _KEPT_OUT = 20, 4096, 0.1
_ALIKE = {"method": "gradient", "budget": "0s", "embedding_dim": 64, "window": 10, "temperature": 0.13, "epochs": 10}
_CATEGORIES = {"candidate_encoder": "item_id_and_categories"}
RUNS: dict[str, dict[str, Any]] = {
    "a row for each item": {},
    "rows and categories": _CATEGORIES,
    "and views without rows": _CATEGORIES | {"objective": ["simclr:subject=items:views=id_dropout:strength=0.8"]},
}


def measured(home: Path, settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Train on the other items alone; return how well users find the items that were kept out, and all others.

    Returns:
        ``cold``, recall@20 of users' lists of those that were kept out, by all that they ever did with these;
        ``chance``, that of lists drawn at random; ``warm``, recall@20 on the validation part of what was trained on.
    """
    log = pl.read_csv(_LOG)
    items = log["movie_id"].unique().sort()
    cold = items.sample(fraction=_KEPT_OUT, seed=seed).sort()
    is_cold = log["movie_id"].is_in(cold.implode())
    path = home / f"without-a-tenth-{seed}.csv"
    log.filter(~is_cold).write_csv(path)
    workspace = Workspace.at(home)
    config = load_config(None, {**_ALIKE, **settings, "catalogue": "listed", "seed": seed})
    require_sound(config, until="train")
    job = Job(workspace, f"cold-items-{seed}", config, workspace.tracking_uri, datetime.now(UTC))
    with workspace.held():
        prepared = prepare(job, ingest(job, Source((path,), items=_ITEMS)))
    fitter, vocabulary = Fitter(job, prepared, "train"), prepared.vocabulary("train")
    pairs = fitter.pairs
    if fitter.validation is None:
        raise SystemExit("Nobody in the validation part can be asked.")
    towers = train(pairs, len(pairs.histories), config.train, ordered=prepared.ordered, seed=seed, device="cpu").towers
    vectors = towers.item_vectors()
    asked = some_of(fitter.validation, _USERS, seed=0)
    ranked = rank_roughly(towers.query_vectors(asked.queries), vectors, asked.queries.histories, _K)
    warm = metrics.recall_at_k(asked.hits(ranked), asked.n_relevant, _K)

    took = log.filter(is_cold).select(
        user=pl.Series(vocabulary.user_nums(log.filter(is_cold)["user_id"])), item=pl.col("movie_id")
    )
    took = took.filter(pl.col("user") >= 0)
    users, rows = np.unique(took["user"], return_inverse=True)
    relevant = np.zeros((len(users), len(cold)), dtype=bool)
    relevant[rows, cold.search_sorted(took["item"])] = True
    queries = Queries(users, pairs.histories.take(users))
    scores = towers.query_vectors(queries) @ vectors[vocabulary.item_nums(cold)].T
    order = np.random.default_rng(seed).permutation(len(cold))  # by which ties are broken: vectors may be nought
    best = order[np.argsort(-scores[:, order], axis=1, kind="stable")[:, :_K]]
    found = metrics.recall_at_k(np.take_along_axis(relevant, best, axis=1), relevant.sum(1), _K)
    return {"cold": float(found.mean()), "chance": _K / len(cold), "warm": float(warm.mean())}


def draw(found: Mapping[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw both recalls of each way, seed by seed."""
    figure, panels = sheet(2)
    titles = {"cold": "recall@20 among items that nobody took", "warm": "validation recall@20 of all others"}
    for axes, (key, title) in zip(panels, titles.items(), strict=True):
        panel(axes, title)
        for place, runs in enumerate(found.values()):
            color = OTHERS if place == 0 else OURS
            axes.plot([place] * len(runs), [run[key] for run in runs], "o", color=color, alpha=0.7)
        axes.set_xticks(range(len(found)), [fill(name, 12) for name in found])
        axes.set_xlim(-0.5, len(found) - 0.5)
        axes.set_ylim(0, 1.1 * max(run[key] for runs in found.values() for run in runs))
    chance = next(iter(found.values()))[0]["chance"]
    panels[0].axhline(chance, color=FAINT, linewidth=1, linestyle=":")
    panels[0].annotate("drawn at random", (2.45, chance), color=FAINT, fontsize=8, ha="right", va="bottom")
    saved(figure, path)
