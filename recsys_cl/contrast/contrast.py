"""What an objective compares."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Contrast:
    """The encoded sides of one batch, on one device.

    Attributes:
        queries: (b, d); of length one with cosine similarity.
        candidates: (n, d), alike; the positive of query r in row r, shared negatives after the b positives.
        log_q: (n,) float32, log of how often each candidate is expected among the negatives of this batch.
        known: (m,) int64, entries ``row * n + column`` rising in row: items the query's user is known to have taken,
            which are no negatives; never the query's own positive in its own column.
        weights: (b,) float32.
    """

    queries: torch.Tensor
    candidates: torch.Tensor
    log_q: torch.Tensor
    known: torch.Tensor
    weights: torch.Tensor
