"""Towers that follow those that learn, slowly: the momentum encoder of MoCo, the target network of BYOL."""

from __future__ import annotations

import torch
from torch import nn

from recsys_cl.contrast.step import Rows, Step
from recsys_cl.towers.two_tower import TwoTower


class Following(nn.Module):
    """An exponential moving average of towers: each step, ``momentum`` of it stays.

    Rows of tables follow when a batch uses them, by as much as all steps since the last time would have moved them.

    Args:
        towers: that are followed.
        momentum: in [0, 1).
    """

    def __init__(self, towers: TwoTower, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.towers = TwoTower(towers.spec, towers.device)
        self.towers.set_state(towers.state())
        self._names = [name for name, table in towers.tables.items() if len(table) and name != "bias"]
        for name in self._names:
            table = self.towers.tables[name]
            self.register_buffer(f"table_{name}", table)
            self.register_buffer(f"last_{name}", torch.zeros(len(table), dtype=torch.int64, device=table.device))
        self.query, self.candidate = self.towers.query, self.towers.candidate
        self.requires_grad_(False)

    @torch.no_grad()
    def follow(self, step: Step) -> Rows:
        """Move towards the towers of a step; return the rows of the batch's tables as they are then."""
        numbers = {"user": step.numbers.users, "context": step.numbers.history_items, "item": step.numbers.items}
        for mine, other in ((self.query, step.towers.query), (self.candidate, step.towers.candidate)):
            for weight, goal in zip(mine.parameters(), other.parameters(), strict=True):
                weight.lerp_(goal, 1 - self.momentum)
        return {name: self._follow(name, numbers[name], step) for name in self._names}

    def _follow(self, name: str, rows: torch.Tensor, step: Step) -> torch.Tensor:
        table, last = getattr(self, f"table_{name}"), getattr(self, f"last_{name}")
        gaps = (step.number + 1 - last.index_select(0, rows)).unsqueeze(1)
        stays = self.momentum ** gaps.to(table.dtype)
        moved = torch.lerp(step.rows[name].detach(), table.index_select(0, rows), stays)
        table.index_copy_(0, rows, moved)
        last.index_fill_(0, rows, step.number + 1)
        return moved
