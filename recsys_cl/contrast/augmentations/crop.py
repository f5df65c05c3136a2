"""A stretch of the history, the rest left out (CL4SRec, Xie et al., ICDE 2022, section III-C)."""

from __future__ import annotations

import torch

from recsys_cl.contrast.stretches import drawn_stretches, kept
from recsys_cl.towers.inputs import QueryInputs


def of_history(inputs: QueryInputs, strength: float, generator: torch.Generator) -> QueryInputs:
    """Return histories without a share ``strength`` of their items, all at the ends; one item at least stays."""
    inside, _ = drawn_stretches(inputs.offsets, 1 - strength, generator)
    return kept(inputs, inside)
