"""Whether items that stand near each other are of one kind."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys_cl.contrast.diagnostics.directions import Array


def kindred(units: Array, labels: sp.csr_matrix, neighbours: int) -> tuple[float, float] | None:
    """Return how often a nearest neighbour shares a label, and how often any other item does.

    Args:
        units: (n, d) vectors of length one.
        labels: (n, labels), not zero where an item has the label. Every item should have one.
        neighbours: nearest by cosine that are looked at, for each item.

    Returns:
        Shares of all pairs; None for fewer than three items.
    """
    n = len(units)
    if n < 3:
        return None
    shared: npt.NDArray[np.bool_] = (labels @ labels.T).toarray() > 0
    np.fill_diagonal(shared, val=False)
    products = units @ units.T
    np.fill_diagonal(products, -np.inf)
    nearest = np.argpartition(-products, min(neighbours, n - 1) - 1, axis=1)[:, :neighbours]
    nearest = nearest[:, : n - 1]
    return float(np.take_along_axis(shared, nearest, axis=1).mean()), float(shared.sum() / (n * (n - 1)))
