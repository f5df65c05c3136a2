"""Beyond accuracy: what recommendations do to the catalogue.

``recommended`` is (n_items,) int, how often each item was recommended to anyone; ``popularity`` is (n_items,) int,
how often each item occurs in the interactions known at the time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.histories import Histories

Counts = npt.NDArray[np.integer]


def coverage(recommended: Counts) -> float:
    """Share of the catalogue recommended to anyone."""
    return float(np.count_nonzero(recommended) / max(len(recommended), 1))


def gini(recommended: Counts) -> float:
    """Gini index of how recommendations spread over the whole catalogue: 0 evenly, near 1 all on one item."""
    total = recommended.sum()
    if total == 0:
        return 0.0
    ordered = np.sort(recommended)
    n = len(ordered)
    return float(((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / (n * total))


def average_popularity(recommended: Counts, popularity: Counts) -> float:
    """Mean popularity (interactions) of the recommended items, known as ARP (Yin et al., 2012)."""
    total = recommended.sum()
    return float((recommended * popularity).sum() / total) if total else 0.0


def popularity_lift(recommended: Counts, popularity: Counts, histories: Histories) -> float:
    """How many times more popular the recommended items are than what the same users chose themselves.

    1 means no bias; 0 where nothing was recommended or nobody has a history.
    """
    chosen = average_popularity(histories.counts(), popularity)
    return average_popularity(recommended, popularity) / chosen if chosen else 0.0


def novelty(recommended: Counts, popularity: Counts) -> float:
    """Mean self-information of the recommended items in bits (Zhou et al., 2010).

    An item's probability is its share of all interactions; one never seen counts as seen once.
    """
    total = recommended.sum()
    if total == 0:
        return 0.0
    bits = -np.log2(np.maximum(popularity, 1) / max(popularity.sum(), 1))
    return float((recommended * bits).sum() / total)


def thirds(popularity: Counts) -> npt.NDArray[np.int8]:
    """Return 0 (head), 1 (mid) or 2 (tail) for each item, (n_items,) int8.

    Items in order of popularity are cut so that each part holds about a third of all interactions: the head is few
    items much chosen, the tail many items seldom chosen.
    """
    order = np.lexsort((np.arange(len(popularity)), -popularity))
    before = np.cumsum(popularity[order]) - popularity[order]  # interactions with more popular items
    parts = np.empty(len(popularity), dtype=np.int8)
    parts[order] = np.minimum(3 * before // max(popularity.sum(), 1), 2)
    return parts
