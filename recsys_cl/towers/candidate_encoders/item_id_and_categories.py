"""An item is its own row of the item table and its categories: of one nobody took yet, its categories alone."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from recsys_cl.errors import ConfigError
from recsys_cl.towers.inputs import CandidateInputs
from recsys_cl.towers.spec import TowerSpec


class Encoder(nn.Module):
    """The item's row plus the mean of the vectors of its categories.

    Args:
        spec: of the towers.

    Raises:
        ConfigError: no category is known.
    """

    gaussian = False
    takes_features = True

    def __init__(self, spec: TowerSpec) -> None:
        super().__init__()
        if not spec.n_features:
            raise ConfigError(
                "The encoder 'item_id_and_categories' reads categories, but none are known. Give a file of them with "
                "--items, or say --candidate-encoder item_id."
            )
        self.categories = nn.Parameter(torch.zeros(spec.n_features, spec.embedding_dim))

    def forward(self, inputs: CandidateInputs) -> torch.Tensor:
        """Return (n, dim)."""
        rows = functional.embedding(inputs.items, inputs.item_rows)
        if inputs.features is None:
            return rows
        shares = inputs.features / inputs.features.sum(1, keepdim=True).clamp(min=1)
        return rows + shares @ self.categories
