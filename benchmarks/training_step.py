"""A training step against its own matrix products.

A step gathers embedding rows, encodes, scores every query with every candidate, masks, takes the softmax loss and its
gradient, and updates the rows. Of that the baseline does nothing but the three products that cannot be avoided, on
matrices that are there already: scores (b, d) x (d, n), and the gradients of both sides, (b, n) x (n, d) and
(n, b) x (b, d). Both use as many threads as torch takes by default.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch

from benchmarks.interleaved import Measured, compared, in_turn, tell
from benchmarks.real_log import prepared_log
from recsys_cl.config import TrainConfig
from recsys_cl.pairs.batches import Batches
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.training.learner import Learner
from recsys_cl.training.prefetch import made_ahead

_PAIRS = 16_384  # pairs timed together


def products(rows: int, columns: int, dim: int, steps: int) -> Callable[[], None]:
    """Return a function that does the products of so many steps."""
    queries, candidates, scores = torch.randn(rows, dim), torch.randn(columns, dim), torch.empty(rows, columns)
    left, right = torch.empty(rows, dim), torch.empty(columns, dim)

    def multiply() -> None:
        for _ in range(steps):
            torch.mm(queries, candidates.T, out=scores)
            torch.mm(scores, candidates, out=left)
            torch.mm(scores.T, queries, out=right)

    return multiply


def measure(pairs: PairSet, n_users: int, batch_size: int, uniform: int, rounds: int) -> list[Measured]:
    config = TrainConfig(batch_size=batch_size, uniform_negatives=uniform)
    learner = Learner(pairs, n_users, config, seed=0, device=torch.device("cpu"))
    dealt = Batches(pairs, batch_size, uniform, config.id_dropout, seed=0)
    steps = max(2, _PAIRS // batch_size)
    ready = list(islice(dealt.epoch(1), steps))

    def step_on_ready() -> None:
        for batch in ready:
            learner.step(batch, 0.001)

    def make_and_step() -> None:
        for batch in made_ahead(islice(dealt.epoch(1), steps)):
            learner.step(batch, 0.001)

    seconds = in_turn(
        {
            "step": step_on_ready,
            "products": products(batch_size, batch_size + uniform, config.embedding_dim, steps),
            "with batches": make_and_step,
        },
        rounds,
    )
    each = {name: [one / steps for one in found] for name, found in seconds.items()}
    what = f"training step, {batch_size:,} pairs" + (f" and {uniform:,} uniform negatives" if uniform else "")
    against = "its three matrix products"
    return [
        compared(what, each["step"], against, each["products"], aim=2),
        compared(f"{what}, making the batch included", each["with batches"], against, each["products"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="recsys-cl-training-") as home:
        log, prepared = prepared_log(Path(home))
        pairs, n_users = prepared.pairs("train"), prepared.vocabulary("train").n_users
        cases = ((2048, 0), (8192, 0), (2048, 2048))
        measured = [one for size, uniform in cases for one in measure(pairs, n_users, size, uniform, rounds)]
        tell(measured, {"log": log, "embedding_dim": 64, "threads": torch.get_num_threads()})


if __name__ == "__main__":
    main()
