"""What users and the items they took teach: a loss by name, and more negatives than the batch has."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import nn

from recsys_cl.config import TrainConfig
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.entries import entries_of
from recsys_cl.contrast.queue import STREAM, ItemQueue, require_room
from recsys_cl.contrast.step import Step, with_bias
from recsys_cl.families import member
from recsys_cl.settings import Method

LOSSES = "recsys_cl.contrast.losses"


class Supervised(nn.Module):
    """The main objective: a loss over users and what they took.

    With a queue, items of earlier batches are negatives too, with the vectors they had then (cross-batch negative
    sampling, Wang et al., SIGIR 2021, arXiv 2110.15154), from ``queue_after`` steps on: earlier, vectors change too
    quickly.

    Args:
        method: the loss.
        config: negatives.
        dim: length of the vectors that are compared.

    Raises:
        ConfigError: the queue does not even hold a batch.
    """

    def __init__(self, method: Method, config: TrainConfig, dim: int) -> None:
        super().__init__()
        if config.queue_size:
            require_room(config.queue_size, config.batch_size, "--queue-size")
        self._module = member(LOSSES, method.name)
        self._config = self._module.Config.of(method.settings)
        self._with_bias = getattr(self._module, "TAKES_BIAS", True)
        self._queue_after = config.queue_after
        self.queue = ItemQueue(config.queue_size, dim + 1) if config.queue_size else None

    def forward(self, step: Step) -> torch.Tensor:
        """Return the loss, ()."""
        return self.of(self._contrast(step))

    def of(self, contrast: Contrast) -> torch.Tensor:
        """Return the loss of any contrast, ()."""
        loss: torch.Tensor = self._module.loss(contrast, self._config)
        return loss

    def compared(self, step: Step) -> Contrast:
        """Return what the batch itself compares."""
        return with_bias(step.contrast, step.bias if self._with_bias else None)

    def observe(self, step: Step) -> None:
        """Queue the batch's candidates, each with log q in a coordinate of its own."""
        if self.queue is not None:
            vectors = torch.hstack([step.contrast.candidates, step.contrast.log_q.unsqueeze(1)])
            self.queue.push(step.numbers.candidates, vectors, step.generator(STREAM))

    def _contrast(self, step: Step) -> Contrast:
        contrast = self.compared(step)
        if self.queue is None or step.number < self._queue_after or not int(self.queue.filled):
            return contrast
        items, held = self.queue.held()
        n, more = len(contrast.candidates), len(items)
        known = entries_of(step.numbers.taken_rows, step.numbers.taken, items)
        # What an item was expected as often as in one batch, it is as often again in each that the queue holds.
        again = step.log_q_exponent * math.log1p(more / n)
        vectors = held[:, :-1]
        if contrast.candidates.shape[1] > vectors.shape[1]:
            vectors = torch.hstack([vectors, step.towers.tables["bias"][items]])
        return replace(
            contrast,
            candidates=torch.vstack([contrast.candidates, vectors]),
            log_q=torch.cat([contrast.log_q, held[:, -1]]) + again,
            positives=widened(contrast.positives, n, more),
            known=torch.cat([widened(contrast.known, n, more), widened(known, more, n) + n]).sort().values,
        )


def widened(entries: torch.Tensor, columns: int, more: int) -> torch.Tensor:
    """Return what entries of a matrix with so many columns are once it has ``more`` on the right."""
    return entries + entries // columns * more
