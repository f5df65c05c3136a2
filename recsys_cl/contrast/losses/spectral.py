"""Spectral contrastive loss (HaoChen et al., NeurIPS 2021, arXiv 2106.04156, equation 6).

Its minimiser is a singular value decomposition, of the kind that `recsys-cl train --method spectral` computes outright;
as a loss it serves towers that have no closed form. The paper's second mean is over items as they are taken, that is
--log-q-exponent 0; with 1 it is over the catalogue.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from pydantic import Field

from recsys_cl.contrast.blocks import loss_of_scores
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.scored import Scored
from recsys_cl.settings import Search, Settings

NEEDS_PRODUCT = True
USES_TEMPERATURE = False


class Config(Settings):
    """In which units scores are."""

    scale: Annotated[float, Search(1.0, 50.0, log=True)] = Field(
        10.0, gt=0, description="what similarities are multiplied by"
    )


def spectral(scored: Scored, scale: float) -> torch.Tensor:
    """Return -2 c s+ + mean (c s)^2 of each positive, (p,), the mean being over items drawn independently.

    A query's positives are among those: without their squares the loss would have no minimum.
    """
    squares = torch.where(scored.absent, 0.0, scored.negative).square()
    counts, own = scored.log_counts.exp(), torch.exp(-scored.log_q[scored.columns])
    total = (counts * squares).sum(1).index_add(0, scored.rows, own * scored.positive.square())
    items = counts.sum(1).index_add(0, scored.rows, own).clamp(min=torch.finfo(counts.dtype).tiny)
    return scale**2 * (total / items)[scored.rows] - 2 * scale * scored.positive


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss."""
    return loss_of_scores(contrast, partial(spectral, scale=config.scale))
