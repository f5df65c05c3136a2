"""Spaces to look into: users near the items of their own group, or collapsed in one way or another."""

from __future__ import annotations

import numpy as np

from recsys_cl.evaluation.space import HeldOut, Space
from recsys_cl.pairs.histories import Histories

KINDS = ("Drama", "Comedy", "Action", "Horror")


def rows_of(lists: list[np.ndarray], n_items: int) -> Histories:
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in lists])]).astype(np.int64)
    items = np.concatenate([*lists, np.zeros(0)]).astype(np.int32)
    return Histories(indptr, items, None, np.ones(len(items), dtype=np.float32), n_items)


def planted_space(*, users: int = 120, items: int = 90, dim: int = 12, seed: int = 0, **changes: object) -> Space:
    """A healthy space: four groups, and all else drawn."""
    rng = np.random.default_rng(seed)
    groups = rng.normal(size=(len(KINDS), dim))
    item_group, user_group = rng.integers(len(KINDS), size=items), rng.integers(len(KINDS), size=users)
    item_vectors = (groups[item_group] + rng.normal(size=(items, dim))).astype(np.float32)
    user_vectors = (groups[user_group] + rng.normal(size=(users, dim))).astype(np.float32)
    order = np.argsort(-(user_vectors @ item_vectors.T), axis=1)
    k = min(10, items)
    taken = [row[: min(5, items)] for row in order]
    histories = rows_of(taken, items)
    pairs = rng.integers(users, size=200)
    later = order[pairs, rng.integers(min(5, items), min(12, items) + 1, size=200) - (items <= 5)]
    held_out = HeldOut(
        users=user_vectors[pairs],
        item_nums=later.astype(np.int32),
        seen=histories.take(pairs),
        queries=user_vectors[pairs],
        catalogue=item_vectors,
        counts=np.bincount(later, minlength=items),
    )
    space = {
        "users": user_vectors,
        "items": item_vectors,
        "offsets": np.zeros(items, dtype=np.float32),
        "there_are": users,
        "histories": histories,
        "interactions": histories.counts(),
        "categories": [[KINDS[group]] for group in item_group],
        "titles": [f"Title {number}" for number in range(items)],
        "lists": order[:, -k:].astype(np.int32) if items > 5 else order[:, :k].astype(np.int32),
        "one_list": np.tile(order[:1, :k], (users, 1)).astype(np.int32),
        "held_out": held_out if items > 12 else None,
    }
    return Space(**(space | changes))
