"""How vectors lie: positives near each other, and all over the sphere (Wang and Isola, ICML 2020, arXiv 2005.10242)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from recsys_cl.evaluation.protocol import Examination
from recsys_cl.towers.two_tower import TwoTower

Vectors = npt.NDArray[np.float32]

_PAIRS, _VECTORS = 50_000, 2_048  # looked at, drawn if there are more


def alignment(left: Vectors, right: Vectors) -> float:
    """Return the mean squared distance of pairs of vectors of length one, (p, d) each; 0 is best, 4 is worst."""
    return float(np.square(left - right).sum(axis=1).mean())


def uniformity(vectors: Vectors) -> float:
    """Return log of the mean of e^(-2 |x - y|^2) over pairs of different vectors of length one, (n, d); low is even."""
    products = vectors @ vectors.T
    rows, columns = np.triu_indices(len(vectors), k=1)
    distances = 2 - 2 * products[rows, columns]
    return float(logsumexp(-2 * distances) - math.log(len(distances)))


def geometry(towers: TwoTower, examination: Examination, seed: int) -> dict[str, float]:
    """Return ``alignment`` of users and items of the examination, and ``uniformity``, the mean of users' and items'.

    Vectors are as they are compared, without what a similarity adds to them (squares and constants), and without what
    is added to an item's score whoever asks.
    """
    asked, rng = examination.asked, np.random.default_rng(seed)
    rows, nums = asked.relevant.cells(0, len(asked))
    drawn = rng.permutation(len(rows))[:_PAIRS]
    queried, places = np.unique(rows[drawn], return_inverse=True)
    dim = towers.point_dim
    users = _units(towers.query_vectors(asked.take(queried).queries)[:, :dim])
    items = _units(towers.item_vectors(with_offsets=False)[:, :dim])
    some_users, some_items = (rng.permutation(side)[:_VECTORS] for side in (users, items))
    return {
        "alignment": alignment(users[places], items[nums[drawn]]),
        "uniformity": (uniformity(some_users) + uniformity(some_items)) / 2,
    }


def _units(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return units
