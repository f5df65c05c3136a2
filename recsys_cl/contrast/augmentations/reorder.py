"""A stretch of the history in another order (CL4SRec, Xie et al., ICDE 2022, section III-C)."""

from __future__ import annotations

from dataclasses import replace

import torch

from recsys_cl.contrast.stretches import drawn_stretches
from recsys_cl.towers.inputs import QueryInputs


def of_history(inputs: QueryInputs, strength: float, generator: torch.Generator) -> QueryInputs:
    """Return histories in which a stretch of a share ``strength`` is shuffled: no change where order says nothing."""
    inside, rows = drawn_stretches(inputs.offsets, strength, generator)
    # Places within a row, but drawn ones within its stretch: sorted by them, what is inside changes places.
    places = torch.arange(len(inside), device=inside.device).double()
    first = torch.full((len(inputs.offsets) - 1,), torch.inf, dtype=torch.float64, device=inside.device)
    first = first.scatter_reduce(0, rows[inside], places[inside], "amin")
    drawn = torch.rand(len(inside), generator=generator, dtype=torch.float64).to(inside.device)
    order = torch.where(inside, first[rows] + drawn, places).argsort()
    return replace(inputs, history=inputs.history[order])
