"""Bilateral softmax loss, BSL (Wu et al., ICDE 2024, arXiv 2312.12882): robust on the positive side as on the other."""

from __future__ import annotations

from functools import partial

import torch
from pydantic import Field

from recsys_cl.config import Settings
from recsys_cl.contrast.blocks import loss_of_logits
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.scored import Scored


class Config(Settings):
    """How unlike the two sides are."""

    power: float = Field(
        1.1, gt=0, description="weight of the negative side: the positives' temperature over the negatives'"
    )


def bilateral_softmax(scored: Scored, power: float) -> torch.Tensor:
    """Return -log mean e^s+ + power log sum e^s- of each query, (p,), the same for all positives of a query.

    The mean inside the logarithm lets positives that score low, and may be noise, teach less. It is nought where there
    is no negative.
    """
    positives = scored.positive_log_sum - scored.positive_count.log()
    losses = (power * scored.negative_log_sum - positives)[scored.rows]
    return losses.masked_fill(scored.unopposed, 0.0)


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss."""
    return loss_of_logits(contrast, partial(bilateral_softmax, power=config.power))
