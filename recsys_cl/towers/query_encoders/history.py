"""A user is the mean of what they took; users never seen in training are served like any other."""

from __future__ import annotations

import torch
from torch import nn

from recsys_cl.towers.inputs import QueryInputs, refuse_features
from recsys_cl.towers.pooling import pooled
from recsys_cl.towers.spec import TowerSpec


class Encoder(nn.Module):
    """The mean of the history's item rows.

    Args:
        spec: of the towers.
    """

    reads = frozenset({"item"})
    gaussian = False

    def __init__(self, spec: TowerSpec) -> None:
        super().__init__()
        self.dim = spec.embedding_dim

    def forward(self, inputs: QueryInputs) -> torch.Tensor:
        """Return (b, dim); zeros where the history is empty."""
        refuse_features("history", inputs.features)
        return pooled(inputs.history_rows, inputs.history, inputs.offsets)
