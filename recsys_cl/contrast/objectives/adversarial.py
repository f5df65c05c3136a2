"""Adversarial training: vectors moved a little in the direction that hurts most (APR, He et al., SIGIR 2018).

The direction is that of the gradient (FGSM, Goodfellow et al., ICLR 2015), taken in one step or in several (PGD, Madry
et al., ICLR 2018).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from recsys_cl.config import Search, Settings
from recsys_cl.contrast.context import Context
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.step import Step
from recsys_cl.contrast.supervised import Supervised
from recsys_cl.errors import ConfigError

USES_TEMPERATURE = False


class Config(Settings):
    """How much an adversary may do."""

    epsilon: Annotated[float, Search(0.01, 1.0, log=True)] = Field(
        0.1, gt=0, description="length of the perturbation of a vector"
    )
    steps: Annotated[int, Search(1, 3, named=True)] = Field(1, ge=1, description="steps in which it is found")


class Objective(nn.Module):
    """The main loss where every vector is moved by ``epsilon``, to where the loss is about as high as it gets.

    Args:
        config: how far, in how many steps.
        context: the main objective.

    Raises:
        ConfigError: there is no main loss.
    """

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__()
        if context.supervised is None:
            raise ConfigError(
                "The objective 'adversarial' perturbs a main loss, and there is none; name one by --loss."
            )
        self.config = config
        self._main = (context.supervised,)  # in a tuple, so that it is not a part of this module as well

    def forward(self, step: Step) -> torch.Tensor:
        """Return the loss, ()."""
        (main,) = self._main
        contrast = main.compared(step)
        return main.of(_moved(contrast, *self._worst(main, contrast)))

    def observe(self, step: Step) -> None:
        """Keep nothing."""

    def _worst(self, main: Supervised, contrast: Contrast) -> tuple[torch.Tensor, torch.Tensor]:
        """Return by what queries and candidates are moved, each row no longer than ``epsilon``."""
        fixed = replace(contrast, queries=contrast.queries.detach(), candidates=contrast.candidates.detach())
        moves = [torch.zeros_like(fixed.queries), torch.zeros_like(fixed.candidates)]
        for _ in range(self.config.steps):
            leaves = [move.requires_grad_() for move in moves]
            gradients = torch.autograd.grad(main.of(_moved(fixed, *leaves)), leaves)
            length = self.config.epsilon / self.config.steps
            moves = [
                (move + length * functional.normalize(gradient)).detach()
                for move, gradient in zip(moves, gradients, strict=True)
            ]
        return moves[0], moves[1]


def _moved(contrast: Contrast, queries: torch.Tensor, candidates: torch.Tensor) -> Contrast:
    return replace(contrast, queries=contrast.queries + queries, candidates=contrast.candidates + candidates)
