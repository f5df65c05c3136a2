"""A training step against its own matrix products.

A step gathers embedding rows, encodes, scores every query with every candidate, masks, takes the softmax loss and its
gradient, and updates the rows. Of that the baseline does nothing but the three products that cannot be avoided, on
matrices that are there already: scores (b, d) x (d, n), and the gradients of both sides, (b, n) x (n, d) and
(n, b) x (b, d). They are taken in the numbers that the step rounds to, and once more in float32, by numpy, which is the
quickest at that here. All use all cores: the step shares its work out among them, products leave that to the library.
With `--device cuda` all is done there, the making of batches excepted.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from benchmarks.interleaved import Measured, compared, in_turn, tell
from benchmarks.real_log import prepared_log
from recsys_cl.config import TrainConfig
from recsys_cl.contrast.cores import one_thread_each
from recsys_cl.contrast.precision import quick_dtype
from recsys_cl.pairs.batches import Batch
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.training.learner import Learner
from recsys_cl.training.loop import dealt, tower_spec
from recsys_cl.training.prefetch import made_ahead

_QUERIES = 5120  # timed together
_CPU = torch.device("cpu")
CASES = (
    TrainConfig(),
    TrainConfig(embedding_dim=256),
    TrainConfig(targets="one", batch_size=2048, uniform_negatives=0, query_encoder="history"),
)


def torch_products(batches: list[Batch], dim: int, dtype: torch.dtype, device: torch.device) -> Callable[[], None]:
    """Return a function that does the products of these batches by torch."""
    generator = torch.Generator().manual_seed(0)
    widest = max(len(batch.candidate_slots) for batch in batches)
    rows = max(len(batch) for batch in batches)
    queries, candidates = (torch.randn(n, dim, generator=generator).to(device, dtype) for n in (rows, widest))
    scores = torch.randn(rows, widest, generator=generator).to(device, dtype)

    def multiply() -> None:
        for batch in batches:
            size = len(batch)
            _ = queries[:size] @ candidates.T  # of one shape, because each new one costs torch more than the product
            _ = scores[:size] @ candidates
            _ = scores[:size].T @ queries[:size]

    return multiply


def numpy_products(batches: list[Batch], dim: int) -> Callable[[], None]:
    """Return a function that does the products of these batches in float32, by numpy."""
    rng = np.random.default_rng(0)
    widest = max(len(batch.candidate_slots) for batch in batches)
    rows = max(len(batch) for batch in batches)
    queries, candidates = (rng.standard_normal((n, dim), dtype=np.float32) for n in (rows, widest))
    scores = np.empty((rows, widest), dtype=np.float32)

    def multiply() -> None:
        for batch in batches:
            size, width = len(batch), len(batch.candidate_slots)
            block = np.dot(
                queries[:size], candidates[:width].T, out=scores.reshape(-1)[: size * width].reshape(size, width)
            )
            block @ candidates[:width]
            block.T @ queries[:size]

    return multiply


def finished(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Return a function that works, and waits until the device has done it."""

    def work_and_wait() -> None:
        work()
        torch.cuda.synchronize()

    return work_and_wait if device.type == "cuda" else work


def measure(
    pairs: PairSet, n_users: int, config: TrainConfig, rounds: int, device: torch.device = _CPU
) -> list[Measured]:
    spec = tower_spec(pairs, n_users, config, ordered=True)
    learner = Learner(pairs, spec, config, seed=0, device=device)
    dealing = dealt(pairs, learner.towers, config, ordered=True, seed=0)
    steps = max(2, _QUERIES // config.batch_size)
    ready = list(islice(dealing.epoch(1), steps))

    def step_on_ready() -> None:
        with one_thread_each(device):
            for batch in ready:
                learner.step(batch, 0.001)

    def make_and_step() -> None:
        with one_thread_each(device):
            for batch in made_ahead(islice(dealing.epoch(1), steps)):
                learner.step(batch, 0.001)

    dtype, dim = quick_dtype(device), config.dim
    plain = numpy_products(ready, dim) if device == _CPU else torch_products(ready, dim, torch.float32, device)
    contenders = {"step": step_on_ready, "float32": plain, "with batches": make_and_step}
    if dtype != torch.float32:
        contenders["rounded"] = torch_products(ready, dim, dtype, device)
    seconds = in_turn({name: finished(work, device) for name, work in contenders.items()}, rounds)
    each = {name: [one / steps for one in found] for name, found in seconds.items()}
    positives = sum(len(batch.positives) for batch in ready) / len(ready)
    candidates = sum(len(batch.candidate_slots) for batch in ready) / len(ready)
    what = (
        f"training step, {config.batch_size:,} queries, {positives:,.0f} positives, {candidates:,.0f} candidates, "
        f"{config.dim:,} dimensions"
    )
    measured = []
    for name, numbers in (("rounded", str(dtype).removeprefix("torch.")), ("float32", "float32")):
        if name in each:
            against = f"its three matrix products in {numbers}"
            measured.append(compared(what, each["step"], against, each[name], aim=2))
            all_of_it = f"{what}, making the batch included"
            measured.append(compared(all_of_it, each["with batches"], against, each[name]))
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", type=torch.device, default=_CPU)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recsys-cl-training-") as home:
        log, prepared = prepared_log(Path(home))
        pairs, n_users = prepared.pairs("train"), prepared.vocabulary("train").n_users
        measured = [
            one for config in CASES for one in measure(pairs, n_users, config, arguments.rounds, arguments.device)
        ]
        tell(measured, {"log": log, "threads": torch.get_num_threads()})


if __name__ == "__main__":
    main()
