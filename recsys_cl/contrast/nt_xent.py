"""NT-Xent: two views of the same thing among views of others (Chen et al., ICML 2020, arXiv 2002.05709, equation 1)."""

from __future__ import annotations

import torch
from torch.nn import functional


def nt_xent(left: torch.Tensor, right: torch.Tensor, temperature: float, groups: torch.Tensor) -> torch.Tensor:
    """Return the mean over all views of -log of its twin's share among all views of others and the twin, () nats.

    Args:
        left: (b, d), one view of each thing.
        right: (b, d), the other view.
        temperature: by which cosines are divided.
        groups: (b,) int64; things of one group are no negatives of each other.
    """
    views = functional.normalize(torch.vstack([left, right]))  # (2b, d)
    same = groups.repeat(2)
    scores = views @ views.T / temperature
    twins = torch.arange(len(views), device=views.device).roll(len(left))
    found = scores.gather(1, twins.unsqueeze(1)).squeeze(1)
    others = scores.masked_fill(same.unsqueeze(0) == same.unsqueeze(1), -torch.inf).logsumexp(1)
    return (torch.logaddexp(found, others) - found).mean()
