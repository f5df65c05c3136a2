"""How vectors lie: positives near each other, and all over the sphere (Wang and Isola, ICML 2020, arXiv 2005.10242)."""

from __future__ import annotations

import numpy as np

from recsys_cl.contrast.diagnostics.alignment import alignment, uniformity
from recsys_cl.contrast.diagnostics.directions import paired_cosines, unit
from recsys_cl.evaluation.protocol import Examination
from recsys_cl.towers.two_tower import TwoTower

_PAIRS, _VECTORS = 50_000, 2_048  # looked at, drawn if there are more


def geometry(towers: TwoTower, examination: Examination, seed: int) -> dict[str, float | None]:
    """Return ``alignment`` of users and items of the examination, and ``uniformity``, the mean of users' and items'.

    None where there is no pair of vectors that are not nought. Vectors are as they are compared, without what a
    similarity adds to them (squares and constants), and without what is added to an item's score whoever asks.
    """
    asked, rng = examination.asked, np.random.default_rng(seed)
    rows, nums = asked.relevant.cells(0, len(asked))
    drawn = rng.permutation(len(rows))[:_PAIRS]
    queried, places = np.unique(rows[drawn], return_inverse=True)
    dim = towers.point_dim
    users = towers.query_vectors(asked.take(queried).queries)[:, :dim]
    items = towers.item_vectors(with_offsets=False)[:, :dim]
    spread = [uniformity(unit(rng.permutation(side)[:_VECTORS])) for side in (users, items)]
    known = [one for one in spread if one is not None]
    return {
        "alignment": alignment(paired_cosines(users[places], items[nums[drawn]])),
        "uniformity": sum(known) / len(known) if len(known) == len(spread) else None,
    }
