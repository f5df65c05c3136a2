"""A map of vectors: near ones are near, and nothing else about it should be believed."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from recsys_cl.contrast.diagnostics.directions import Array

_FEWEST = 10  # vectors worth a map
_ROUNDS = 500
_PERPLEXITY = 30.0  # neighbours that count, about


def plane(units: Array, *, seed: int = 0) -> Array | None:
    """Return places (n, 2) between -1 and 1 of vectors (n, d) of length one, by t-SNE (van der Maaten and Hinton 2008).

    The place of a group, its size and its distance from others mean little. About a second for a thousand vectors.
    None for fewer than ten, or where all vectors are one.
    """
    from sklearn.manifold import TSNE  # noqa: PLC0415 - slow to import, and few logs name categories

    if len(units) < _FEWEST or np.ptp(units, axis=0).max() < 1e-6:
        return None
    perplexity = min(_PERPLEXITY, (len(units) - 1) / 3)
    start = "pca" if units.shape[1] > 1 else "random"
    drawing = TSNE(perplexity=perplexity, init=start, max_iter=_ROUNDS, random_state=seed)
    with threadpool_limits(1):  # its threads wait for each other in a loop, minutes where others work beside them
        places = drawing.fit_transform(units.astype(np.float32)).astype(np.float64)
    places -= (places.max(axis=0) + places.min(axis=0)) / 2
    return np.asarray(places / max(np.abs(places).max(), 1e-12))
