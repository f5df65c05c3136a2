"""Batches of histories cut in two: one part is the query, the other its positives.

Where histories have an order each is cut at a random place, and what follows next is to be found from all that came
before, as in the examination. Where they have none a random part is held out. Either way a positive is never in the
history it is to be found from, one query has many positives, and a step scores each candidate once for all of them: an
epoch costs a fraction of what it costs to deal out the same positives one by one.

Everything random in a batch follows from (seed, epoch, step), so a training that was broken off goes on from any step
exactly as it would have gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.assembly import Assembly, Chances, Questions
from recsys_cl.pairs.batches import Batch
from recsys_cl.pairs.negatives import Negatives
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.pairs.ragged import offsets_of, positions, row_numbers
from recsys_cl.pairs.rounds import Rounds

Mask = npt.NDArray[np.bool_]

_HELD_OUT = 0.3  # share of an unordered history that is held out, unless that is more than a window
_STREAMS = 2, 3  # streams of randomness that must not meet each other, nor those of `pairs.batches`


@dataclass(frozen=True)
class Cuts:
    """How histories are cut and dealt out.

    A user is dealt in an epoch as often as the square root of the windows that fit into the history, at least once; one
    with a single item, which can't be cut, never. Likewise a query with k positives counts as the square root of k. Or
    the few users with the longest histories would teach most of what is learned, and all users are judged alike.

    What was in the history is no negative. What the user took later than the window is one, as it would be in the
    examination.

    Attributes:
        pairs: whose histories are cut.
        batch_size: most histories in a batch; all batches of an epoch are of the same size, give or take one.
        negatives: what candidates there are beside the positives.
        id_dropout: share of user ids hidden, in [0, 1), so that history can stand alone.
        window: most positives of a query that follow its cut, or that are expected to be held out.
        ordered: whether the order of histories means something.
        one_table: whether histories are read in the table of the candidates.
        seed: of the order and the draws.
    """

    pairs: PairSet
    batch_size: int
    negatives: Negatives
    id_dropout: float
    window: int
    ordered: bool
    one_table: bool
    seed: int

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return self._rounds.steps

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch (counted from 1), from ``first_step`` on."""
        for step, users, rng in self._rounds.epoch(epoch, first_step):
            yield self._assembly.batch(epoch, step, self._questions(users, rng), self._chances, rng)

    def _questions(self, users: npt.NDArray[np.int32], rng: np.random.Generator) -> Questions:
        histories = self.pairs.histories
        lengths = histories.lengths[users]
        rows = row_numbers(lengths)
        flat = positions(histories.indptr[users], lengths)
        taken = histories.item_nums[flat]
        before, asked, wanted = self._at_cuts(lengths, rng) if self.ordered else self._held_out(lengths, rows, rng)
        weights = self._weights[flat[wanted]]
        return Questions(users, rows, taken, asked, before, rows[wanted], taken[wanted], weights)

    def _at_cuts(self, lengths: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[Mask, Mask, Mask]:
        """Return which items laid end to end come before their row's cut, which of them are used, and which follow."""
        distance = positions(-rng.integers(1, lengths), lengths)  # 0 is the first after the cut
        before = distance < 0
        recent = before & (distance >= -self.pairs.config.history_length)
        return before, recent, ~before & (distance < self.window)

    def _held_out(
        self, lengths: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[Mask, Mask, Mask]:
        """Return which items laid end to end are kept, which of them are used, and which are held out.

        Of each row one at least is kept, and one held out.
        """
        chance, starts = rng.random(len(rows)), offsets_of(lengths)[:-1]
        held = chance < self._share(lengths)[rows]
        held |= chance == np.minimum.reduceat(chance, starts)[rows]
        held &= chance < np.maximum.reduceat(chance, starts)[rows]
        recent = positions(-lengths, lengths) >= -self.pairs.config.history_length
        return ~held, ~held & recent, held

    def _share(self, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return np.minimum(_HELD_OUT, self.window / np.maximum(lengths, 1))

    @cached_property
    def _rounds(self) -> Rounds:
        lengths = self.pairs.histories.lengths
        times = np.where(lengths > 1, np.ceil(np.sqrt(lengths / self.window)), 0).astype(np.int64)
        dealt = np.repeat(np.arange(len(lengths), dtype=np.int32), times)
        return Rounds(dealt, self.batch_size, self.seed, _STREAMS)

    @cached_property
    def _chances(self) -> Chances:
        histories, catalogue = self.pairs.histories, self.pairs.n_items
        rows = row_numbers(histories.lengths)
        times = np.bincount(self._rounds.users, minlength=len(histories))
        chance = self._cut_chance(rows) if self.ordered else self._held_chance(histories.lengths)[rows]
        expected = np.bincount(histories.item_nums, times[rows] * chance, catalogue) / self.steps
        return self._assembly.chances(self._rounds.users, len(histories), self.steps, expected)

    def _cut_chance(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return, for each interaction, the share of its user's cuts that it follows within a window."""
        lengths = self.pairs.histories.lengths
        place = np.arange(len(rows)) - offsets_of(lengths)[rows]
        chance: npt.NDArray[np.float64] = np.minimum(place, self.window) / np.maximum(lengths[rows] - 1, 1)
        return chance

    def _held_chance(self, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return how likely an item of a history is to be held out: one is in any case, but never all."""
        share = self._share(lengths)
        return share + ((1 - share) ** lengths - share**lengths) / np.maximum(lengths, 1)

    @cached_property
    def _weights(self) -> npt.NDArray[np.float32]:
        return np.concatenate([shard["weight"] for shard in self.pairs.shards])

    @cached_property
    def _assembly(self) -> Assembly:
        return Assembly(self.negatives, self.id_dropout, self.one_table)
