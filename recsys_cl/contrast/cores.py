"""Work shared out among the cores, so that they meet once and not at the end of every short operation.

torch and BLAS share each operation out among their threads. Those of a training step are short, and where anything else
uses the machine, threads that wait for each other at the end of each make a step several times slower. So each core
gets a share of the whole step, and works on it with one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Thing = TypeVar("Thing")
Result = TypeVar("Result")

_pool: ContextVar[ThreadPoolExecutor | None] = ContextVar("pool", default=None)
_shares: ContextVar[int] = ContextVar("shares", default=1)


@contextmanager
def one_thread_each(device: torch.device) -> Iterator[None]:
    """Let every operation work with one thread, and `each` with as many as torch worked with until now.

    On CUDA nothing changes: it shares its work out by itself, and several threads would only wait for one another.
    """
    if device.type == "cuda":
        yield
        return
    hands = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(hands, thread_name_prefix="cores") as pool:
            tokens = _pool.set(pool), _shares.set(hands)
            try:
                yield
            finally:
                _pool.reset(tokens[0])
                _shares.reset(tokens[1])
    finally:  # last, because leaving `threadpool_limits` sets the threads of torch too
        torch.set_num_threads(hands)


def shares() -> int:
    """Return into how many shares work is best cut: one, outside of `one_thread_each`."""
    return _shares.get()


def each(function: Callable[[Thing], Result], things: Iterable[Thing]) -> list[Result]:
    """Return what ``function`` gives for each thing, all at once within `one_thread_each`; no gradient is kept."""
    pool, apply = _pool.get(), torch.no_grad()(function)
    return list((map if pool is None else pool.map)(apply, things))


def even_bounds(rows: int, most: int) -> list[int]:
    """Return the bounds of blocks of at most so many rows, alike in size and as many for each core; [0] for no row."""
    hands = shares()
    count = min(rows, hands * -(-rows // (hands * max(1, most))))
    return [rows * number // count for number in range(count + 1)] if count else [0]
