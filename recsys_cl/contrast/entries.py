"""Which entries of a score matrix join a user and an item that the user is known to have taken."""

from __future__ import annotations

import torch
from torch.nn import functional


def entries_of(rows: torch.Tensor, taken: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
    """Return entries ``row * n + column``, rising, each once, in which the column's item is one the row's user took.

    Args:
        rows: (t,) int64, the row of each item of ``taken``.
        taken: (t,) int64 item numbers.
        candidates: (n,) int64, the item of each column, repeats allowed.
    """
    per_item = functional.pad(torch.bincount(candidates), (0, 1))  # the last stands for all items beyond
    firsts, columns = per_item.cumsum(0) - per_item, candidates.argsort(stable=True)
    taken = taken.clamp(max=len(per_item) - 1)
    some = per_item.index_select(0, taken).nonzero().squeeze(1)
    rows, taken = rows.index_select(0, some), taken.index_select(0, some)
    counts = per_item.index_select(0, taken)
    starts = firsts.index_select(0, taken) - counts.cumsum(0) + counts
    within = torch.arange(int(counts.sum()), device=taken.device)
    found = columns.index_select(0, starts.repeat_interleave(counts) + within)
    entries: torch.Tensor = torch.unique(rows.repeat_interleave(counts) * len(candidates) + found)
    return entries
