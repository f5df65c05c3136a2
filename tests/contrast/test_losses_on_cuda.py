"""Losses on CUDA are those on the CPU. Skipped where there is no CUDA device."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from random_contrasts import some_contrast

from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.families import member, members

DEVICE = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def moved(contrast: Contrast, device: str) -> Contrast:
    """Give the same contrast elsewhere, with vectors that take gradients there."""
    there = {one.name: getattr(contrast, one.name) for one in fields(contrast)}
    there = {name: part.detach().to(device) for name, part in there.items() if isinstance(part, torch.Tensor)}
    return replace(
        contrast,
        **there | {name: there[name].requires_grad_() for name in ("queries", "candidates")},
    )


@pytest.mark.parametrize("hardest", [0, 3])
@pytest.mark.parametrize("name", [name for name in members(LOSSES) if name != "bpr"])  # which draws on the device
def test_a_loss_and_its_gradients_are_those_of_the_cpu(name, hardest):
    module = member(LOSSES, name)
    distances = getattr(module, "NEEDS_DISTANCE", False)
    positives = [0, 3, 13, 14, 27]  # two rows have several
    given = some_contrast(4, 12, positives=positives, known=[5, 30], distances=distances, hardest=hardest)
    found = {}
    for device in ("cpu", DEVICE):
        contrast = moved(given, device)
        loss = module.loss(contrast, module.Config())
        gradients = torch.autograd.grad(loss, (contrast.queries, contrast.candidates))
        assert loss.device.type == device
        found[device] = [loss.detach().cpu(), *(one.cpu() for one in gradients)]
    torch.testing.assert_close(found[DEVICE], found["cpu"])
