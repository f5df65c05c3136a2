"""Towers that follow those that learn, slowly: the momentum encoder of MoCo, the target network of BYOL."""

from __future__ import annotations

import torch
from torch import nn

from recsys_cl.contrast.step import Rows, Step
from recsys_cl.towers.two_tower import TwoTower

_NEVER = -1  # step at which a row was last used


class Following(nn.Module):
    """An exponential moving average of towers: each step, ``momentum`` of it stays.

    Rows of tables follow when a batch uses them, by as much as all steps since the last time would have moved them; at
    first all are where those of the towers are. What a step changes is kept once it was taken.

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
            self.register_buffer(f"last_{name}", torch.full((len(table),), _NEVER, device=table.device))
        self._moved: Rows = {}
        self.query, self.candidate = self.towers.query, self.towers.candidate
        self.requires_grad_(False)

    @torch.no_grad()
    def follow(self, step: Step) -> Rows:
        """Return the rows of the batch's tables, as far as they followed those of the towers before this step."""
        if step.number == 0:
            self._weights_follow(step, momentum=0.0)  # the towers may have started from others
        self._moved = {name: self._followed(name, rows, step) for name, rows in self._rows_of(step).items()}
        return self._moved

    @torch.no_grad()
    def observe(self, step: Step) -> None:
        """Keep the rows that `follow` gave, and let all other weights follow."""
        for name, rows in self._rows_of(step).items():
            getattr(self, f"table_{name}").index_copy_(0, rows, self._moved[name])
            getattr(self, f"last_{name}").index_fill_(0, rows, step.number)
        self._weights_follow(step, self.momentum)

    def _rows_of(self, step: Step) -> Rows:
        numbers = {"user": step.numbers.users, "context": step.numbers.history_items, "item": step.numbers.items}
        return {name: numbers[name] for name in self._names}

    def _followed(self, name: str, rows: torch.Tensor, step: Step) -> torch.Tensor:
        mine, last = (getattr(self, f"{kind}_{name}").index_select(0, rows) for kind in ("table", "last"))
        stays = self.momentum ** (step.number - last).to(mine.dtype)
        stays = torch.where(last == _NEVER, 0.0, stays).unsqueeze(1)
        return torch.lerp(step.rows[name].detach(), mine, stays)

    def _weights_follow(self, step: Step, momentum: float) -> None:
        for mine, other in ((self.query, step.towers.query), (self.candidate, step.towers.candidate)):
            for weight, goal in zip(mine.parameters(), other.parameters(), strict=True):
                weight.lerp_(goal, 1 - momentum)
