"""An item is its own row of the item table."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from recsys_cl.towers.inputs import CandidateInputs, refuse_features
from recsys_cl.towers.spec import TowerSpec


class Encoder(nn.Module):
    """The item's row.

    Args:
        spec: of the towers.
    """

    gaussian = False
    takes_features = False

    def __init__(self, spec: TowerSpec) -> None:
        super().__init__()
        self.dim = spec.embedding_dim

    def forward(self, inputs: CandidateInputs) -> torch.Tensor:
        """Return (n, dim)."""
        refuse_features("item_id", inputs.features)
        return functional.embedding(inputs.items, inputs.item_rows)
