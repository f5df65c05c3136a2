"""Pairwise margin contrastive loss (Hadsell, Chopra and LeCun, CVPR 2006, equation 4)."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch.nn import functional

from recsys_cl.contrast.blocks import loss_of_scores
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.scored import Scored
from recsys_cl.settings import Search, Settings

NEEDS_DISTANCE = True
TAKES_BIAS = False
USES_TEMPERATURE = False
_LEAST = 1e-12  # of a squared distance, whose root has no gradient at nought


class Config(Settings):
    """How far negatives are pushed."""

    margin: Annotated[float, Search(0.2, 2.0)] = Field(
        1.0, gt=0, description="distance beyond which a negative is let be"
    )
    negative_weight: Annotated[float, Search(1.0, 1000.0, log=True)] = Field(
        30.0, gt=0, description="weight of the mean over negatives"
    )


def margin_contrastive(scored: Scored, margin: float, negative_weight: float) -> torch.Tensor:
    """Return d+^2 / 2 + w mean max(0, m - d-)^2 / 2 of each positive, (p,).

    Scores are negative squared distances, -d^2. The paper draws as many negatives as positives; w makes up for a mean
    over the many of a batch, most of which are far away.
    """
    distance = (-scored.negative).clamp(min=_LEAST).sqrt()
    hinges = functional.relu(margin - distance).square()
    return (negative_weight * scored.mean_over_negatives(hinges)[scored.rows] - scored.positive) / 2


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss."""
    return loss_of_scores(contrast, partial(margin_contrastive, **config.model_dump()))
