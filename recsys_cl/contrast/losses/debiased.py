"""Debiased contrastive loss (Chuang et al., NeurIPS 2020, arXiv 2007.00224): some negatives are positives unseen."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from pydantic import Field

from recsys_cl.contrast.blocks import loss_of_logits
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.scored import Scored
from recsys_cl.settings import Search, Settings


class Config(Settings):
    """How many negatives are thought to be positives."""

    positive_prior: Annotated[float, Search(0.0001, 0.1, log=True)] = Field(
        0.001, ge=0, lt=1, description="chance that an item nobody told of is one the user would take (tau+)"
    )


def debiased(scored: Scored, positive_prior: float) -> torch.Tensor:
    """Return the loss of each positive, (p,) nats; a prior of nought gives `info_nce`.

    With N items in the catalogue, as estimated by the negatives, the sum over true negatives is that over all less
    the share of positives, (S - N tau+ e^s+) / (1 - tau+) (equation 8, with one positive), and no less than
    N e^(-1/t), which no cosine can fall below.
    """
    log_items = scored.log_counts.logsumexp(1)[scored.rows]
    log_sum, temperature = scored.negative_log_sum[scored.rows], scored.temperature[scored.rows, 0]
    lowest = log_items - 1 / temperature
    highest = torch.stack([log_sum, scored.positive, lowest]).amax(0).detach()
    spared = positive_prior * torch.exp(log_items + scored.positive - highest)
    left = (torch.exp(log_sum - highest) - spared) / (1 - positive_prior)
    among = torch.exp(scored.positive - highest) + torch.maximum(left, torch.exp(lowest - highest))
    return torch.log(among) + highest - scored.positive


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss."""
    return loss_of_logits(contrast, partial(debiased, positive_prior=config.positive_prior))
