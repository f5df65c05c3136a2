"""Triplet loss: a positive nearer than a negative by a margin (Schroff et al., CVPR 2015; CML, Hsieh et al. 2017)."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch.nn import functional

from recsys_cl.contrast.blocks import loss_of_scores
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.scored import Scored
from recsys_cl.settings import Search, Settings

USES_TEMPERATURE = False

# Each positive has a row of scores here; `index_select` copies them in a quarter of the time that an index takes.


class Config(Settings):
    """Which negatives a positive is held against."""

    margin: Annotated[float, Search(0.05, 2.0, log=True)] = Field(
        0.5, gt=0, description="by how much a positive must score higher"
    )
    mining: Literal["all", "semi_hard", "hard"] = Field(
        "semi_hard",
        description="all negatives; the hardest that scores less than the positive; or the hardest of all",
    )
    by_rank: bool = Field(False, description="weigh a positive by the log of how many negatives come within the margin")


def triplet_all(scored: Scored, margin: float) -> torch.Tensor:
    """Return the mean over negatives of max(0, s- - s+ + m) for each positive, (p,)."""
    hinges = functional.relu(scored.negative.index_select(0, scored.rows) - scored.positive.unsqueeze(1) + margin)
    return (hinges * scored.importance.index_select(0, scored.rows)).sum(1)


def triplet_hard(scored: Scored, margin: float) -> torch.Tensor:
    """Return max(0, s- - s+ + m) of each positive, (p,), against the highest of all negatives."""
    return functional.relu(scored.negative.amax(1)[scored.rows] - scored.positive + margin)


def triplet_semi_hard(scored: Scored, margin: float) -> torch.Tensor:
    """Return max(0, s- - s+ + m) of each positive, (p,), against the highest negative that scores less than it does.

    Where no negative does, nothing is learned (Schroff et al., equation 4).
    """
    with torch.no_grad():  # to look for it costs half of what it does with a gradient
        below = scored.negative.index_select(0, scored.rows)
        found, hardest = below.masked_fill_(below >= scored.positive.unsqueeze(1), -torch.inf).max(1)
    negative = scored.negative[scored.rows, hardest].masked_fill(found == -torch.inf, -torch.inf)
    return functional.relu(negative - scored.positive + margin)


def rank_weights(scored: Scored, margin: float) -> torch.Tensor:
    """Return log(1 + negatives within the margin), (p,), as the sample tells of the catalogue (CML, equation 4)."""
    negative, least = scored.negative.detach(), (scored.positive.detach() - margin).unsqueeze(1)
    within = negative.index_select(0, scored.rows) > least
    return torch.log1p(within.to(negative.dtype) @ torch.exp(-scored.log_q).to(negative.dtype))


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss."""
    return loss_of_scores(contrast, partial(_mined, config=config))


_MINED = {"all": triplet_all, "semi_hard": triplet_semi_hard, "hard": triplet_hard}


def _mined(scored: Scored, config: Config) -> torch.Tensor:
    losses = _MINED[config.mining](scored, config.margin)
    return losses * rank_weights(scored, config.margin) if config.by_rank else losses
