"""An item is a Gaussian of its own: mean and variance are its row of the item table."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from recsys_cl.towers.gaussian import half_of, halves, with_variances
from recsys_cl.towers.inputs import CandidateInputs, refuse_features
from recsys_cl.towers.spec import TowerSpec


class Encoder(nn.Module):
    """The item's row, the second half of it made positive.

    Args:
        spec: of the towers.

    Raises:
        ConfigError: the vectors are of odd length.
    """

    gaussian = True
    takes_features = False

    def __init__(self, spec: TowerSpec) -> None:
        super().__init__()
        half_of(spec.embedding_dim)

    def forward(self, inputs: CandidateInputs) -> torch.Tensor:
        """Return (n, dim)."""
        refuse_features("gaussian_item_id", inputs.features)
        return with_variances(*halves(functional.embedding(inputs.items, inputs.item_rows)))
