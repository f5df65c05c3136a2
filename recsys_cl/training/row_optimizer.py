"""Adam for embedding tables, touching only the rows a step has used."""

from __future__ import annotations

import torch

_BETA_MEAN, _BETA_SQUARE, _EPSILON = 0.9, 0.999, 1e-8


class RowAdam:
    """Lazy Adam (Kingma and Ba 2015) whose second moment is one number a row, the mean over the row.

    A row that a step does not use is left as it is, and so are its moments. Each row counts its own updates, so
    that the start-up bias of its moments is corrected for as many updates as it has really had: an item that turns
    up first in step 10,000 takes as bold a first step as one that turns up at once.

    Args:
        tables: by name, each (n, d), changed in place.
        weight_decay: decoupled decay (Loshchilov and Hutter 2019) of the rows a step uses.
    """

    def __init__(self, tables: dict[str, torch.Tensor], weight_decay: float) -> None:
        self.tables = tables
        self.weight_decay = weight_decay
        self.means = {name: torch.zeros_like(table) for name, table in tables.items()}
        self.squares = {name: table.new_zeros(len(table)) for name, table in tables.items()}
        self.counts = {
            name: torch.zeros(len(table), dtype=torch.int32, device=table.device) for name, table in tables.items()
        }

    @torch.no_grad()
    def step(
        self, name: str, rows: torch.Tensor, values: torch.Tensor, gradient: torch.Tensor, learning_rate: float
    ) -> None:
        """Update rows of one table.

        Args:
            name: of the table.
            rows: (u,) int64, distinct.
            values: (u, d) these rows as they are now, a copy that is used up.
            gradient: (u, d) of the loss with respect to these rows.
            learning_rate: how far to go.
        """
        count = self.counts[name].index_select(0, rows) + 1
        mean = self.means[name].index_select(0, rows).lerp_(gradient, 1 - _BETA_MEAN)
        square = self.squares[name].index_select(0, rows).lerp_(_mean_square(gradient), 1 - _BETA_SQUARE)
        for state, fresh in ((self.counts, count), (self.means, mean), (self.squares, square)):
            state[name].index_copy_(0, rows, fresh)
        size = square.div_(1 - _BETA_SQUARE**count).sqrt_().add_(_EPSILON).mul_(1 - _BETA_MEAN**count)
        if self.weight_decay:
            values.mul_(1 - learning_rate * self.weight_decay)
        values.addcmul_(mean, size.reciprocal_().unsqueeze(1), value=-learning_rate)
        self.tables[name].index_copy_(0, rows, values)

    def state(self) -> dict[str, torch.Tensor]:
        """Return every tensor needed to go on, by name, sharing memory with the optimiser."""
        kinds = {"mean": self.means, "square": self.squares, "count": self.counts}
        return {f"{kind}.{name}": tensor for kind, held in kinds.items() for name, tensor in held.items()}


def _mean_square(rows: torch.Tensor) -> torch.Tensor:
    lengths: torch.Tensor = torch.linalg.vector_norm(rows, dim=1)
    return lengths.square_().div_(rows.shape[1])
