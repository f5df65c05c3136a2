"""One training on the training part of a real log, and what validation says of it epoch by epoch."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.quality import LOGS, answer_of
from benchmarks.real_log import SHARED
from recsys_cl.config import load_config
from recsys_cl.contrast.diagnostics.directions import mean_cosine, unit
from recsys_cl.contrast.diagnostics.spectrum import effective_rank, singular_values
from recsys_cl.evaluation import metrics
from recsys_cl.evaluation.protocol import Examination
from recsys_cl.retrieval.rough import rank_roughly
from recsys_cl.stages.fit import Fitter, best_prior
from recsys_cl.stages.foresight import require_sound
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job
from recsys_cl.stages.judge import Judge, some_of
from recsys_cl.stages.pairs import prepare
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.loop import train
from recsys_cl.workspace import Workspace

_K, _USERS, _ITEMS = 20, 4096, 2000
_BUCKETS = (1, 6, 11, 21, 51, 1 << 30)  # lengths of history
_ALWAYS = {"method": "gradient", "budget": "0s", "embedding_dim": 64, "patience": 1000}


def trained_apart(log: str, home: Path, settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Train in a process of its own, so that its peak memory is its own; return what `trained` returns."""
    given = json.dumps({"log": log, "settings": settings, "seed": seed})
    return answer_of("benchmarks.studies.trained", "--home", str(home), "--given", given)


def trained(log_name: str, home: Path, settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Train by such settings; return figures of each epoch, seconds and memory.

    Returns:
        ``recall`` and ``ndcg`` of each epoch, with the best popularity prior unless settings say otherwise; ``cosine``
        (mean between different items) and ``rank`` (effective, Roy and Vetterli 2007) of each; ``by_history``, users
        and their recall by length of history after the last, of all who can be asked; ``seconds``; ``peak_mib``, most
        memory of the process while training, not while it is validated, beyond what it held before (Linux alone).
    """
    log, workspace = LOGS[log_name], Workspace.at(home)
    config = load_config(None, {**log.settings, **_ALWAYS, **settings, "seed": seed})
    require_sound(config, until="train")
    job = Job(workspace, log_name, config, workspace.tracking_uri, datetime.now(UTC))
    with workspace.held():
        prepared = prepare(job, ingest(job, Source((SHARED / log.file,), test=SHARED / log.test if log.test else None)))
    fitter = Fitter(job, prepared, "train")
    everyone = fitter.validation
    if everyone is None:
        raise SystemExit(f"Nobody in the validation part of {log_name} can be asked.")
    asked, histories = some_of(everyone, _USERS, seed=0), fitter.pairs.histories
    found: dict[str, Any] = {"recall": [], "ndcg": [], "cosine": [], "rank": []}
    by_history: list[tuple[int, float | None]] = []
    peaks: list[float] = []

    def validate(towers: TwoTower) -> float:
        peaks.append(_memory_mib("VmHWM"))
        judge, items = Judge(asked), towers.item_vectors(with_offsets=False)
        prior, _ = best_prior(histories, config.train, judge.scores(towers), judge)
        towers.set_prior(prior.scores(histories, config.train.temperature))
        hits = _hits(towers, asked)
        recall, ndcg = metrics.recall_at_k(hits, asked.n_relevant, _K), metrics.ndcg_at_k(hits, asked.n_relevant, _K)
        for name, figure in zip(found, (recall.mean(), ndcg.mean(), *_spread(items)), strict=True):
            found[name].append(None if figure is None else round(float(figure), 5))
        if len(found["recall"]) == config.train.epochs:
            by_history.extend(_by_history(towers, everyone))
        _begin_peak()
        return float(ndcg.mean())

    held, began = _memory_mib("VmRSS"), time.monotonic()
    _begin_peak()
    train(
        fitter.pairs,
        len(histories),
        config.train,
        ordered=prepared.ordered,
        seed=seed,
        device="cpu",
        validate=validate,
    )
    return found | {
        "by_history": by_history,
        "seconds": time.monotonic() - began,
        "peak_mib": max(peaks) - held,
    }


def _hits(towers: TwoTower, asked: Examination) -> metrics.Hits:
    vectors = towers.query_vectors(asked.queries), towers.item_vectors()
    return asked.hits(rank_roughly(*vectors, asked.queries.histories, _K))


def _by_history(towers: TwoTower, asked: Examination) -> Iterator[tuple[int, float | None]]:
    lengths, recall = asked.queries.histories.lengths, metrics.recall_at_k(_hits(towers, asked), asked.n_relevant, _K)
    for low, high in pairwise(_BUCKETS):
        some = recall[(lengths >= low) & (lengths < high)]
        yield len(some), float(some.mean()) if len(some) else None


def _spread(vectors: npt.NDArray[np.float32]) -> tuple[float | None, float | None]:
    """Return the mean cosine between some different vectors and their effective rank."""
    units = unit(vectors[np.random.default_rng(0).permutation(len(vectors))[:_ITEMS]])
    return mean_cosine(units), effective_rank(singular_values(units))


def _memory_mib(what: str) -> float:
    """Return what Linux says of this process's memory: VmRSS, held now, or VmHWM, the most it held."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1024


def _begin_peak() -> None:
    """Let VmHWM be from now on the most that is held from now on."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--given", required=True, help="log, settings and seed, as JSON")
    arguments = parser.parse_args()
    given = json.loads(arguments.given)
    json.dump(trained(given["log"], arguments.home, given["settings"], given["seed"]), sys.stdout)


if __name__ == "__main__":
    main()
