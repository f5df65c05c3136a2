"""One temperature for all, learned along with the vectors (as in CLIP, Radford et al., ICML 2021)."""

from __future__ import annotations

import math

import torch
from torch import nn

from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.counts import Counts
from recsys_cl.settings import Settings


class Config(Settings):
    """It has no settings of its own."""


class Tempering(nn.Module):
    """Gives a temperature that takes gradients.

    Args:
        start: what it is at first.
    """

    def __init__(self, _config: Config, start: float, _counts: Counts) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.tensor(math.log(start)))

    def forward(self, users: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - the same for all of them
        """Return the temperature, (), always positive."""
        return self.log_temperature.exp()

    def observe(self, contrast: Contrast, users: torch.Tensor) -> None:
        """Learn by gradients alone."""
