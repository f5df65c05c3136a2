"""Supervised contrast of items (Khosla et al., NeurIPS 2020): what belongs together is told by more than interactions.

With several positives of a user at a time (``--targets many``) the losses contrast users so by themselves; here items
are anchors, and their positives are items of the same categories, or such as the same users take.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from recsys_cl.contrast.context import Context
from recsys_cl.contrast.step import Step
from recsys_cl.errors import ConfigError
from recsys_cl.pairs.cooccurrence import most_similar_items
from recsys_cl.settings import Search, Settings

USES_TEMPERATURE = False
_MOST = 1024  # items that are compared in a step
_STREAM = 2  # of draws


class Config(Settings):
    """Which items belong together."""

    by: Annotated[Literal["neighbours", "category"], Search(named=True)] = Field(
        "neighbours", description="items taken together, or of one category"
    )
    neighbours: Annotated[int, Search(5, 50, log=True)] = Field(10, ge=1, description="nearest neighbours an item has")
    temperature: Annotated[float, Search(0.05, 1.0, log=True)] = Field(
        0.2, gt=0, description="what cosines of items are divided by"
    )


def supcon_of_items(vectors: torch.Tensor, weights: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the mean over anchors with a positive of -log softmax of each positive among all other items, () nats.

    Args:
        vectors: (m, d).
        weights: (m, m), how much an item is an anchor's positive; rows need not add up to one.
        temperature: by which cosines are divided.
    """
    unit = functional.normalize(vectors)
    scores = (unit @ unit.T / temperature).fill_diagonal_(-torch.inf)
    weights = weights.clone().fill_diagonal_(0.0)
    shares = weights / weights.sum(1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
    losses = scores.logsumexp(1) * shares.sum(1) - (shares * scores.nan_to_num(neginf=0.0)).sum(1)
    return losses.sum() / (shares.sum(1) > 0).sum().clamp(min=1)


class Objective(nn.Module):
    """That loss over some of the batch's candidates.

    Args:
        config: what belongs together.
        context: towers, histories, categories.

    Raises:
        ConfigError: categories are asked for and not known.
    """

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__()
        self.config = config
        if config.by == "neighbours":
            self._neighbours = most_similar_items(context.histories, config.neighbours)
        elif context.categories is None:
            raise ConfigError(
                "Items belong together by category, but none are known. Give a file of them with --items, or say "
                "supcon:by=neighbours."
            )
        else:
            self._categories = context.categories

    def forward(self, step: Step) -> torch.Tensor:
        """Return the loss, (), in nats."""
        candidates = step.numbers.candidates
        columns = torch.randperm(len(candidates), generator=step.generator(_STREAM))[:_MOST].to(candidates.device)
        items = candidates[columns].cpu().numpy()
        weights = self._alike(items) if self.config.by == "category" else self._near(items)
        return supcon_of_items(step.items[columns], weights.to(candidates.device), self.config.temperature)

    def observe(self, step: Step) -> None:
        """Keep nothing."""

    def _near(self, items: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return which items are a nearest neighbour of which, (m, m)."""
        place = np.full(len(self._neighbours), -1)
        place[items] = np.arange(len(items))
        nearest = self._neighbours[items]
        rows, columns = np.nonzero((nearest >= 0) & (place[nearest] >= 0))
        weights = torch.zeros(len(items), len(items))
        weights[torch.from_numpy(rows), torch.from_numpy(place[nearest[rows, columns]])] = 1.0
        return weights

    def _alike(self, items: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return the share of categories that two items have in common, of all that either has, (m, m)."""
        has = torch.from_numpy(self._categories[items]).float()
        common = has @ has.T
        counts = has.sum(1)
        return common / (counts.unsqueeze(0) + counts.unsqueeze(1) - common).clamp(min=1)
