"""Some items of the history made unknown, in their places (CL4SRec, Xie et al., ICDE 2022, section III-C)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional

from recsys_cl.towers.inputs import QueryInputs


def of_history(inputs: QueryInputs, strength: float, generator: torch.Generator) -> QueryInputs:
    """Return histories in which each item is nought with chance ``strength``; the others are as old as they were."""
    hidden = (torch.rand(len(inputs.history), generator=generator) < strength).to(inputs.history.device)
    nought = len(inputs.history_rows)
    return replace(
        inputs,
        history_rows=functional.pad(inputs.history_rows, (0, 0, 0, 1)),
        history=inputs.history.masked_fill(hidden, nought),
    )
