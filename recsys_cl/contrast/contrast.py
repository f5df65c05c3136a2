"""What an objective compares."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Contrast:
    """The encoded sides of one batch, on one device.

    Attributes:
        queries: (b, d); of length one with cosine similarity.
        candidates: (n, d), alike; shared by all queries.
        log_q: (n,) float32, log of how often each candidate is expected among the negatives of this batch.
        positives: (p,) int64, entries ``row * n + column`` of the score matrix, rising: one of each query, or
            many.
        known: (m,) int64, such entries rising in row: items the query's user is known to have taken, which are no
            negatives; never a positive.
        weights: (p,) float32, of the positives.
    """

    queries: torch.Tensor
    candidates: torch.Tensor
    log_q: torch.Tensor
    positives: torch.Tensor
    known: torch.Tensor
    weights: torch.Tensor
