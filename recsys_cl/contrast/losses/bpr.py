"""Bayesian personalised ranking, BPR (Rendle et al., UAI 2009): the pairwise loss everyone knows, for reference."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch.nn import functional

from recsys_cl.contrast.blocks import loss_of_logits
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.scored import Scored
from recsys_cl.settings import Search, Settings


class Config(Settings):
    """How many negatives a positive is held against."""

    negatives: Annotated[int, Search(1, 16, log=True)] = Field(1, ge=1, description="negatives drawn for each positive")


def bpr(scored: Scored, drawn: torch.Tensor) -> torch.Tensor:
    """Return the mean of -log sigmoid(s+ - s-) over drawn negatives for each positive, (p,) nats.

    What the user is known to have taken and is drawn all the same costs nothing.

    Args:
        scored: scores.
        drawn: (all positives, k) int64, columns drawn for each.
    """
    columns = drawn[scored.place]
    logits = scored.negative[scored.rows.unsqueeze(1), columns]
    scores = torch.where(logits == -torch.inf, logits, logits + scored.log_q[columns])
    return functional.softplus(scores - scored.positive.unsqueeze(1)).mean(1)


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss; as in the paper negatives are drawn as if uniformly from the catalogue."""
    chances = torch.exp(-contrast.log_q).clamp(min=torch.finfo(contrast.log_q.dtype).tiny)
    generator = torch.Generator(chances.device).manual_seed(contrast.seed)
    drawn = torch.multinomial(
        chances, max(1, len(contrast.positives)) * config.negatives, replacement=True, generator=generator
    )
    return loss_of_logits(contrast, partial(bpr, drawn=drawn.view(-1, config.negatives)))
