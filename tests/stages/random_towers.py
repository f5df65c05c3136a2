"""Towers that know nothing, for tests that only need scores."""

from __future__ import annotations

import torch

from recsys_cl.towers.spec import TowerSpec, shared_out
from recsys_cl.towers.two_tower import TwoTower


def random_towers(n_users: int, n_items: int, dim: int, *, item_bias: bool = False) -> TwoTower:
    """Return towers that read histories, with random tables."""
    spec = TowerSpec(
        n_users=n_users,
        n_items=n_items,
        embedding_dim=dim,
        query_encoder="aged_history",
        candidate_encoder="item_id",
        similarity="dot",
        history_length=10,
        readings=shared_out(dim, [(0.0,)]),
        item_bias=item_bias,
    )
    towers = TwoTower(spec)
    for name in ("context", "item", "bias"):
        table = towers.tables[name]
        table.copy_(torch.randn(table.shape, generator=torch.Generator().manual_seed(len(name))))
    return towers
