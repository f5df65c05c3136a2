"""A user is a Gaussian: where what they took points, and how far that spreads."""

from __future__ import annotations

import torch
from torch import nn

from recsys_cl.towers.gaussian import half_of, halves, with_variances
from recsys_cl.towers.inputs import QueryInputs, refuse_features
from recsys_cl.towers.pooling import pooled, read
from recsys_cl.towers.spec import TowerSpec, shared_out


class Encoder(nn.Module):
    """The mean is read as `aged_history` reads, from half of the columns; the variance from the mean of the others.

    Args:
        spec: of the towers.

    Raises:
        ConfigError: the vectors are of odd length.
    """

    reads = frozenset({"context"})
    gaussian = True

    def __init__(self, spec: TowerSpec) -> None:
        super().__init__()
        self.readings = shared_out(half_of(spec.embedding_dim), [one.age_exponents for one in spec.readings])

    def forward(self, inputs: QueryInputs) -> torch.Tensor:
        """Return (b, dim); the mean is nought where the history is empty."""
        refuse_features("gaussian_history", inputs.features)
        means, free = halves(inputs.history_rows)
        return with_variances(
            read(means, inputs, self.readings), pooled(free.contiguous(), inputs.history, inputs.offsets)
        )
