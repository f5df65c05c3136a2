"""Towers in closed form, in one call."""

from __future__ import annotations

from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.spectral import solve_log


def solve_towers(histories, config, *, dim: int, history_length: int, **options) -> TwoTower:
    """Solve a log and return its towers of as many dimensions."""
    return solve_log(histories, config, dim=dim, **options).towers(config, dim=dim, history_length=history_length)
