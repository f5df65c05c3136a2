"""A user is the direction in which what they took points, the latest counting most."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from recsys_cl.towers.inputs import QueryInputs, refuse_features
from recsys_cl.towers.pooling import age_weights, weighted_sum
from recsys_cl.towers.spec import TowerSpec


class Encoder(nn.Module):
    """The sum of the history's context rows, each divided by a power of its age, at length one.

    The newest item is of age 1, the one before it of age 2. With `TowerSpec.age_exponent` 0 a history is a set. An item
    has a row as part of a history and another as a candidate, so that what it leads to may differ from what leads to
    it, and users never seen in training are served like any other.

    Args:
        spec: of the towers.
    """

    reads = frozenset({"context"})
    trainable = True

    def __init__(self, spec: TowerSpec) -> None:
        super().__init__()
        self.age_exponent = spec.age_exponent

    def forward(self, inputs: QueryInputs) -> torch.Tensor:
        """Return (b, dim); zeros where the history is empty."""
        refuse_features("aged_history", inputs.features)
        weights = age_weights(inputs, self.age_exponent)
        return functional.normalize(weighted_sum(inputs.history_rows, inputs.history, inputs.offsets, weights))
