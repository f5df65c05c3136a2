"""A user is what they took, and something of their own besides (as in SimpleX, Mao et al., CIKM 2021)."""

from __future__ import annotations

import torch
from torch import nn

from recsys_cl.towers.inputs import QueryInputs, looked_up, refuse_features
from recsys_cl.towers.pooling import pooled
from recsys_cl.towers.spec import TowerSpec


class Encoder(nn.Module):
    """The user's own row plus the scaled mean of the history's item rows.

    Args:
        spec: of the towers.
    """

    reads = frozenset({"user", "item"})
    gaussian = False

    def __init__(self, spec: TowerSpec) -> None:
        super().__init__()
        self.history_scale = nn.Parameter(torch.ones(spec.embedding_dim))

    def forward(self, inputs: QueryInputs) -> torch.Tensor:
        """Return (b, dim): history alone for a user who is unknown, zeros if that is empty too."""
        refuse_features("history_and_id", inputs.features)
        history = pooled(inputs.history_rows, inputs.history, inputs.offsets) * self.history_scale
        return looked_up(inputs.user_rows, inputs.users) + history
