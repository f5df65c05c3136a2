"""Full-ranking evaluation of every test user against a bare block product and top-k.

Ours encodes the users, scores the whole catalogue, masks what was seen, ranks, settles ties, and computes six metrics
at five list lengths, slices, catalogue figures and bootstrap intervals of a thousand resamples. The baseline has the
user vectors already and only multiplies and takes the top 100, in blocks of 16 MiB of scores, which fit
the caches and are quicker than larger ones.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from benchmarks.interleaved import compared, in_turn, tell
from benchmarks.real_log import prepared_log, retriever_of
from recsys_cl.config import EvaluateConfig, TrainConfig
from recsys_cl.evaluation.protocol import evaluate, examine
from recsys_cl.training.learner import Learner

_K = 100
_SCORES = 1 << 22  # held at a time


def multiply_and_rank(users: torch.Tensor, items: torch.Tensor) -> None:
    """Score in blocks and keep the best of each row."""
    for block in users.split(max(1, _SCORES // len(items))):
        torch.topk(block @ items.T, _K, dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="recsys-cl-evaluation-") as home:
        log, prepared = prepared_log(Path(home))
        pairs, vocabulary = prepared.pairs("train_and_validation"), prepared.vocabulary("train_and_validation")
        # What the towers have learned makes no difference to the time that ranking takes.
        towers = Learner(pairs, vocabulary.n_users, TrainConfig(), 0, torch.device("cpu")).towers
        retriever = retriever_of(prepared, towers, "exact", Path(home) / "bundle")
        examination = examine(prepared.seen("train_and_validation"), prepared.part("test"), vocabulary)
        users = torch.from_numpy(towers.query_vectors(examination.queries))
        items = torch.from_numpy(towers.item_vectors())
        quick = EvaluateConfig(bootstrap_samples=100)
        seconds = in_turn(
            {
                "ours": lambda: evaluate(retriever, examination, EvaluateConfig()),
                "few resamples": lambda: evaluate(retriever, examination, quick),
                "bare": lambda: multiply_and_rank(users, items),
            },
            rounds,
        )
    what = f"evaluate {len(examination):,} users of {log}"
    against = f"block product and `torch.topk`, k = {_K}"
    measured = [
        compared(what, seconds["ours"], against, seconds["bare"], aim=1.5),
        compared(f"{what}, 100 resamples", seconds["few resamples"], against, seconds["bare"]),
    ]
    tell(measured, {"log": log, "threads": torch.get_num_threads()})


if __name__ == "__main__":
    main()
