"""Pure functions from scores to scores; chained, they turn similarities into the logits of a contrastive loss.

In all of them ``scores`` comes first and is (b, n): a row is a query, a column a candidate. Positives are given by
their flat positions ``row * n + column``; what is no positive is a negative. Nothing is changed in place.
"""

from __future__ import annotations

import torch


def divided_by_temperature(scores: torch.Tensor, temperature: torch.Tensor | float) -> torch.Tensor:
    """Return ``scores / temperature``: the lower, the more the hardest negatives count."""
    return scores / temperature


def corrected_for_log_q(
    scores: torch.Tensor, log_q: torch.Tensor, positives: torch.Tensor, exponent: float = 1.0
) -> torch.Tensor:
    """Return scores less ``exponent * log_q`` of their column, in the columns that are negatives.

    Negatives are drawn, popular items more often than others, and would be pushed away once each time they are
    drawn; subtracting the log of how often each was to be expected (Yi et al., RecSys 2019) makes the sum over them
    an estimate of the sum over the catalogue. The positive is not drawn but given, and stands in that sum just
    once, so it is left as it is (Khrylchenko et al., RecSys 2025, arXiv 2507.09331).

    Args:
        scores: (b, n).
        log_q: (n,) log of the expected number of times the column's item is among the negatives.
        positives: (p,) int64 flat positions of the positives.
        exponent: 1 corrects fully; 0 not at all, which teaches how much likelier than usual an item is for a user.
    """
    shift = (exponent * log_q).expand_as(scores).flatten().index_fill(0, positives, 0.0)
    return scores - shift.view_as(scores)


def without(scores: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return scores that are -inf, probability and gradient zero, at the flat positions ``known`` (m,) int64."""
    return scores.flatten().index_fill(0, known, float("-inf")).view_as(scores)
