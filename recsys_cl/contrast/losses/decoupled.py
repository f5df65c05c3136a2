"""Decoupled contrastive learning (Yeh et al., ECCV 2022, arXiv 2110.06848): the positive is out of the denominator."""

from __future__ import annotations

import torch

from recsys_cl.contrast.blocks import loss_of_logits
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.scored import Scored
from recsys_cl.settings import Settings


class Config(Settings):
    """It has no settings of its own."""


def decoupled(scored: Scored) -> torch.Tensor:
    """Return -s+ + log sum e^s- of each positive, (p,); it may be negative, and is nought where there is no negative.

    InfoNCE's gradient fades by a factor, the share of the negatives, where a positive is found easily. Without the
    positive in the denominator that factor is gone, so that small batches learn as large ones do.
    """
    return (scored.negative_log_sum[scored.rows] - scored.positive).masked_fill(scored.unopposed, 0.0)


def loss(contrast: Contrast, _config: Config) -> torch.Tensor:
    """Return the mean loss."""
    return loss_of_logits(contrast, decoupled)
