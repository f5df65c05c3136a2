"""A user is the directions in which what they took points, the latest counting most."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from recsys_cl.errors import ConfigError
from recsys_cl.towers.inputs import QueryInputs, refuse_features
from recsys_cl.towers.pooling import age_weights, weighted_sum
from recsys_cl.towers.spec import Reading, TowerSpec


class Encoder(nn.Module):
    """For each of `TowerSpec.readings` the sum of the history's context rows over a power of their age, at length one.

    The newest item is of age 1, the one before it of age 2. Where a reading has several powers, the mean of what they
    give is taken: a steep one tells what comes next, a flat one what the user is fond of, and few users need only one
    of the two. Readings have columns of their own, so that one may learn
    what the last items lead to and another what a user is fond of. An item has a row as part of a history and another
    as a candidate, so that what it leads to may differ from what leads to it, and users never seen in training are
    served like any other.

    Args:
        spec: of the towers.

    Raises:
        ConfigError: the readings do not make up the vectors.
    """

    reads = frozenset({"context"})

    def __init__(self, spec: TowerSpec) -> None:
        super().__init__()
        self.readings = spec.readings
        if (columns := sum(one.embedding_dim for one in spec.readings)) != spec.embedding_dim:
            raise ConfigError(f"The readings have {columns} columns in all, but vectors {spec.embedding_dim}.")

    def forward(self, inputs: QueryInputs) -> torch.Tensor:
        """Return (b, dim); zeros where the history is empty."""
        refuse_features("aged_history", inputs.features)
        tables = torch.split(inputs.history_rows, [one.embedding_dim for one in self.readings], dim=1)
        return torch.hstack(
            [_read(rows.contiguous(), inputs, one) for rows, one in zip(tables, self.readings, strict=True)]
        )


def _read(rows: torch.Tensor, inputs: QueryInputs, reading: Reading) -> torch.Tensor:
    weights = (age_weights(inputs, exponent) for exponent in reading.age_exponents)
    sums = [functional.normalize(weighted_sum(rows, inputs.history, inputs.offsets, one)) for one in weights]
    return torch.stack(sums).mean(0)
