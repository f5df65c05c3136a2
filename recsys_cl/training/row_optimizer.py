"""Adam for embedding tables, at the cost of the rows that a step uses."""

from __future__ import annotations

import torch

_BETA_MEAN, _BETA_SQUARE, _EPSILON = 0.9, 0.99, 1e-8
_RATIO = _BETA_MEAN / _BETA_SQUARE**0.5  # by which a step of a row without gradient is shorter than the one before


class RowAdam:
    """Adam (Kingma and Ba 2015) that puts off the steps of rows without a gradient until they are used.

    Adam moves every row at every step: one whose gradient is zero goes on along its mean gradient, each step shorter
    than the last. Rare items live by these steps; an optimiser that leaves them out learns them ten times too slowly.
    All that a row missed is a geometric sum, which is caught up with in one stroke when the row is next used: the
    result is dense Adam's but for epsilon and for what the learning rate and the start-up corrections changed since.

    Args:
        tables: by name, each (n, d), changed in place.
        weight_decay: decoupled decay (Loshchilov and Hutter 2019) of the rows a step uses.
    """

    def __init__(self, tables: dict[str, torch.Tensor], weight_decay: float) -> None:
        self.tables = tables
        self.weight_decay = weight_decay
        self.means = {name: torch.zeros_like(table) for name, table in tables.items()}
        self.squares = {name: torch.zeros_like(table) for name, table in tables.items()}
        self.counts = {
            name: torch.zeros(len(table), dtype=torch.int32, device=table.device) for name, table in tables.items()
        }
        self.steps = {name: torch.zeros(1, dtype=torch.int64) for name in tables}

    @torch.no_grad()
    def current(self, name: str, rows: torch.Tensor, learning_rate: float) -> torch.Tensor:
        """Catch up with the steps that rows of one table have missed, and return them, (u, d).

        Args:
            name: of the table.
            rows: (u,) int64, distinct.
            learning_rate: of the steps that were missed.
        """
        values = self.tables[name].index_select(0, rows)
        missed = self.steps[name].to(rows.device) - self.counts[name].index_select(0, rows)
        behind = torch.nonzero(missed > 0).flatten()
        if not len(behind):
            return values
        late, gap = rows.index_select(0, behind), missed.index_select(0, behind).to(values.dtype).unsqueeze(1)
        mean, square = (state[name].index_select(0, late) for state in (self.means, self.squares))
        way = _RATIO * (1 - _RATIO**gap) / (1 - _RATIO)  # in steps of the length of the last
        moved = values.index_select(0, behind) - learning_rate * way * self._direction(name, mean, square)
        values.index_copy_(0, behind, moved)
        self.tables[name].index_copy_(0, late, moved)
        self.means[name].index_copy_(0, late, mean.mul_(_BETA_MEAN**gap))
        self.squares[name].index_copy_(0, late, square.mul_(_BETA_SQUARE**gap))
        self.counts[name].index_copy_(0, late, self.steps[name].to(late.device, torch.int32).expand(len(late)))
        return values

    @torch.no_grad()
    def step(
        self, name: str, rows: torch.Tensor, values: torch.Tensor, gradient: torch.Tensor, learning_rate: float
    ) -> None:
        """Update rows of one table.

        Args:
            name: of the table.
            rows: (u,) int64, distinct.
            values: (u, d) these rows as `current` gave them, a copy that is used up.
            gradient: (u, d) of the loss with respect to these rows.
            learning_rate: how far to go.
        """
        self.steps[name] += 1
        mean = self.means[name].index_select(0, rows).lerp_(gradient, 1 - _BETA_MEAN)
        square = self.squares[name].index_select(0, rows).mul_(_BETA_SQUARE)
        square.addcmul_(gradient, gradient, value=1 - _BETA_SQUARE)
        if self.weight_decay:
            values.mul_(1 - learning_rate * self.weight_decay)
        values.sub_(self._direction(name, mean, square), alpha=learning_rate)
        self.tables[name].index_copy_(0, rows, values)
        self.means[name].index_copy_(0, rows, mean)
        self.squares[name].index_copy_(0, rows, square)
        self.counts[name].index_copy_(0, rows, self.steps[name].to(rows.device, torch.int32).expand(len(rows)))

    def catch_up(self, learning_rate: float) -> None:
        """Let every row of every table take the steps it missed, before the tables are read as a whole."""
        for name, table in self.tables.items():
            self.current(name, torch.arange(len(table), device=table.device), learning_rate)

    def state(self) -> dict[str, torch.Tensor]:
        """Return every tensor needed to go on, by name, sharing memory with the optimiser."""
        kinds = {"mean": self.means, "square": self.squares, "count": self.counts, "steps": self.steps}
        return {f"{kind}.{name}": tensor for kind, held in kinds.items() for name, tensor in held.items()}

    def _direction(self, name: str, mean: torch.Tensor, square: torch.Tensor) -> torch.Tensor:
        """Return the step of rows for a learning rate of 1, (u, d)."""
        steps = int(self.steps[name])
        size = square.div(1 - _BETA_SQUARE**steps).sqrt_().add_(_EPSILON).mul_(1 - _BETA_MEAN**steps)
        return mean / size
