"""Candidates for every user against a bare FAISS search of the same index.

Ours looks users up, encodes them from their histories, searches, leaves out what each has seen, names users and items
and writes Parquet. The baselines have all user vectors already and only call `index.search`, on as many at a time:

- for 100 items, which leaves seen ones among them;
- for 100 and as many as the user has seen, users who need about as many together: what it takes to give 100 unseen;
- for 100 and the longest history of all, the simplest way of having 100 unseen.

At 1,024 dimensions search is exact, for part of the users, over towers that have not been trained, which makes no
difference to the time that exact search takes.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.interleaved import Measured, compared, in_turn, tell
from benchmarks.real_log import prepared_log, retriever_of, trained_towers
from recsys_cl.config import CandidatesConfig, TrainConfig
from recsys_cl.pairs.histories import Queries
from recsys_cl.retrieval.candidates import write_candidates
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.training.learner import Learner

_K = 100
_WIDE, _WIDE_USERS = 1024, 4096  # dimensions of the second measurement, and users in it
_STEP = 32  # results by which the widths of two searches differ at least
_WIDEST = 2048  # results of one search


def bare_search(retriever: Retriever, users: np.ndarray, widths: np.ndarray) -> Callable[[], None]:
    """Return a function that searches the index for all users, at most as many at a time as ours takes.

    Args:
        retriever: whose index is searched.
        users: (u, d) vectors.
        widths: (u,) results wanted for each.
    """
    block, index = CandidatesConfig().batch_users, retriever.bundle.search.index
    calls = [
        (np.ascontiguousarray(users[start : start + block][rows]), int(width))
        for start in range(0, len(users), block)
        for width in np.unique(widths[start : start + block])
        for rows in [widths[start : start + block] == width]
    ]

    def search() -> None:
        for some, width in calls:
            index.nearest(some, width)

    return search


def measure(retriever: Retriever, folder: Path, rounds: int, first: int | None = None) -> list[Measured]:
    """Measure candidates for the ``first`` users of the vocabulary, or for all."""
    asked = retriever.bundle.vocabulary.users_as_written()[:first]
    histories = retriever.bundle.histories.take(np.arange(len(asked)))
    users = retriever.bundle.towers.query_vectors(Queries(np.arange(len(asked), dtype=np.int32), histories))
    needed = np.minimum(-(-(_K + histories.lengths) // _STEP) * _STEP, _WIDEST)
    longest = min(_K + int(histories.lengths.max()), _WIDEST)
    out = folder / "candidates.parquet"
    seconds = in_turn(
        {
            "ours": lambda: write_candidates(retriever, asked, out, CandidatesConfig(k=_K)),
            "search": bare_search(retriever, users, np.full(len(users), _K)),
            "search for unseen": bare_search(retriever, users, needed),
            "wide search": bare_search(retriever, users, np.full(len(users), longest)),
        },
        rounds,
    )
    report = retriever.bundle.index
    what = (
        f"candidates for {len(users):,} users, {report.kind} index of {report.n_items:,} items, "
        f"{users.shape[1]:,} dimensions"
    )
    return [
        compared(what, seconds["ours"], f"bare FAISS search, k = {_K}", seconds["search"], aim=1.2),
        compared(
            what,
            seconds["ours"],
            f"bare FAISS search, k = {_K} and each user's seen items",
            seconds["search for unseen"],
            aim=1.2,
        ),
        compared(what, seconds["ours"], f"bare FAISS search, k = {longest:,} for all", seconds["wide search"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", default=["exact", "ivf_flat", "hnsw"])
    arguments = parser.parse_args()
    measured = []
    with tempfile.TemporaryDirectory(prefix="recsys-cl-candidates-") as home:
        log, prepared = prepared_log(Path(home))
        n_users = prepared.vocabulary("train_and_validation").n_users
        towers = trained_towers(prepared.pairs("train_and_validation"), n_users)
        for kind in arguments.kinds:
            retriever = retriever_of(prepared, towers, kind, Path(home) / kind)
            measured += measure(retriever, Path(home), arguments.rounds)
        wide = TrainConfig(embedding_dim=_WIDE)
        towers = Learner(prepared.pairs("train_and_validation"), n_users, wide, 0, torch.device("cpu")).towers
        retriever = retriever_of(prepared, towers, "exact", Path(home) / "wide")
        measured += measure(retriever, Path(home), arguments.rounds, _WIDE_USERS)
    tell(measured, {"log": log})


if __name__ == "__main__":
    main()
