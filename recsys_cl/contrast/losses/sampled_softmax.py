"""Sampled softmax: find what was taken among what the batch offers (Jean et al., ACL 2015; Yi et al., RecSys 2019)."""

from __future__ import annotations

import torch

from recsys_cl.contrast.blocks import loss_of_logits
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.losses.supcon import supcon_out
from recsys_cl.contrast.softmax import softmax_loss
from recsys_cl.settings import Settings


class Config(Settings):
    """It has no settings of its own."""


def loss(contrast: Contrast, _config: Config) -> torch.Tensor:
    """Return the cross-entropy of each positive among the negatives and positives of its query, in nats.

    The catalogue stands in for a sum by those of its items that are in the batch, each corrected for how often it is
    expected there (Yi et al. 2019), the positives uncorrected (Khrylchenko et al., RecSys 2025). With several
    positives a query all stand in the denominator, as in `supcon`. The definition, step by step, is the chain of
    `transforms`; here all is done in one pass.
    """
    if contrast.hardest:
        return loss_of_logits(contrast, supcon_out)
    return softmax_loss(
        contrast.queries / contrast.temperature,
        contrast.candidates,
        shift=contrast.log_q,
        positives=contrast.positives,
        known=contrast.known,
        weights=contrast.weights,
    )
