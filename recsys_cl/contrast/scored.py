"""Scores as a loss sees them: those of positives in a list, those of negatives in a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch


class _LogSumExp(torch.autograd.Function):
    """`torch.logsumexp` over columns, which keeps the exponentials for its gradient instead of taking them again."""

    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch's own
        best = scores.amax(1, keepdim=True)
        powers = (scores - best.masked_fill(best == -torch.inf, 0.0)).exp_()
        sums = powers.sum(1, keepdim=True)
        ctx.save_for_backward(powers, sums)
        return (sums.log() + best).squeeze(1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        powers, sums = ctx.saved_tensors
        return torch.mul(powers, gradient.unsqueeze(1) / sums)


@dataclass(frozen=True)
class Scored:
    """Some queries of a batch, scored against all its candidates.

    Attributes:
        positive: (p,) score of each positive.
        rows: (p,) int64, its query, rising.
        columns: (p,) int64, its candidate.
        place: which of the positives of the `Contrast` these are.
        negative: (r, n) scores; -inf where an entry is no negative, a positive or a known item.
        log_q: (n,) float32, log of how often each column is expected among the negatives; inf where it is none.
        temperature: (r, 1), by which logits were divided.
    """

    positive: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    place: slice
    negative: torch.Tensor
    log_q: torch.Tensor
    temperature: torch.Tensor

    @cached_property
    def absent(self) -> torch.Tensor:
        """Which entries are no negatives, (r, n) bool."""
        return self.negative == -torch.inf

    @cached_property
    def negative_log_sum(self) -> torch.Tensor:
        """Log of the sum of exponentials of a query's negatives, (r,); -inf where there are none."""
        sums: torch.Tensor = _LogSumExp.apply(self.negative)  # type: ignore[no-untyped-call]  # torch types it so
        return sums

    @cached_property
    def unopposed(self) -> torch.Tensor:
        """Which positives, (p,) bool, are of a query that has no negative."""
        return (self.negative_log_sum == -torch.inf)[self.rows]

    @cached_property
    def positive_log_sum(self) -> torch.Tensor:
        """Log of the sum of exponentials of a query's positives, (r,); -inf where there are none."""
        highest = torch.full_like(self.negative[:, 0], -torch.inf)
        highest = highest.scatter_reduce(0, self.rows, self.positive.detach(), "amax")
        safe = highest.nan_to_num(neginf=0.0)
        sums = torch.zeros_like(safe).index_add(0, self.rows, (self.positive - safe[self.rows]).exp())
        return sums.log() + safe

    @cached_property
    def positive_count(self) -> torch.Tensor:
        """Positives of each query, (r,) float32."""
        return torch.bincount(self.rows, minlength=len(self.negative)).to(self.positive.dtype)

    @cached_property
    def log_counts(self) -> torch.Tensor:
        """Log of how many items of the catalogue each entry stands for, (r, n); -inf where it is no negative."""
        return (-self.log_q).masked_fill(self.absent, -torch.inf)

    @cached_property
    def importance(self) -> torch.Tensor:
        """By how much each entry counts in a mean over the catalogue, (r, n): rows add up to one, or are nought.

        Negatives that are drawn often count for less, so that the mean estimates that over items drawn uniformly.
        """
        counts = self.log_counts.exp()
        return counts / counts.sum(1, keepdim=True).clamp(min=torch.finfo(counts.dtype).tiny)

    def mean_over_negatives(self, values: torch.Tensor) -> torch.Tensor:
        """Return the mean over a query's negatives, (r,), of values (r, n), which are finite; nought without any."""
        return (values * self.importance).sum(1)
