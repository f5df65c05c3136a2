"""Users dealt out in an order drawn anew for each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Rounds:
    """Hands of users, all of one size, give or take one.

    Attributes:
        users: (n,) int32 who are dealt; one who is named twice is dealt twice.
        size: most users in a hand.
        seed: of the order and of what is drawn with a hand.
        streams: of randomness, one for the order and one for the draws, that no other deal uses.
    """

    users: npt.NDArray[np.int32]
    size: int
    seed: int
    streams: tuple[int, int]

    @property
    def steps(self) -> int:
        """Hands in an epoch."""
        return -(-len(self.users) // self.size)

    def epoch(self, epoch: int, first_step: int) -> Iterator[tuple[int, npt.NDArray[np.int32], np.random.Generator]]:
        """Yield number, users and a source of draws for each hand of an epoch (from 1), from ``first_step`` on."""
        order, draws = self.streams
        shuffled = np.random.default_rng((self.seed, order, epoch)).permutation(self.users)
        for step, users in enumerate(np.array_split(shuffled, self.steps) if len(shuffled) else []):
            if step >= first_step:
                yield step, users, np.random.default_rng((self.seed, draws, epoch, step))
