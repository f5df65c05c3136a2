"""Batches of pairs in a seeded order, from shards that stay on disk.

Everything random in a batch follows from (seed, epoch, step), so a training that was broken off goes on from any
step exactly as it would have gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.negatives import Negatives, known_entries
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.pairs.ragged import distinct, offsets_of, positions, row_numbers

_BLOCK = 1024  # pairs read together: neighbours on disk
_BLOCKS_SHUFFLED = 1024  # blocks mixed with each other in memory: 16 MiB of pairs
_ORDER, _DRAWS = 0, 1  # streams of randomness that must not meet


@dataclass(frozen=True)
class Batch:
    """The numbers of one training step; ``b`` queries, ``n`` candidates that they share.

    Rows of the embedding tables are named once each, in ``users``, ``items`` and ``history_items``, and pointed to by
    slots, so that a step gathers and updates each row once.

    Attributes:
        epoch: from 1.
        step: within the epoch, from 0.
        users: (u,) int32, the distinct users, rising.
        items: (i,) int32, the distinct items of the candidates, rising; where histories are read in the same table as
            candidates, those of the histories too.
        history_items: (j,) int32, the distinct items that histories point to, rising; ``items`` itself in that case.
        query_users: (b,) int32, who asks, also where the id is hidden.
        user_slots: (b,) int64 into ``users``; -1 where the id is hidden.
        history_slots: (h,) int64 into ``history_items``, row after row, oldest first.
        offsets: (b + 1,) int64, where the rows of ``history_slots`` start and end.
        candidate_slots: (n,) int64 into ``items``.
        log_q: (n,) float32, log of how often the candidate is expected among the negatives of this batch; inf where it
            is there for its own query alone.
        query_log_q: (b,) float32, log of how often the user is expected among those who ask.
        positives: (p,) int64, entries ``row * n + column`` of the score matrix, rising.
        known: (m,) int64, such entries, rising in row, that are no negatives.
        weights: (p,) float32, of the positives.
        taken_rows: (t,) int64, the query of each item of ``taken``, rising.
        taken: (t,) int32, items that the query's user is known to have taken, candidates or not, positives included.
    """

    epoch: int
    step: int
    users: npt.NDArray[np.int32]
    items: npt.NDArray[np.int32]
    history_items: npt.NDArray[np.int32]
    query_users: npt.NDArray[np.int32]
    user_slots: npt.NDArray[np.int64]
    history_slots: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    candidate_slots: npt.NDArray[np.int64]
    log_q: npt.NDArray[np.float32]
    query_log_q: npt.NDArray[np.float32]
    positives: npt.NDArray[np.int64]
    known: npt.NDArray[np.int64]
    weights: npt.NDArray[np.float32]
    taken_rows: npt.NDArray[np.int64]
    taken: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.user_slots)


@dataclass(frozen=True)
class Batches:
    """How pairs are dealt out.

    Attributes:
        pairs: what is dealt.
        batch_size: most pairs in a batch; all batches of an epoch are of the same size, give or take one.
        negatives: what candidates there are beside the positives.
        id_dropout: share of user ids hidden, in [0, 1); an id with no history beside it is never hidden.
        one_table: whether histories are read in the table of the candidates.
        seed: of the order and the draws.
    """

    pairs: PairSet
    batch_size: int
    negatives: Negatives
    id_dropout: float
    one_table: bool
    seed: int

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.pairs) // self.batch_size)

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch (counted from 1), from ``first_step`` on."""
        for step, numbers in enumerate(self._order(epoch)):
            if step >= first_step:
                yield self._batch(epoch, step, numbers)

    def _order(self, epoch: int) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the pair numbers of each batch, every pair once.

        Blocks of neighbours are shuffled, then the pairs of a thousand blocks at a time, so that disk is read in
        stretches and memory does not grow with the log.
        """
        sizes = np.diff(np.arange(self.steps + 1) * len(self.pairs) // self.steps)
        rng = np.random.default_rng((self.seed, _ORDER, epoch))
        blocks = rng.permutation(-(-len(self.pairs) // _BLOCK))
        waiting, step = np.empty(0, dtype=np.int64), 0
        for start in range(0, len(blocks), _BLOCKS_SHUFFLED):
            some = blocks[start : start + _BLOCKS_SHUFFLED, None] * _BLOCK + np.arange(_BLOCK)
            numbers = some[some < len(self.pairs)]
            rng.shuffle(numbers)
            waiting = np.concatenate([waiting, numbers])
            while step < self.steps and len(waiting) >= sizes[step]:
                yield waiting[: sizes[step]]
                waiting = waiting[sizes[step] :]
                step += 1

    def _batch(self, epoch: int, step: int, numbers: npt.NDArray[np.int64]) -> Batch:
        pairs = self.pairs.gather(numbers)
        rng = np.random.default_rng((self.seed, _DRAWS, epoch, step))
        candidates = np.concatenate([pairs["item_num"], self.negatives.drawn(rng)])
        history, offsets = histories_without_target(self.pairs, pairs)
        histories = self.pairs.histories
        lengths = histories.lengths[pairs["user_num"]]
        taken_rows = row_numbers(lengths)
        taken = histories.item_nums[positions(histories.indptr[pairs["user_num"]], lengths)]
        users, user_slots = np.unique(pairs["user_num"], return_inverse=True)
        hidden = (rng.random(len(pairs)) < self.id_dropout) & (np.diff(offsets) > 0)
        items, candidate_slots, history_items, history_slots = numbered(
            candidates, history, self._scratch, one_table=self.one_table
        )
        return Batch(
            epoch,
            step,
            users,
            items,
            history_items,
            np.ascontiguousarray(pairs["user_num"]),
            np.where(hidden, -1, user_slots),
            history_slots,
            offsets,
            candidate_slots,
            self.negatives.log_expected(self._shares, len(pairs), candidates),
            np.log(lengths * (len(pairs) / len(self.pairs))).astype(np.float32),
            np.arange(len(pairs)) * (len(candidates) + 1),  # the positive of row r stands in column r
            known_entries(histories, pairs["user_num"], candidates, self._scratch),
            np.ascontiguousarray(pairs["weight"]),
            taken_rows,
            taken,
        )

    @cached_property
    def _shares(self) -> npt.NDArray[np.float64]:
        return np.exp(self.pairs.log_q.astype(np.float64))

    @cached_property
    def _scratch(self) -> npt.NDArray[np.int32]:
        return np.full(self.pairs.n_items, -1, dtype=np.int32)


def numbered(
    candidates: npt.NDArray[np.int32],
    history: npt.NDArray[np.int32],
    scratch: npt.NDArray[np.int32],
    *,
    one_table: bool,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return ``items``, ``candidate_slots``, ``history_items`` and ``history_slots`` of a `Batch`.

    Args:
        candidates: (n,) items.
        history: (h,) items.
        scratch: (n_items,) all -1, used and left all -1.
        one_table: whether both are read in one table.
    """
    if one_table:
        items, slots = _slots(np.concatenate([candidates, history]), scratch)
        return items, slots[: len(candidates)], items, slots[len(candidates) :]
    return *_slots(candidates, scratch), *_slots(history, scratch)


