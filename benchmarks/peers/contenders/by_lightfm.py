"""Factorisation machines over ids alone (Kula, 2015), by `lightfm`."""

from __future__ import annotations

from typing import Any

import numpy as np
from lightfm import LightFM

from benchmarks.peers.exchange import Fitted, Log, rank_vectors


def fit(log: Log, *, epochs: int, **settings: Any) -> Fitted:
    """Train; ``settings`` are `LightFM`'s."""
    model = LightFM(random_state=0, **settings)
    model.fit(log.matrix.tocoo(), epochs=epochs, num_threads=1)
    biases, vectors = model.get_item_representations()
    items = np.column_stack([vectors, biases]).astype(np.float32)
    users = np.column_stack([model.get_user_representations()[1], np.ones(log.n_users)]).astype(np.float32)
    return Fitted(lambda k: rank_vectors(log, users[log.test_users], items, k), 4 * items.shape[1])
