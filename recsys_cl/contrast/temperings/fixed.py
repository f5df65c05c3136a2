"""One temperature for all, as it is given."""

from __future__ import annotations

import torch
from torch import nn

from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.counts import Counts
from recsys_cl.settings import Settings


class Config(Settings):
    """It has no settings of its own."""


class Tempering(nn.Module):
    """Gives the temperature that was given.

    Args:
        start: that temperature.
    """

    temperature: torch.Tensor

    def __init__(self, _config: Config, start: float, _counts: Counts) -> None:
        super().__init__()
        self.register_buffer("temperature", torch.tensor(start))

    def forward(self, users: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - the same for all of them
        """Return the temperature, ()."""
        return self.temperature

    def observe(self, contrast: Contrast, users: torch.Tensor) -> None:
        """Learn nothing."""
