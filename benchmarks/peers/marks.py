"""How lists are marked: with our metrics, as our evaluation does it."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.peers.exchange import Lists
from recsys_cl.evaluation import metrics
from recsys_cl.evaluation.bootstrap import intervals
from recsys_cl.evaluation.protocol import Examination
from recsys_cl.pairs.ragged import row_numbers

K = 20


def marked(lists: Lists, examination: Examination) -> dict[str, Any]:
    """Mark lists (q, at least `K`) for the users of ``examination``, in its order.

    Returns:
        Means of recall and NDCG at `K`, and the 95% bootstrap interval of the mean recall.
    """
    hits = examination.hits(lists)
    recall = metrics.recall_at_k(hits, examination.n_relevant, K)
    low, high = intervals(recall[:, None], samples=1000, confidence=0.95, seed=0)[:, 0].tolist()
    return {
        f"recall_at_{K}": float(recall.mean()),
        f"ndcg_at_{K}": float(metrics.ndcg_at_k(hits, examination.n_relevant, K).mean()),
        "recall_interval": [low, high],
    }


def answers(examination: Examination) -> dict[str, np.ndarray]:
    """Return ``rows`` and ``items``, what is relevant to each row; what the catalogue lacks has numbers above its."""
    known, unknown = row_numbers(examination.relevant.lengths), row_numbers(examination.unknown)
    first = np.concatenate([[0], np.cumsum(examination.unknown)[:-1]])
    beyond = examination.n_items + np.arange(len(unknown)) - first[unknown]
    return {
        "rows": np.concatenate([known, unknown]),
        "items": np.concatenate([examination.relevant.item_nums.astype(np.int64), beyond]),
    }
