"""What a loss compares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch


@dataclass(frozen=True)
class Contrast:
    """The encoded sides of one batch, on one device.

    Attributes:
        queries: (b, D), mapped so that inner products with candidates are similarities.
        candidates: (n, D), alike; shared by all queries.
        log_q: (n,) float32, log of how often each candidate is expected among the negatives of this batch, times the
            exponent of the correction; inf for a column that is nobody's negative.
        query_log_q: (b,) float32, alike for queries, as negatives of candidates.
        positives: (p,) int64, entries ``row * n + column`` of the score matrix, rising: one of each query, or
            many.
        known: (m,) int64, such entries rising in row: items the query's user is known to have taken, which are no
            negatives; never a positive.
        weights: (p,) float32, of the positives.
        temperature: () or (b, 1), what similarities are divided by where a loss takes logits.
        hardest: of a query's negatives only so many, the most similar, are kept; 0 keeps all.
        seed: of what a loss draws.
    """

    queries: torch.Tensor
    candidates: torch.Tensor
    log_q: torch.Tensor
    query_log_q: torch.Tensor
    positives: torch.Tensor
    known: torch.Tensor
    weights: torch.Tensor
    temperature: torch.Tensor
    hardest: int = 0
    seed: int = 0

    @cached_property
    def rows(self) -> torch.Tensor:
        """The query of each positive, (p,) int64."""
        return self.positives // len(self.candidates)

    @cached_property
    def columns(self) -> torch.Tensor:
        """The candidate of each positive, (p,) int64."""
        return self.positives % len(self.candidates)

    @cached_property
    def shares(self) -> torch.Tensor:
        """The share of each positive in the loss, (p,), adding up to one."""
        return self.weights / self.weights.sum()

    @cached_property
    def found(self) -> torch.Tensor:
        """The candidates that are anybody's positive, (f,) int64 columns, rising."""
        found: torch.Tensor = torch.unique(self.columns)
        return found

    def swapped(self) -> Contrast:
        """Return the same batch with the candidates that were `found` asking for queries.

        The temperature is then one for all, the mean.
        """
        rows, n = len(self.queries), len(self.candidates)
        place = torch.full((n,), -1, device=self.found.device)
        place[self.found] = torch.arange(len(self.found), device=self.found.device)
        positives, order = (place[self.columns] * rows + self.rows).sort()
        known = self.known[place[self.known % n] >= 0]
        return replace(
            self,
            queries=self.candidates[self.found],
            candidates=self.queries,
            log_q=self.query_log_q,
            query_log_q=self.log_q[self.found],
            positives=positives,
            known=(place[known % n] * rows + known // n).sort().values,
            weights=self.weights[order],
            temperature=self.temperature.mean(),
        )
