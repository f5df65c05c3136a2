"""Find the positive among the batch: InfoNCE, or sampled softmax, with the log q correction."""

from __future__ import annotations

import math

import torch
from torch import nn

from recsys_cl.config import TrainConfig
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.softmax import softmax_loss


class Objective(nn.Module):
    """Cross-entropy of each positive among the positives of the other pairs and shared uniform negatives.

    InfoNCE (van den Oord et al. 2018) with negatives corrected for how often they are drawn (Yi et al., RecSys
    2019), the positive left uncorrected (Khrylchenko et al., RecSys 2025), mixed negatives (Yang et al. 2020), and
    neither accidental hits nor what the user is known to have taken among the negatives. The definition, step by
    step, is the chain of `transforms`; `softmax_loss` does the same in one pass.

    Args:
        config: temperature, whether it is learned, and the exponent of the log q correction.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.log_q_exponent = config.log_q_exponent
        log_temperature = torch.tensor(math.log(config.temperature))
        self.log_temperature = nn.Parameter(log_temperature, requires_grad=config.learn_temperature)

    @property
    def temperature(self) -> torch.Tensor:
        """What scores are divided by, () and always positive."""
        return self.log_temperature.exp()

    def forward(self, contrast: Contrast) -> torch.Tensor:
        """Return the loss, (), in nats."""
        return softmax_loss(
            contrast.queries / self.temperature,
            contrast.candidates,
            shift=self.log_q_exponent * contrast.log_q,
            positives=contrast.positives,
            known=contrast.known,
            weights=contrast.weights,
        )
