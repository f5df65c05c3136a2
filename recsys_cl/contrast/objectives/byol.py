"""BYOL (Grill et al., NeurIPS 2020, arXiv 2006.07733) for users and items, as in BUIR (Lee et al., SIGIR 2021)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from recsys_cl.contrast.context import Context
from recsys_cl.contrast.momentum import Following
from recsys_cl.contrast.step import Rows, Step
from recsys_cl.settings import Search, Settings
from recsys_cl.towers.two_tower import TwoTower

USES_NEGATIVES = False
USES_TEMPERATURE = False


class Config(Settings):
    """What keeps vectors from becoming all alike; each part can be taken away to see what it does."""

    momentum: Annotated[float, Search(0.9, 0.999)] = Field(
        0.995, ge=0, lt=1, description="share of the target towers that stays, each step"
    )
    predictor: Annotated[bool, Search(named=True)] = Field(
        True, description="predict the target by a linear map, or be it"
    )
    stop_gradient: Annotated[bool, Search(named=True)] = Field(True, description="whether targets only teach")


class Objective(nn.Module):
    """Predict from a user the vector that slower towers give an item they took, and from the item that of the user.

    There is no negative. The mean of both squared distances between vectors of length one.

    Args:
        config: its parts.
        context: the towers that learn.
    """

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__()
        dim = context.towers.spec.embedding_dim
        self.config = config
        self.predictor = _identity(dim) if config.predictor else nn.Identity()
        self.following = Following(context.towers, config.momentum) if config.stop_gradient else None

    def forward(self, step: Step) -> torch.Tensor:
        """Return the loss, ()."""
        users, items = self._targets(step, step.rows if self.following is None else self.following.follow(step))
        rows, columns, shares = step.contrast.rows, step.contrast.columns, step.contrast.shares
        of_users = _distances(self.predictor(step.users)[rows], items[columns])
        of_items = _distances(self.predictor(step.items)[columns], users[rows])
        return (of_users + of_items) @ shares / 2

    def observe(self, step: Step) -> None:
        """Let the targets follow."""
        if self.following is not None:
            self.following.observe(step)

    def served(self, towers: TwoTower) -> TwoTower:
        """Return towers whose users are predicted items, which is what is nearest to those that a user took.

        A linear map of a sum over a history is the sum over mapped items, so the map goes into the context table. Where
        histories are read in several ways, or in the table of the candidates, it can't, and towers stay as they are.
        """
        if not self.config.predictor or towers.history_table != "context" or len(towers.readings) != 1:
            return towers
        served = TwoTower(towers.spec, towers.device)
        served.set_state(towers.state())
        served.tables["context"].copy_(self.predictor(towers.tables["context"]).detach())
        return served

    def _targets(self, step: Step, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
        if self.following is None:
            return step.users, step.items
        towers = self.following.towers
        with torch.no_grad():
            return towers.query(step.query_inputs_of(rows)), towers.candidate(step.candidate_inputs_of(rows))


def _identity(dim: int) -> nn.Linear:
    """Return a linear map that begins as none at all."""
    linear = nn.Linear(dim, dim, bias=False)
    nn.init.eye_(linear.weight)
    return linear


def _distances(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return (functional.normalize(left) - functional.normalize(right)).square().sum(1)