def _slots(
    numbers: npt.NDArray[np.int32], scratch: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    found = distinct(numbers)
    scratch[found] = np.arange(len(found), dtype=np.int32)
    slots = scratch[numbers].astype(np.int64)
    scratch[found] = -1
    return found, slots


def histories_without_target(
    pairs: PairSet, chosen: npt.NDArray[np.void]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the history from which each chosen pair's positive is to be found, never holding the positive itself.

    With "before" it is the most recent ``history_length`` items before the positive; with "others" the most recent
    of all else the user did. A user who took an item again and again has it nowhere in the history of that item.

    Args:
        pairs: the set the pairs belong to.
        chosen: (b,) `PAIR`.

    Returns:
        Items (h,) int32, row after row, oldest first, and offsets (b + 1,) int64 at which the rows start and end.
    """
    indptr, longest = pairs.histories.indptr, pairs.config.history_length
    users, targets = chosen["user_num"], chosen["item_num"]
    starts = indptr[users]
    # One more than is used, since the positive itself mostly stands among them and goes.
    ends = starts + chosen["place"] if pairs.config.history == "before" else indptr[users + 1]
    lengths = np.minimum(ends - starts, longest + 1)
    items = pairs.histories.item_nums[positions(ends - lengths, lengths)]
    rows = row_numbers(lengths)
    kept = items != targets[rows]
    lengths = np.bincount(rows[kept], minlength=len(chosen))
    kept[kept] = _all_but_oldest(lengths, longest)
    return items[kept], offsets_of(np.minimum(lengths, longest))


def _all_but_oldest(lengths: npt.NDArray[np.int64], longest: int) -> npt.NDArray[np.bool_]:
    """Return, for rows laid end to end, False at the first of each row that is one longer than ``longest``."""
    kept = np.ones(int(lengths.sum()), dtype=np.bool_)
    kept[offsets_of(lengths)[:-1][lengths > longest]] = False
    return kept
