"""A user is the directions in which what they took points, the latest counting most."""

from __future__ import annotations

import torch
from torch import nn

from recsys_cl.errors import ConfigError
from recsys_cl.towers.inputs import QueryInputs, refuse_features
from recsys_cl.towers.pooling import read
from recsys_cl.towers.spec import TowerSpec


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
    gaussian = False

    def __init__(self, spec: TowerSpec) -> None:
        super().__init__()
        self.readings = spec.readings
        if (columns := sum(one.embedding_dim for one in spec.readings)) != spec.embedding_dim:
            raise ConfigError(f"The readings have {columns} columns in all, but vectors {spec.embedding_dim}.")

    def forward(self, inputs: QueryInputs) -> torch.Tensor:
        """Return (b, dim); zeros where the history is empty."""
        refuse_features("aged_history", inputs.features)
        return read(inputs.history_rows, inputs, self.readings)
