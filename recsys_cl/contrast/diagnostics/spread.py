"""How evenly lists of recommendations spread over the catalogue."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_LEAST_ROOM = float(np.log(2))


def entropy(counts: npt.NDArray[np.integer]) -> float | None:
    """Return the entropy in nats of drawing one recommendation, from how often each item was given, (n_items,).

    log k where all users are given the same k items, log n_items where every item is given equally often; exp of it is
    how many items, equally often given, would be as uneven. None where nothing was given.
    """
    if counts.sum() == 0:
        return None
    shares = counts[counts > 0] / counts.sum()
    return float(max(-(shares * np.log(shares)).sum(), 0.0))


def occurrences(lists: npt.NDArray[np.integer], n_items: int) -> npt.NDArray[np.int64]:
    """Return how often each item, (n_items,), stands in ``lists`` (q, k) of item numbers, padded with -1."""
    return np.bincount(lists[lists >= 0], minlength=n_items)


def spread_between(found: float, one_list: float, most: float) -> float | None:
    """Return how far lists are on the way from one list for all (0) to as even as they could be (1), in entropy.

    Args:
        found: entropy of the lists.
        one_list: entropy if all of the same users were given the items of one user, apart from what each has seen.
        most: the highest entropy that so many lists can have.

    Returns:
        None where one list for all is more than half as varied as lists can be: where they are as long as what is left
        of the catalogue, they cannot but be alike.
    """
    room = most - one_list
    return float(np.clip((found - one_list) / room, 0, 1)) if room > _LEAST_ROOM else None
