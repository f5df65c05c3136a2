"""Full-ranking evaluation of every test user against a bare block product and top-k.

Ours encodes the users, scores the whole catalogue, masks what was seen, ranks, settles ties, and computes six metrics
at five list lengths, slices, catalogue figures and bootstrap intervals of a thousand resamples. The baseline has the
user vectors already and only multiplies and takes the top 100, in blocks of 32 MiB of scores. It multiplies with numpy,
whose product is the quicker one on AMD processors; the same with torch's product is there for comparison. At 1,024
dimensions part of the users stands for all.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.interleaved import Measured, compared, in_turn, tell
from benchmarks.real_log import prepared_log, retriever_of
from recsys_cl.config import EvaluateConfig, TrainConfig
from recsys_cl.evaluation.protocol import evaluate, examine
from recsys_cl.stages.pairs import Prepared
from recsys_cl.training.learner import Learner

_K = 100
_SCORES = 1 << 23  # held at a time
_USERS = {64: None, 1024: 8192}  # how many are asked, by dimensions; None for all


def multiply_and_rank(users: npt.NDArray[np.float32], items: npt.NDArray[np.float32], *, by_torch: bool) -> None:
    """Score in blocks and keep the best of each row."""
    size = max(1, _SCORES // len(items))
    for start in range(0, len(users), size):
        block = users[start : start + size]
        scores = torch.from_numpy(block) @ torch.from_numpy(items).T if by_torch else torch.from_numpy(block @ items.T)
        torch.topk(scores, _K, dim=1)


def measure(prepared: Prepared, dim: int, folder: Path, rounds: int) -> list[Measured]:
    pairs, vocabulary = prepared.pairs("train_and_validation"), prepared.vocabulary("train_and_validation")
    # What the towers have learned makes no difference to the time that ranking takes.
    untrained = TrainConfig(embedding_dim=dim)
    towers = Learner(pairs, vocabulary.n_users, untrained, 0, torch.device("cpu")).towers
    retriever = retriever_of(prepared, towers, "exact", folder)
    examination = examine(prepared.seen("train_and_validation"), prepared.part("test"), vocabulary)
    if _USERS[dim]:
        examination = examination.take(np.arange(min(_USERS[dim], len(examination))))
    users, items = towers.query_vectors(examination.queries), towers.item_vectors()
    seconds = in_turn(
        {
            "ours": lambda: evaluate(retriever, examination, EvaluateConfig()),
            "bare": lambda: multiply_and_rank(users, items, by_torch=False),
            "by torch": lambda: multiply_and_rank(users, items, by_torch=True),
        },
        rounds,
    )
    what = f"evaluate {len(examination):,} users over {len(items):,} items, {dim:,} dimensions"
    against = f"block product and `torch.topk`, k = {_K}"
    return [
        compared(what, seconds["ours"], against, seconds["bare"], aim=1.5),
        compared(what, seconds["ours"], f"{against}, the product by torch", seconds["by torch"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dims", nargs="+", type=int, choices=_USERS, default=list(_USERS))
    arguments = parser.parse_args()
    measured = []
    with tempfile.TemporaryDirectory(prefix="recsys-cl-evaluation-") as home:
        log, prepared = prepared_log(Path(home))
        for dim in arguments.dims:
            measured += measure(prepared, dim, Path(home) / f"bundle-{dim}", arguments.rounds)
    tell(measured, {"log": log, "threads": torch.get_num_threads()})


if __name__ == "__main__":
    main()
