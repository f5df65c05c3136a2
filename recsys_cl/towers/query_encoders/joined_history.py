"""A user is what several readings of one history say, side by side."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from recsys_cl.errors import ConfigError
from recsys_cl.towers.inputs import QueryInputs, refuse_features
from recsys_cl.towers.pooling import age_weights, weighted_sum
from recsys_cl.towers.spec import TowerSpec


class Encoder(nn.Module):
    """For each of `TowerSpec.parts` what `aged_history` gives for its own columns of the table, of length one.

    An inner product with the joined vectors of candidates is a weighted sum of the parts' scores, the weights being
    the candidates' lengths.

    Args:
        spec: of the towers.

    Raises:
        ConfigError: the parts do not make up the vectors.
    """

    reads = frozenset({"context"})
    trainable = False

    def __init__(self, spec: TowerSpec) -> None:
        super().__init__()
        self.parts = spec.parts
        if sum(part.embedding_dim for part in spec.parts) != spec.embedding_dim:
            raise ConfigError(
                "The encoder 'joined_history' joins towers that were fitted apart and cannot be trained itself; name "
                "another with --query-encoder."
            )

    def forward(self, inputs: QueryInputs) -> torch.Tensor:
        """Return (b, dim); zeros where the history is empty."""
        refuse_features("joined_history", inputs.features)
        tables = torch.split(inputs.history_rows, [part.embedding_dim for part in self.parts], dim=1)
        sums = [
            weighted_sum(rows.contiguous(), inputs.history, inputs.offsets, age_weights(inputs, part.age_exponent))
            for rows, part in zip(tables, self.parts, strict=True)
        ]
        return torch.hstack([functional.normalize(one) for one in sums])
