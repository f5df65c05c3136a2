"""Bilateral softmax loss, BSL (Wu et al., ICDE 2024, arXiv 2312.12882): robust on the positive side as on the other."""

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
    """How unlike the two sides are, and what the positive side is."""

    power: Annotated[float, Search(0.8, 2.0)] = Field(
        1.1, gt=0, description="weight of the negative side: the positives' temperature over the negatives'"
    )
    pooled: bool = Field(False, description="pool a query's positives in one mean, inside of the logarithm")


def bilateral_softmax(scored: Scored, power: float, *, pooled: bool = False) -> torch.Tensor:
    """Return -s+ + power log sum e^s- of each positive, (p,); nought where there is no negative.

    Pooled, the mean of a query's e^s+ stands in the place of each: positives that score low, and may be noise, teach
    less.
    """
    positives = scored.positive
    if pooled:
        positives = (scored.positive_log_sum - scored.positive_count.log())[scored.rows]
    return (power * scored.negative_log_sum[scored.rows] - positives).masked_fill(scored.unopposed, 0.0)


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss."""
    return loss_of_logits(contrast, partial(bilateral_softmax, **config.model_dump()))
