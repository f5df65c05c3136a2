"""An item without its own row, told by its categories alone (CLCRec, Wei et al., MM 2021; DropoutNet, Volkovs 2017)."""

from __future__ import annotations

from dataclasses import replace

import torch

from recsys_cl.towers.inputs import CandidateInputs


def of_item(inputs: CandidateInputs, strength: float, generator: torch.Generator) -> CandidateInputs:
    """Return items whose own row is nought with chance ``strength``."""
    stays = torch.rand(len(inputs.item_rows), 1, generator=generator) >= strength
    return replace(inputs, item_rows=inputs.item_rows * stays.to(inputs.item_rows.device))
