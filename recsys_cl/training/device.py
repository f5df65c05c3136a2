"""Where tensors live."""

from __future__ import annotations

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
