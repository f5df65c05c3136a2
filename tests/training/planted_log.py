"""A small log with a pattern worth learning."""

from __future__ import annotations

import numpy as np

from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.pairs.pair_set import PairSet

GROUPS, USERS, ITEMS = 4, 80, 40  # users and items fall into groups that keep to themselves


def planted_histories(seed: int = 0) -> Histories:
    """Return histories of 80 users who took six of the ten items of their group each."""
    rng = np.random.default_rng(seed)
    rows = [rng.choice(ITEMS // GROUPS, 6, replace=False) * GROUPS + user % GROUPS for user in range(USERS)]
    indptr = np.arange(USERS + 1, dtype=np.int64) * 6
    return Histories(indptr, np.concatenate(rows).astype(np.int32), None, np.ones(USERS * 6, np.float32), ITEMS)


def all_queries(pairs: PairSet) -> Queries:
    """Return every user with their whole history."""
    return Queries(np.arange(len(pairs.histories), dtype=np.int32), pairs.histories)


def recall_of_group(towers, pairs: PairSet) -> float:
    """Return the share of the four best unseen items that are of the user's own group."""
    scores = towers.query_vectors(all_queries(pairs)) @ towers.item_vectors().T
    scores[pairs.histories.matrix().nonzero()] = -np.inf
    best = np.argsort(-scores, axis=1)[:, :4]
    return float((best % GROUPS == np.arange(USERS)[:, None] % GROUPS).mean())


def mixed_histories(seed: int = 0) -> Histories:
    """Return histories as above with two items of other groups besides, so that everything hangs together."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(USERS):
        own = np.arange(user % GROUPS, ITEMS, GROUPS)
        others = np.setdiff1d(np.arange(ITEMS), own)
        rows.append(rng.permutation([*rng.choice(own, 6, replace=False), *rng.choice(others, 2, replace=False)]))
    indptr = np.arange(USERS + 1, dtype=np.int64) * 8
    return Histories(indptr, np.concatenate(rows).astype(np.int32), None, np.ones(USERS * 8, np.float32), ITEMS)
