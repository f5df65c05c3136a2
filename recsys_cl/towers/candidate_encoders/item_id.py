"""An item is its own row of the item table."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from recsys_cl.towers.inputs import CandidateInputs, refuse_features


class Encoder(nn.Module):
    """The item's row.

    Args:
        dim: length of a vector.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, inputs: CandidateInputs) -> torch.Tensor:
        """Return (n, dim)."""
        refuse_features("item_id", inputs.features)
        return functional.embedding(inputs.items, inputs.item_rows)
