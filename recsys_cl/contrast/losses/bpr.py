"""Bayesian personalised ranking, BPR (Rendle et al., UAI 2009): the pairwise loss everyone knows, for reference."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch.nn import functional

from recsys_cl.config import Search, Settings
from recsys_cl.contrast.blocks import loss_of_logits
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.scored import Scored


class Config(Settings):
    """How many negatives a positive is held against."""

    negatives: Annotated[int, Search(1, 16, log=True)] = Field(1, ge=1, description="negatives drawn for each positive")


def bpr(scored: Scored, negatives: int) -> torch.Tensor:
    """Return the mean of -log sigmoid(s+ - s-) over drawn negatives for each positive, (p,) nats.

    As in the paper negatives are drawn as if uniformly from the catalogue; what the user is known to have taken and is
    drawn all the same costs nothing.
    """
    chances = torch.exp(-scored.log_q)
    generator = torch.Generator(chances.device).manual_seed(scored.seed)
    drawn = torch.multinomial(chances, len(scored.positive) * negatives, replacement=True, generator=generator)
    drawn = drawn.view(-1, negatives)
    scores = scored.negative[scored.rows.unsqueeze(1), drawn] + scored.log_q[drawn]
    return functional.softplus(scores - scored.positive.unsqueeze(1)).mean(1)


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss."""
    return loss_of_logits(contrast, partial(bpr, negatives=config.negatives))
