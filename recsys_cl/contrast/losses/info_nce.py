"""InfoNCE (van den Oord et al. 2018, arXiv 1807.03748): tell a positive from negatives; NT-Xent when two-sided."""

from __future__ import annotations

import torch
from pydantic import Field

from recsys_cl.contrast.blocks import loss_of_logits
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.scored import Scored
from recsys_cl.settings import Settings


class Config(Settings):
    """How many sides ask."""

    two_sided: bool = Field(False, description="let items look for their users too, as NT-Xent and CLIP do")


def info_nce(scored: Scored) -> torch.Tensor:
    """Return -log(e^s+ / (e^s+ + sum e^s-)) of each positive, (p,) nats; other positives of the query stay out."""
    return torch.logaddexp(scored.positive, scored.negative_log_sum[scored.rows]) - scored.positive


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss; two-sided, that of users among items and of items among users, half of each.

    The latter is NT-Xent (Chen et al., ICML 2020, equation 1) but for negatives of one's own side.
    """
    if not config.two_sided:
        return loss_of_logits(contrast, info_nce)
    return (loss_of_logits(contrast, info_nce) + loss_of_logits(contrast.swapped(), info_nce)) / 2
