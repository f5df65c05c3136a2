"""From what queries hold and are to find to the numbers of a batch whose queries have many positives each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.batches import Batch, numbered
from recsys_cl.pairs.negatives import Negatives
from recsys_cl.pairs.ragged import distinct, offsets_of


@dataclass(frozen=True)
class Questions:
    """The queries of a batch, before anything in it is numbered.

    Attributes:
        users: (b,) int32, who asks.
        rows: (t,) int64, the query of each item of ``taken``, rising.
        taken: (t,) int32, what the users took, query after query, oldest first.
        asked: (t,) bool, which of that a query is made of.
        known: (t,) bool, which of that is no negative; never a positive.
        positive_rows: (p,) int64, the query of each item of ``positives``.
        positives: (p,) int32, what is to be found. Repeats count once, as the first of them.
        weights: (p,) float32, of the positives. A query with k of them counts as the square root of k.
    """

    users: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int64]
    taken: npt.NDArray[np.int32]
    asked: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    positive_rows: npt.NDArray[np.int64]
    positives: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Chances:
    """How likely it is to be in a batch.

    Attributes:
        users: (n_users,) float32, log of how often a user is expected among those who ask; -inf if never.
        items: (n_items,) float32, log of the probability that an item is a candidate; -inf if it never is.
    """

    users: npt.NDArray[np.float32]
    items: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Assembly:
    """How questions become batches: their candidates are the positives of all of them, and items that are drawn.

    Attributes:
        negatives: what candidates there are beside the positives.
        id_dropout: share of user ids hidden, in [0, 1).
        one_table: whether histories are read in the table of the candidates.
    """

    negatives: Negatives
    id_dropout: float
    one_table: bool

    def batch(
        self,
        epoch: int,
        step: int,
        questions: Questions,
        chances: Chances,
        rng: np.random.Generator,
    ) -> Batch:
        """Return the batch, with negatives and hidden ids drawn by ``rng``."""
        asked = questions
        drawn = self.negatives.drawn(rng)
        candidates = distinct(np.concatenate([asked.positives, drawn]))
        columns = self._columns(candidates, asked.taken)
        known = np.unique((asked.rows * len(candidates) + columns)[asked.known & (columns >= 0)])
        wanted = asked.positive_rows * len(candidates) + self._columns(candidates, asked.positives)
        positives, first = np.unique(wanted, return_index=True)
        repeats = np.isin(positives, known)
        positives, first = positives[~repeats], first[~repeats]
        of_row = positives // len(candidates)
        items, candidate_slots, history_items, history_slots = numbered(
            candidates, asked.taken[asked.asked], self._scratch, one_table=self.one_table
        )
        users, user_slots = np.unique(asked.users, return_inverse=True)
        hidden = rng.random(len(asked.users)) < self.id_dropout
        log_q = chances.items[candidates]
        if not self.negatives.in_batch:
            log_q = np.where(np.isin(candidates, drawn), log_q, np.float32(np.inf))
        return Batch(
            epoch,
            step,
            users,
            items,
            history_items,
            asked.users,
            np.where(hidden, -1, user_slots),
            history_slots,
            offsets_of(np.bincount(asked.rows[asked.asked], minlength=len(asked.users))),
            candidate_slots,
            log_q,
            chances.users[asked.users],
            positives,
            known,
            asked.weights[first] / np.sqrt(np.bincount(of_row))[of_row].astype(np.float32),
            *_taken(asked),
        )

    def chances(
        self, users: npt.NDArray[np.int32], n_users: int, steps: int, expected: npt.NDArray[np.float64]
    ) -> Chances:
        """Return how likely users and items are to be in a batch.

        Args:
            users: (n,) who are dealt in an epoch; one who is named twice is dealt twice.
            n_users: users there are.
            steps: batches in an epoch.
            expected: (n_items,) how often an item is expected among the positives of a batch.
        """
        with np.errstate(divide="ignore"):
            asking = np.log(np.bincount(users, minlength=n_users) / steps).astype(np.float32)
        return Chances(asking, self.negatives.log_inclusion(expected))

    def _columns(self, candidates: npt.NDArray[np.int32], items: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
        """Return the place of each item among the candidates, -1 where it is none."""
        self._scratch[candidates] = np.arange(len(candidates), dtype=np.int32)
        columns = self._scratch[items].astype(np.int64)
        self._scratch[candidates] = -1
        return columns

    @cached_property
    def _scratch(self) -> npt.NDArray[np.int32]:
        return np.full(self.negatives.n_items, -1, dtype=np.int32)


def _taken(asked: Questions) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return query and item of all that is no negative: what is known, and the positives."""
    rows = np.concatenate([asked.rows[asked.known], asked.positive_rows])
    items = np.concatenate([asked.taken[asked.known], asked.positives])
    order = np.argsort(rows, kind="stable")
    return rows[order], items[order]
