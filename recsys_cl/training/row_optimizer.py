"""Adam for embedding tables, at the cost of the rows that a step uses."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_BETA_MEAN, _BETA_SQUARE, _EPSILON = 0.9, 0.99, 1e-8
_RATIO = _BETA_MEAN / _BETA_SQUARE**0.5  # by which a step of a row without gradient is shorter than the one before


@dataclass(frozen=True)
class HeldRows:
    """Rows of one table, taken out for a step.

    Attributes:
        rows: (u,) int64, which.
        values: (u, d), a copy.
        mean: (u, d), the running mean of their gradients.
        square: (u, d), that of the squares of their gradients.
    """

    rows: torch.Tensor
    values: torch.Tensor
    mean: torch.Tensor
    square: torch.Tensor


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
    def current(self, name: str, rows: torch.Tensor, learning_rate: float) -> HeldRows:
        """Take rows of one table out, caught up with the steps they have missed; the table is left as it is.

        Args:
            name: of the table.
            rows: (u,) int64, distinct.
            learning_rate: of the steps that were missed.
        """
        tables = (self.tables[name], self.means[name], self.squares[name])
        values, mean, square = (table.index_select(0, rows) for table in tables)
        gap = (self.steps[name].to(rows.device) - self.counts[name].index_select(0, rows)).to(values.dtype)
        if (gap > 0).any():
            gap = gap.unsqueeze(1)
            way = _RATIO * (1 - _RATIO**gap) / (1 - _RATIO)  # in steps of the length of the last
            self._move(name, values, mean * way, square, learning_rate)
            mean.mul_(_BETA_MEAN**gap)
            square.mul_(_BETA_SQUARE**gap)
        return HeldRows(rows, values, mean, square)

    @torch.no_grad()
    def step(self, name: str, held: HeldRows, gradient: torch.Tensor, learning_rate: float) -> None:
        """Update rows of one table.

        Args:
            name: of the table.
            held: these rows as `current` gave them; used up.
            gradient: (u, d) of the loss with respect to these rows.
            learning_rate: how far to go.
        """
        self.steps[name] += 1
        held.mean.lerp_(gradient, 1 - _BETA_MEAN)
        held.square.mul_(_BETA_SQUARE).addcmul_(gradient, gradient, value=1 - _BETA_SQUARE)
        values = held.values.detach()
        if self.weight_decay:
            values.mul_(1 - learning_rate * self.weight_decay)
        self._move(name, values, held.mean, held.square, learning_rate)
        self._put_back(name, held)

    def catch_up(self, learning_rate: float) -> None:
        """Let every row of every table take the steps it missed, before the tables are read as a whole."""
        for name, table in self.tables.items():
            self._put_back(name, self.current(name, torch.arange(len(table), device=table.device), learning_rate))

    def state(self) -> dict[str, torch.Tensor]:
        """Return every tensor needed to go on, by name, sharing memory with the optimiser."""
        kinds = {"mean": self.means, "square": self.squares, "count": self.counts, "steps": self.steps}
        return {f"{kind}.{name}": tensor for kind, held in kinds.items() for name, tensor in held.items()}

    def _move(
        self, name: str, values: torch.Tensor, mean: torch.Tensor, square: torch.Tensor, learning_rate: float
    ) -> None:
        """Let ``values`` take a step along ``mean``, all (u, d)."""
        if steps := int(self.steps[name]):
            size = square.div(1 - _BETA_SQUARE**steps).sqrt_().add_(_EPSILON)
            values.addcdiv_(mean, size, value=-learning_rate / (1 - _BETA_MEAN**steps))

    def _put_back(self, name: str, held: HeldRows) -> None:
        for table, rows in zip(
            (self.tables[name], self.means[name], self.squares[name]),
            (held.values.detach(), held.mean, held.square),
            strict=True,
        ):
            table.index_copy_(0, held.rows, rows)
        self.counts[name].index_fill_(0, held.rows, int(self.steps[name]))
