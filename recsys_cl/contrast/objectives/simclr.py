"""SimCLR (Chen et al., ICML 2020, arXiv 2002.05709): two views of one user, or item, are more alike than of two."""

from __future__ import annotations

from types import ModuleType
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from recsys_cl.contrast.context import Context
from recsys_cl.contrast.nt_xent import nt_xent
from recsys_cl.contrast.step import Step
from recsys_cl.errors import ConfigError
from recsys_cl.families import member, members
from recsys_cl.settings import Search, Settings

USES_TEMPERATURE = False
AUGMENTATIONS = "recsys_cl.contrast.augmentations"
_MOST = 1024  # things whose views are compared in a step
_STREAMS = {"users": 0, "items": 1}  # of draws
_CHANGES = {"users": "of_history", "items": "of_item"}


class Config(Settings):
    """Of what and how views are taken, and how they are compared."""

    subject: Annotated[Literal["users", "items"], Search(named=True)] = Field(
        "users", description="of what two views are taken"
    )
    views: str = Field("crop+mask", description="augmentations by name, one of which is drawn for a view")
    strength: Annotated[float, Search(0.05, 0.7)] = Field(0.3, gt=0, lt=1, description="how much they change")
    temperature: Annotated[float, Search(0.05, 1.0, log=True)] = Field(
        0.2, gt=0, description="what cosines of views are divided by"
    )
    head: bool = Field(False, description="compare views by what a small network makes of them")


class Objective(nn.Module):
    """NT-Xent between two views of each of the batch's users, as in CL4SRec, or of its candidates, as in SimGCL.

    Args:
        config: the views.
        context: the towers that learn.

    Raises:
        ConfigError: an augmentation is not known, or not for what views are taken of.
    """

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__()
        self.config = config
        self._augmentations = [member(AUGMENTATIONS, name) for name in config.views.split("+")]
        for one in self._augmentations:
            _require_able(one, config.subject)
        dim = context.towers.spec.embedding_dim
        self.head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim)) if config.head else nn.Identity()

    def forward(self, step: Step) -> torch.Tensor:
        """Return the loss, (), in nats."""
        generator = step.generator(_STREAMS[self.config.subject])
        first, second = (self._view(step, self._drawn(generator), generator) for _ in range(2))
        groups = step.numbers.query_users if self.config.subject == "users" else step.numbers.candidates
        some = torch.randperm(len(groups), generator=generator)[:_MOST].to(groups.device)
        return nt_xent(self.head(first[some]), self.head(second[some]), self.config.temperature, groups[some])

    def observe(self, step: Step) -> None:
        """Keep nothing."""

    def _drawn(self, generator: torch.Generator) -> ModuleType:
        return self._augmentations[int(torch.randint(len(self._augmentations), (), generator=generator))]

    def _view(self, step: Step, augmentation: ModuleType, generator: torch.Generator) -> torch.Tensor:
        """Return one view of each user or candidate, as the towers give it."""
        strength = self.config.strength
        view: torch.Tensor
        if hasattr(augmentation, "of_vectors"):
            whole = step.users if self.config.subject == "users" else step.items
            view = augmentation.of_vectors(whole, strength, generator)
        elif self.config.subject == "users":
            view = step.towers.query(augmentation.of_history(step.query_inputs, strength, generator))
        else:
            inputs = augmentation.of_item(step.candidate_inputs_of(step.rows), strength, generator)
            view = step.towers.candidate(inputs)
        return view


def _require_able(augmentation: ModuleType, subject: str) -> None:
    if not (hasattr(augmentation, "of_vectors") or hasattr(augmentation, _CHANGES[subject])):
        able = [
            name
            for name in members(AUGMENTATIONS)
            if {"of_vectors", _CHANGES[subject]} & set(dir(member(AUGMENTATIONS, name)))
        ]
        name = augmentation.__name__.rpartition(".")[2]
        raise ConfigError(f"The augmentation {name!r} is not for {subject}; name one of {', '.join(able)}.")
