"""A user is the mean of what they took; users never seen in training are served like any other."""

from __future__ import annotations

import torch
from torch import nn

from recsys_cl.towers.inputs import QueryInputs, refuse_features
from recsys_cl.towers.pooling import pooled


class Encoder(nn.Module):
    """The mean of the history's item rows.

    Args:
        dim: length of a vector.
    """

    uses_user_table = False

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, inputs: QueryInputs) -> torch.Tensor:
        """Return (b, dim); zeros where the history is empty."""
        refuse_features("history", inputs.features)
        return pooled(inputs.item_rows, inputs.history, inputs.offsets)
