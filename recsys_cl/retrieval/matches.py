"""What a search gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

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

    @classmethod
    def none(cls, rows: int, k: int) -> Self:
        """Return padding alone, (rows, k)."""
        return cls(np.full((rows, k), -1, dtype=np.int32), np.full((rows, k), -np.inf, dtype=np.float32))

    def put_lower_numbers_first(self) -> None:
        """Order equal scores, which rounded vectors often have, by item number, in place."""
        tied = np.flatnonzero((self.scores[:, 1:] == self.scores[:, :-1]).any(axis=1))
        order = np.lexsort((self.item_nums[tied], -self.scores[tied]), axis=1)
        self.item_nums[tied] = np.take_along_axis(self.item_nums[tied], order, axis=1)
