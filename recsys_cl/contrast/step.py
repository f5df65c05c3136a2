"""One batch on its way through the towers, as objectives see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch.nn import functional

from recsys_cl.contrast.contrast import Contrast
from recsys_cl.towers.inputs import CandidateInputs, QueryInputs
from recsys_cl.towers.two_tower import TwoTower

Rows = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Numbers:
    """The numbers of a `pairs.batches.Batch` as tensors on one device, which documents them, all int64 but floats."""

    users: torch.Tensor
    items: torch.Tensor
    history_items: torch.Tensor
    query_users: torch.Tensor
    user_slots: torch.Tensor
    history_slots: torch.Tensor
    offsets: torch.Tensor
    candidate_slots: torch.Tensor
    log_q: torch.Tensor
    query_log_q: torch.Tensor
    positives: torch.Tensor
    known: torch.Tensor
    weights: torch.Tensor
    taken_rows: torch.Tensor
    taken: torch.Tensor

    @cached_property
    def candidates(self) -> torch.Tensor:
        """The item number of each candidate, (n,) int64."""
        return self.items[self.candidate_slots]


@dataclass(frozen=True)
class Step:
    """A training step.

    Attributes:
        towers: that learn.
        rows: of the embedding tables that the batch uses, by table, which take gradients.
        numbers: of the batch.
        number: steps taken before.
        seed: of what is drawn in this step.
        temperature: () or (b, 1), of the queries.
        log_q_exponent: strength of the log q correction.
        hardest: negatives a query keeps, the most similar; 0 keeps all.
    """

    towers: TwoTower
    rows: Rows
    numbers: Numbers
    number: int
    seed: int
    temperature: torch.Tensor
    log_q_exponent: float
    hardest: int

    @cached_property
    def query_inputs(self) -> QueryInputs:
        """What the user tower is given."""
        return self.query_inputs_of(self.rows)

    @cached_property
    def users(self) -> torch.Tensor:
        """The batch's users as the user tower gives them, (b, d)."""
        output: torch.Tensor = self.towers.query(self.query_inputs)
        return output

    @cached_property
    def items(self) -> torch.Tensor:
        """The batch's candidates as the item tower gives them, (n, d)."""
        output: torch.Tensor = self.towers.candidate(self.candidate_inputs_of(self.rows))
        return output

    @cached_property
    def contrast(self) -> Contrast:
        """The two sides as they compare."""
        numbers = self.numbers
        return Contrast(
            self.towers.similarity.queries(self.users),
            self.towers.similarity.candidates(self.items),
            self._corrections(numbers.log_q),
            self._corrections(numbers.query_log_q),
            numbers.positives,
            numbers.known,
            numbers.weights,
            self.temperature,
            self.hardest,
            self.seed,
        )

    @cached_property
    def bias(self) -> torch.Tensor | None:
        """What each candidate scores with every query, (n, 1); None where the towers have no such."""
        if not self.towers.spec.item_bias:
            return None
        return self.rows["bias"].index_select(0, self.numbers.candidate_slots)

    def _corrections(self, log_q: torch.Tensor) -> torch.Tensor:
        return torch.where(log_q.isinf(), log_q, self.log_q_exponent * log_q)  # what is no negative stays none

    def query_inputs_of(self, rows: Rows) -> QueryInputs:
        """Return what a user tower with such rows is given."""
        numbers = self.numbers
        return QueryInputs(
            rows.get("user", self.towers.tables["user"]),
            numbers.user_slots,
            rows[self.towers.history_table],
            numbers.history_slots,
            numbers.offsets,
        )

    def candidate_inputs_of(self, rows: Rows) -> CandidateInputs:
        """Return what an item tower with such rows is given."""
        features = self.towers.features_of(self.numbers.candidates)
        return CandidateInputs(rows["item"], self.numbers.candidate_slots, features)

    def generator(self, stream: int) -> torch.Generator:
        """Return a source of draws on the CPU; each stream has draws of its own."""
        return torch.Generator().manual_seed((self.seed * 64 + stream) % (1 << 63))


def with_bias(contrast: Contrast, bias: torch.Tensor | None) -> Contrast:
    """Return the contrast with one coordinate more, which adds to a candidate's scores its bias (n, 1)."""
    if bias is None:
        return contrast
    queries = functional.pad(contrast.queries, (0, 1), value=1.0)
    candidates = torch.hstack([contrast.candidates, bias.to(contrast.candidates.dtype)])
    return replace(contrast, queries=queries, candidates=candidates)
