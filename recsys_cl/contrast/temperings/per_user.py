"""Adap-tau: a temperature that suits the log, and one for each user by their loss (Chen et al., WWW 2023)."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from scipy.special import lambertw
from torch import nn

from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.counts import Counts
from recsys_cl.settings import Search, Settings

USES_TEMPERATURE = False
_COLUMNS = 512  # candidates by which a user's loss is told
_KEPT = 0.99  # of a running mean, each step
_LEAST = 0.01  # of the common temperature


class Config(Settings):
    """How high temperatures are, and how unlike users may be."""

    scale: Annotated[float, Search(0.5, 2.0, log=True)] = Field(
        1.0,
        gt=0,
        description="factor of the common temperature; above 1 where users are told by what they took before, as their"
        " positives are less similar than those that factors of users have learned by heart",
    )
    spread: Annotated[float, Search(0.1, 10.0, log=True)] = Field(
        1.0,
        gt=0,
        description="loss beyond the mean, in nats, by which temperatures begin to differ; large is one for all",
    )


class Tempering(nn.Module):
    """Gives each user a temperature: the higher, the more of what they took is hard to find, and may be noise.

    The common temperature is that at which all positives of a user, of mean similarity, weigh half of what the
    catalogue does, of mean similarity too: (mean s+ - mean s) / (log(users items / interactions) + log(1/2))
    (Adap-tau_0, arXiv 2302.04775). A user's is that times e^W(max((loss - mean loss) / spread, -1/e)), W being
    Lambert's function; the loss is InfoNCE at temperature one. The settings' scale multiplies the common temperature.

    Args:
        config: scale, spread.
        start: the temperature until enough was seen.
        counts: of the log.
    """

    common: torch.Tensor
    gap: torch.Tensor
    losses: torch.Tensor
    mean_loss: torch.Tensor

    def __init__(self, config: Config, start: float, counts: Counts) -> None:
        super().__init__()
        self.scale, self.spread = config.scale, config.spread
        density = counts.interactions / (counts.users * counts.items)
        self.log_odds = max(math.log(0.5 / density), 1.0)
        self.register_buffer("common", torch.tensor(start))
        self.register_buffer("gap", torch.tensor(start * self.log_odds / self.scale))  # running mean s+ less mean s
        self.register_buffer("losses", torch.full((counts.users,), torch.nan))
        self.register_buffer("mean_loss", torch.tensor(torch.nan))

    def forward(self, users: torch.Tensor) -> torch.Tensor:
        """Return the temperature of each query, (b, 1), for user numbers (b,)."""
        beyond = ((self.losses[users] - self.mean_loss) / self.spread).nan_to_num(nan=0.0).cpu().numpy()
        power = lambertw(np.maximum(beyond, -math.exp(-1))).real.astype(np.float32)
        factor = torch.from_numpy(np.exp(power)).to(self.common.device)
        return (self.common * factor).unsqueeze(1)

    @torch.no_grad()
    def observe(self, contrast: Contrast, users: torch.Tensor) -> None:
        """Take in how a batch of user numbers (b,) fared; nothing where it has no positive, or no negative."""
        step = max(1, len(contrast.candidates) // _COLUMNS)
        some, log_shares = contrast.candidates[::step], (-contrast.log_q[::step]).log_softmax(0)
        if not len(contrast.positives) or log_shares.isnan().any():
            return
        scores = contrast.queries @ some.T
        positive = (contrast.queries[contrast.rows] * contrast.candidates[contrast.columns]).sum(1)
        held = torch.bincount(contrast.rows, minlength=len(users))
        mean_positive = torch.zeros_like(scores[:, 0]).index_add_(0, contrast.rows, positive) / held.clamp(min=1)
        losses = (scores + log_shares).logsumexp(1) - mean_positive
        asking = held > 0
        some_users, place = torch.unique(users[asking], return_inverse=True)  # one may ask several times
        told = torch.zeros_like(losses[: len(some_users)]).index_add_(0, place, losses[asking])
        self.losses[some_users] = told / torch.bincount(place)
        gap = (mean_positive - scores @ log_shares.exp())[asking].mean()
        self.gap.lerp_(gap, 1 - _KEPT)
        self.common.copy_((self.scale * self.gap / self.log_odds).clamp(min=_LEAST))
        mean = losses[asking].mean()
        self.mean_loss.copy_(torch.where(self.mean_loss.isnan(), mean, self.mean_loss.lerp(mean, 1 - _KEPT)))
