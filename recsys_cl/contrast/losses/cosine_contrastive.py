"""Cosine contrastive loss, CCL, of SimpleX (Mao et al., CIKM 2021, arXiv 2109.12613, equation 1)."""

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

USES_TEMPERATURE = False


class Config(Settings):
    """From which cosine on, and how much, negatives are pushed away."""

    margin: Annotated[float, Search(0.0, 0.9)] = Field(
        0.4, ge=-1, le=1, description="similarity below which a negative is let be"
    )
    negative_weight: Annotated[float, Search(1.0, 1000.0, log=True)] = Field(
        150.0, ge=1, description="weight of the mean over negatives"
    )


def cosine_contrastive(scored: Scored, margin: float, negative_weight: float) -> torch.Tensor:
    """Return 1 - s+ + w mean max(0, s- - m) of each positive, (p,)."""
    hinges = functional.relu(scored.negative - margin)
    return 1 - scored.positive + negative_weight * scored.mean_over_negatives(hinges)[scored.rows]


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss."""
    return loss_of_scores(contrast, partial(cosine_contrastive, **config.model_dump()))
