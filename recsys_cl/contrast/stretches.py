"""Parts of ragged histories: a stretch of each, and what is kept of them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional

from recsys_cl.towers.inputs import QueryInputs


def drawn_stretches(
    offsets: torch.Tensor, share: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a stretch of each row, a ``share`` of it long and one item at least.

    Args:
        offsets: (b + 1,) int64, where rows start and end.
        share: in [0, 1].
        generator: on the CPU.

    Returns:
        Whether each member is inside, (h,) bool, and the row of each, (h,) int64.
    """
    lengths = offsets.diff()
    wanted = (lengths * share).ceil().long().clamp(min=1)
    drawn = torch.rand(len(lengths), generator=generator).to(offsets.device)
    first = (drawn * (lengths - wanted + 1).clamp(min=1)).long()
    rows = torch.repeat_interleave(torch.arange(len(lengths), device=offsets.device), lengths)
    places = torch.arange(len(rows), device=offsets.device) - offsets[rows]
    return (places >= first[rows]) & (places < (first + wanted)[rows]), rows


def kept(inputs: QueryInputs, stays: torch.Tensor) -> QueryInputs:
    """Return histories of those members alone that stay, (h,) bool."""
    counted = functional.pad(stays.cumsum(0), (1, 0))
    return replace(inputs, history=inputs.history[stays], offsets=counted[inputs.offsets])
