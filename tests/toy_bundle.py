"""Models with random vectors, as bundles: retrieval does not care how vectors came about."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import torch

from recsys_cl.config import IndexConfig
from recsys_cl.interactions.schema import IdKind
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.pairs.vocabulary import Vocabulary
from recsys_cl.retrieval.bundle import Bundle, Origin, items_table
from recsys_cl.retrieval.tuning import build_index
from recsys_cl.towers.spec import TowerSpec
from recsys_cl.towers.two_tower import TwoTower

ORIGIN = Origin("toy", "train_and_validation", "d" * 64, datetime(2026, 1, 2, tzinfo=UTC))


def random_histories(rng: np.random.Generator, rows: int, n_items: int, longest: int) -> Histories:
    drawn = [rng.choice(n_items, size=rng.integers(1, longest + 1), replace=False) for _ in range(rows)]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in drawn])]).astype(np.int64)
    items = np.concatenate(drawn).astype(np.int32)
    return Histories(indptr, items, None, np.ones(len(items), dtype=np.float32), n_items)


def random_bundle(
    *,
    users: int = 40,
    items: int = 30,
    kinds: tuple[IdKind, IdKind] = ("integer", "string"),
    config: IndexConfig | None = None,
    seed: int = 0,
) -> Bundle:
    rng = np.random.default_rng(seed)
    user_ids = pl.Series("user_id", [str(10 + n) for n in range(users)]).sort()
    item_ids = pl.Series("item_id", [f"{n}" if kinds[1] == "integer" else f"i{n:04d}" for n in range(items)]).sort()
    vocabulary = Vocabulary(user_ids, item_ids, *kinds)
    histories = random_histories(rng, users, items, max(1, min(8, items // 2)))
    towers = TwoTower(
        TowerSpec(
            n_users=users,
            n_items=items,
            embedding_dim=8,
            query_encoder="history_and_id",
            candidate_encoder="item_id",
            similarity="cosine",
            history_length=50,
        )
    )
    draw = torch.Generator().manual_seed(seed)
    for table in towers.tables.values():
        table.normal_(generator=draw)
    vectors = towers.query_vectors(Queries(np.arange(users, dtype=np.int32), histories))
    search, report = build_index(towers.item_vectors(), vectors, config or IndexConfig(), k=10, seed=seed)
    known = pl.DataFrame({"item_id": item_ids[:2], "title": ["One", "Two"]})
    table = items_table(vocabulary, histories, known)
    return Bundle(towers, vocabulary, table, histories, search, report, {"seed": seed})
