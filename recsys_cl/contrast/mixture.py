"""All that is learned at once: a weighted sum of objectives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from recsys_cl.contrast.context import Context
from recsys_cl.contrast.step import Step
from recsys_cl.contrast.supervised import Supervised
from recsys_cl.families import member
from recsys_cl.towers.two_tower import TwoTower

OBJECTIVES = "recsys_cl.contrast.objectives"
TEMPERINGS = "recsys_cl.contrast.temperings"


class Mixture(nn.Module):
    """The sum of objectives by their weights; those of no weight are left out.

    Args:
        context: settings, towers and log; its main objective is made here.
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        config = context.train
        module = member(TEMPERINGS, config.tempering.name)
        given = module.Config.of(config.tempering.settings)
        self.tempering: Any = module.Tempering(given, config.temperature, context.counts)
        self.weights: list[float] = []
        self.parts = nn.ModuleList()
        if config.loss is not None and config.loss.weight:
            supervised = Supervised(config.loss, config, context.towers.compared_dim)
            context = replace(context, supervised=supervised)
            self._add(supervised, config.loss.weight)
        for method in config.objective:
            if method.weight:
                module = member(OBJECTIVES, method.name)
                self._add(module.Objective(module.Config.of(method.settings), context), method.weight)

    def forward(self, step: Step) -> torch.Tensor:
        """Return the loss, (), in nats where its parts are."""
        losses = [weight * part(step) for weight, part in zip(self.weights, self.parts, strict=True)]
        return torch.stack(losses).sum()

    def observe(self, step: Step) -> None:
        """Let all parts see a step that was taken."""
        self.tempering.observe(step.contrast, step.numbers.query_users)
        parts: Any = self.parts
        for part in parts:
            part.observe(step)

    def served(self, towers: TwoTower) -> TwoTower:
        """Return the towers that serve, for towers that learn."""
        parts: Any = self.parts
        for part in parts:
            towers = part.served(towers) if hasattr(part, "served") else towers
        return towers

    def _add(self, part: nn.Module, weight: float) -> None:
        self.parts.append(part)
        self.weights.append(weight)
