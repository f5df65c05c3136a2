"""SupCon: several positives a query (Khosla et al., NeurIPS 2020, arXiv 2004.11362, equations 2 and 3)."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from recsys_cl.contrast.blocks import loss_of_logits
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.scored import Scored
from recsys_cl.settings import Settings


class Config(Settings):
    """Where the mean over positives is taken."""

    form: Literal["out", "in"] = Field("out", description="mean over positives outside of the logarithm, or inside")


def supcon_out(scored: Scored) -> torch.Tensor:
    """Return -log of each positive's share among all candidates of its query, (p,) nats."""
    return _log_sum_of_all(scored)[scored.rows] - scored.positive


def supcon_in(scored: Scored) -> torch.Tensor:
    """Return -log of the mean share of the query's positives, (p,) nats, the same for all positives of a query."""
    mean = scored.positive_log_sum - scored.positive_count.log()
    return (_log_sum_of_all(scored) - mean)[scored.rows]


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return the mean loss."""
    return loss_of_logits(contrast, supcon_out if config.form == "out" else supcon_in)


def _log_sum_of_all(scored: Scored) -> torch.Tensor:
    return torch.logaddexp(scored.positive_log_sum, scored.negative_log_sum)
