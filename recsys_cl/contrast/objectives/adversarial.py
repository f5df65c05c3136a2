"""Adversarial training: embeddings moved a little in the direction that hurts most (APR, He et al., SIGIR 2018).

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

from recsys_cl.contrast.context import Context
from recsys_cl.contrast.step import Rows, Step
from recsys_cl.contrast.supervised import Supervised
from recsys_cl.errors import ConfigError
from recsys_cl.settings import Search, Settings

USES_TEMPERATURE = False
NEEDS_LOSS = True


class Config(Settings):
    """How much an adversary may do."""

    epsilon: Annotated[float, Search(0.01, 1.0, log=True)] = Field(
        0.1, gt=0, description="by what share of its length an embedding is moved"
    )
    steps: Annotated[int, Search(1, 3, named=True)] = Field(1, ge=1, description="steps in which it is found")


class Objective(nn.Module):
    """The main loss where every embedding is moved a little, to where the loss is about as high as it gets.

    What is moved are rows of the tables, before an encoder makes anything of them, as in APR.

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
        worst = self._worst(main, step)
        loss: torch.Tensor = main(replace(step, rows=_moved(step.rows, worst)))
        return loss

    def observe(self, step: Step) -> None:
        """Keep nothing."""

    def _worst(self, main: Supervised, step: Step) -> Rows:
        """Return by what rows are moved, each by a share ``epsilon`` of its length at most; biases stay."""
        fixed = {name: rows.detach() for name, rows in step.rows.items()}
        moves = {name: torch.zeros_like(rows) for name, rows in fixed.items() if name != "bias"}
        for _ in range(self.config.steps):
            leaves = [move.requires_grad_() for move in moves.values()]
            loss = main(replace(step, rows=_moved(fixed, moves)))
            gradients = torch.autograd.grad(loss, leaves, materialize_grads=True)
            for name, gradient in zip(moves, gradients, strict=True):
                length = self.config.epsilon / self.config.steps * fixed[name].norm(dim=1, keepdim=True)
                moves[name] = (moves[name] + length * functional.normalize(gradient)).detach()
        return moves


def _moved(rows: Rows, moves: Rows) -> Rows:
    return {name: one + moves[name] if name in moves else one for name, one in rows.items()}
