"""Adversarially weighted negatives: the harder one is, the more it counts (Robinson et al., ICLR 2021, 2010.04592).

Of all ways to weigh negatives within a Kullback-Leibler ball around how they are drawn, the one that makes their mean
score highest weighs them by e^(beta s): a negative's weight is what an adversary would choose.
"""

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
    """How much an adversary may do."""

    hardness: Annotated[float, Search(0.0, 1.0)] = Field(
        0.25, ge=0, description="beta: power by which a negative's weight grows with its score"
    )


def hard_negatives(scored: Scored, hardness: float) -> torch.Tensor:
    """Return InfoNCE of each positive, (p,) nats, with the negatives' weights as above, taking a gradient too.

    N times the weighted mean of e^s- is N sum(e^((1 + beta) s)) / sum(e^(beta s)), sums and N over the catalogue as
    the negatives stand for it. A hardness of nought gives `info_nce`.
    """
    log_counts = scored.log_counts
    raw = torch.where(scored.absent, 0.0, scored.negative - log_counts)
    weights = (hardness * raw + log_counts).logsumexp(1)
    weighted = ((1 + hardness) * raw + log_counts).logsumexp(1)
    log_sum = (log_counts.logsumexp(1) + weighted - weights)[scored.rows].masked_fill(scored.unopposed, -torch.inf)
    return torch.logaddexp(scored.positive, log_sum) - scored.positive


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss."""
    return loss_of_logits(contrast, partial(hard_negatives, hardness=config.hardness))
