"""Where tensors live."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from recsys_cl.errors import ConfigError


def device_of(name: str) -> torch.device:
    """Return the device called "cpu" or "cuda"; "auto" is CUDA where there is one.

    Raises:
        ConfigError: CUDA was asked for and is not there.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigError("--device cuda was asked for, but torch finds no CUDA device; use --device auto or cpu.")
    return torch.device(("cuda" if available else "cpu") if name == "auto" else name)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work with one thread.

    The operations of a step are short. Where anything else uses the cores, threads that wait for each other at the end
    of each make a step several times slower; products, which are long, are numpy's and have threads of their own.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
