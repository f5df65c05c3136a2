"""Ranking metrics: pure functions of which places of a ranking were hits.

Everywhere ``hits`` is (q, depth) bool, best place first, and ``relevant`` is (q,) int, how many items were relevant
to each query *in all*, found or not. Each function gives one float64 a query, (q,); a query with nothing relevant
scores 0. ``depth`` must be at least ``k``; places beyond a short list are simply no hits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

Hits = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.integer]
Scores = npt.NDArray[np.float64]


def recall_at_k(hits: Hits, relevant: Counts, k: int) -> Scores:
    """Share of all relevant items that are among the first ``k``."""
    return _over(_found(hits, k), relevant)


def capped_recall_at_k(hits: Hits, relevant: Counts, k: int) -> Scores:
    """Hits over ``min(k, relevant)``: 1 when the first ``k`` places hold as many hits as they can."""
    return _over(_found(hits, k), np.minimum(relevant, k))


def precision_at_k(hits: Hits, relevant: Counts, k: int) -> Scores:  # noqa: ARG001 - one signature for all
    """Share of the first ``k`` places that are hits; empty places count as misses."""
    return _over(_found(hits, k), np.full(len(hits), k))


def hit_rate_at_k(hits: Hits, relevant: Counts, k: int) -> Scores:  # noqa: ARG001 - one signature for all
    """1 where any of the first ``k`` is a hit, else 0."""
    return np.asarray(hits[:, :k].any(axis=1), dtype=np.float64)


def mrr_at_k(hits: Hits, relevant: Counts, k: int) -> Scores:  # noqa: ARG001 - one signature for all
    """One over the place (from 1) of the first hit, 0 where there is none among the first ``k``."""
    first = hits[:, :k].argmax(axis=1)
    return np.where(hits[:, :k].any(axis=1), 1.0 / (first + 1), 0.0)


def map_at_k(hits: Hits, relevant: Counts, k: int) -> Scores:
    """Sum of the precisions at the hits among the first ``k``, over *all* relevant items.

    This is ``map_cut_k`` of trec_eval. Another convention divides by ``min(k, relevant)`` and gives higher figures.
    """
    head = hits[:, :k]
    precisions = head.cumsum(axis=1) / np.arange(1, head.shape[1] + 1)
    return _over((precisions * head).sum(axis=1), relevant)


def ndcg_at_k(hits: Hits, relevant: Counts, k: int) -> Scores:
    """Normalised discounted cumulative gain with binary gains (Järvelin and Kekäläinen, 2002).

    A hit at place p (from 1) gains 1 / log2(p + 1); the ideal ranking has ``min(k, relevant)`` hits in front.
    """
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(relevant, k)]
    return _over(hits[:, :k] @ discounts[: min(k, hits.shape[1])], ideal)


METRICS: dict[str, Callable[[Hits, Counts, int], Scores]] = {
    "recall": recall_at_k,
    "ndcg": ndcg_at_k,
    "hit_rate": hit_rate_at_k,
    "mrr": mrr_at_k,
    "map": map_at_k,
    "precision": precision_at_k,
}
"""What is always measured, by the name it has before ``_at_k``."""


def per_query(hits: Hits, relevant: Counts, ks: Iterable[int], *, capped: bool = False) -> dict[str, Scores]:
    """Return every metric at every k by name, such as ``recall_at_20``; with ``capped`` also the capped recall."""
    wanted = METRICS | ({"capped_recall": capped_recall_at_k} if capped else {})
    return {f"{name}_at_{k}": metric(hits, relevant, k) for name, metric in wanted.items() for k in ks}


def _found(hits: Hits, k: int) -> Scores:
    return np.asarray(hits[:, :k].sum(axis=1), dtype=np.float64)


def _over(part: Scores, whole: npt.NDArray[np.number]) -> Scores:
    return np.asarray(np.divide(part, whole, out=np.zeros(len(part)), where=np.asarray(whole) > 0))
