"""Interactions left out at random, as edges of the graph are in SGL (Wu et al., SIGIR 2021, arXiv 2010.10783)."""

from __future__ import annotations

import torch

from recsys_cl.contrast.stretches import kept
from recsys_cl.towers.inputs import QueryInputs


def of_history(inputs: QueryInputs, strength: float, generator: torch.Generator) -> QueryInputs:
    """Return histories without each item with chance ``strength``; the newest stays where all would go."""
    stays = torch.rand(len(inputs.history), generator=generator).to(inputs.history.device) >= strength
    lengths = inputs.offsets.diff()
    rows = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
    emptied = (torch.bincount(rows[stays], minlength=len(lengths)) == 0) & (lengths > 0)
    stays[inputs.offsets[1:][emptied] - 1] = True
    return kept(inputs, stays)
