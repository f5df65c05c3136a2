"""Candidates for every user against a bare FAISS search of the same index.

Ours looks users up, encodes them from their histories, searches, leaves out what each has seen, names users and items
and writes Parquet. The baselines have all user vectors already and only call `index.search` on as many at a time, for
100 items, with seen ones among them; and for as many more as the longest history, which whoever wants 100 unseen items
from FAISS alone has to ask for.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.interleaved import Measured, compared, in_turn, tell
from benchmarks.real_log import prepared_log, retriever_of, trained_towers
from recsys_cl.config import CandidatesConfig
from recsys_cl.pairs.histories import Queries
from recsys_cl.retrieval.candidates import write_candidates
from recsys_cl.retrieval.retriever import Retriever

_K = 100


def bare_search(retriever: Retriever, users: np.ndarray, k: int) -> Callable[[], None]:
    """Return a function that searches the index for all users, as many at a time as ours takes."""
    block, index = CandidatesConfig().batch_users, retriever.bundle.search.index

    def search() -> None:
        for start in range(0, len(users), block):
            index.nearest(users[start : start + block], k)

    return search


def measure(retriever: Retriever, folder: Path, rounds: int) -> list[Measured]:
    histories = retriever.bundle.histories
    everyone = Queries(np.arange(len(histories), dtype=np.int32), histories)
    users = retriever.bundle.towers.query_vectors(everyone)
    longest = min(_K + int(histories.lengths.max()), 2048)
    out = folder / "candidates.parquet"
    seconds = in_turn(
        {
            "ours": lambda: write_candidates(retriever, None, out, CandidatesConfig(k=_K)),
            "search": bare_search(retriever, users, _K),
            "wide search": bare_search(retriever, users, longest),
        },
        rounds,
    )
    report = retriever.bundle.index
    what = f"candidates for {len(users):,} users, {report.kind} index of {len(retriever.bundle.items):,} items"
    return [
        compared(what, seconds["ours"], f"bare FAISS search, k = {_K}", seconds["search"], aim=1.2),
        compared(what, seconds["ours"], f"bare FAISS search, k = {longest:,}", seconds["wide search"], aim=1.2),
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
    tell(measured, {"log": log})


if __name__ == "__main__":
    main()
