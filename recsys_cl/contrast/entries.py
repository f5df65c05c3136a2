"""Which entries of a score matrix join a user and an item that the user is known to have taken."""

from __future__ import annotations

import torch


def entries_of(rows: torch.Tensor, taken: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """Return entries ``row * n + column``, rising, each once, in which the column's item is one the row's user took.

    Args:
        rows: (t,) int64, the row of each item of ``taken``.
        taken: (t,) int64 item numbers.
        candidates: (n,) int64, the item of each column, repeats allowed.
    """
    ordered, columns = candidates.sort(stable=True)
    first = torch.searchsorted(ordered, taken)
    counts = torch.searchsorted(ordered, taken, right=True) - first
    starts = counts.cumsum(0) - counts
    within = torch.arange(int(counts.sum()), device=taken.device) - starts.repeat_interleave(counts)
    found = columns[first.repeat_interleave(counts) + within]
    entries: torch.Tensor = torch.unique(rows.repeat_interleave(counts) * len(candidates) + found)
    return entries
