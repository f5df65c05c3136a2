"""What a search gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Matches:
    """The best items of each query, best first.

    Attributes:
        item_nums: (q, k) int32, padded with -1 where a query has fewer than k.
        scores: (q, k) float32, never rising along a row; -inf where padded.
    """

    item_nums: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
