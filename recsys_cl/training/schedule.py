"""The learning rate of each step."""

from __future__ import annotations

import math

from recsys_cl.config import TrainConfig


def learning_rate(step: int, total: int, config: TrainConfig) -> float:
    """Return the learning rate of a step.

    It rises in a straight line over the warm-up (at most a tenth of all steps), then stays or falls along half a
    cosine to nought.

    Args:
        step: steps taken before, over all epochs.
        total: steps in ``config.epochs`` epochs, however many of them are run.
        config: highest rate, warm-up and schedule.
    """
    warmup = min(config.warmup_steps, total // 10)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if config.schedule == "constant":
        return config.learning_rate
    done = (step - warmup) / max(1, total - warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
