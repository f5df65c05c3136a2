"""MoCo (He et al., CVPR 2020, arXiv 1911.05722) for users and items: a queue of keys by slowly changing towers."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from recsys_cl.contrast.blocks import loss_of_logits
from recsys_cl.contrast.context import Context
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.entries import entries_of
from recsys_cl.contrast.losses.info_nce import info_nce
from recsys_cl.contrast.momentum import Following
from recsys_cl.contrast.queue import STREAM, ItemQueue, require_room
from recsys_cl.contrast.step import Step
from recsys_cl.contrast.supervised import widened
from recsys_cl.pairs.ragged import positions, row_numbers
from recsys_cl.settings import Search, Settings


class Config(Settings):
    """How long keys are kept, and how slowly the towers change that make them."""

    queue_size: Annotated[int, Search(4_096, 65_536, log=True)] = Field(
        16_384, ge=1, description="items, and users, that are held as negatives"
    )
    momentum: Annotated[float, Search(0.9, 0.999)] = Field(
        0.99, ge=0, lt=1, description="share of the key towers that stays, each step"
    )


class Objective(nn.Module):
    """InfoNCE of users among keys of items, and of items among keys of users; half of each.

    A key is what the following towers make of an item or a user. The keys of this batch's positives are found among
    those of earlier batches, so the number of negatives is the queue's size, whatever the batch's.

    Args:
        config: queue and momentum.
        context: towers and batch size, and histories, to know which keys are no negatives.

    Raises:
        ConfigError: the queue does not even hold a batch.
    """

    def __init__(self, config: Config, context: Context) -> None:
        super().__init__()
        require_room(config.queue_size, context.train.batch_size, "moco:queue_size")
        self._histories = context.histories
        dim = context.towers.compared_dim + 1
        self.following = Following(context.towers, config.momentum)
        self.items = ItemQueue(config.queue_size, dim)
        self.users = ItemQueue(config.queue_size, dim)
        self._keys: tuple[torch.Tensor, torch.Tensor]

    def forward(self, step: Step) -> torch.Tensor:
        """Return the loss, (); nought before there is a key."""
        rows, similarity = self.following.follow(step), step.towers.similarity
        with torch.no_grad():
            users = self.following.towers.query(step.query_inputs_of(rows))
            items = self.following.towers.candidate(step.candidate_inputs_of(rows))
            self._keys = similarity.queries(users), similarity.candidates(items)
        if not int(self.items.filled):
            return step.users.sum() * 0
        exponent = step.log_q_exponent
        of_users = self._found(step.contrast, self._keys[1], self.items, self._known_items(step), exponent)
        of_items = self._found(step.contrast.swapped(), self._keys[0], self.users, self._known_users(step), exponent)
        return (of_users + of_items) / 2

    def observe(self, step: Step) -> None:
        """Let the key towers follow; queue the keys of the batch, each with log q in a coordinate of its own."""
        self.following.observe(step)
        users, items = self._keys
        items = torch.hstack([items, step.contrast.log_q.unsqueeze(1)])
        users = torch.hstack([users, step.contrast.query_log_q.unsqueeze(1)])
        self.items.push(step.numbers.candidates, items, step.generator(STREAM))
        self.users.push(step.numbers.query_users, users, step.generator(STREAM))

    def _found(
        self, contrast: Contrast, keys: torch.Tensor, queue: ItemQueue, known: torch.Tensor, exponent: float
    ) -> torch.Tensor:
        """Return the loss of finding each positive's key among those of the queue."""
        _, held = queue.held()
        n, more = len(keys), len(held)
        log_q = held[:, -1] + exponent * math.log(more / n)
        found = Contrast(
            contrast.queries,
            torch.vstack([keys, held[:, :-1]]),
            torch.cat([torch.full_like(log_q[:1], torch.inf).expand(n), log_q]),
            contrast.query_log_q,
            widened(contrast.positives, n, more),
            widened(known, more, n) + n,
            contrast.weights,
            contrast.temperature,
            contrast.hardest,
            contrast.seed,
        )
        return loss_of_logits(found, info_nce)

    def _known_items(self, step: Step) -> torch.Tensor:
        return entries_of(step.numbers.taken_rows, step.numbers.taken, self.items.held()[0])

    def _known_users(self, step: Step) -> torch.Tensor:
        """Return which entries of the items found by queued users join an item and a user who took it."""
        users = self.users.held()[0].cpu().numpy()
        lengths = self._histories.lengths[users]
        taken = self._histories.item_nums[positions(self._histories.indptr[users], lengths)]
        device = step.users.device
        rows = torch.from_numpy(row_numbers(lengths)).to(device)
        items = step.numbers.candidates[step.contrast.found]
        entries = entries_of(rows, torch.from_numpy(taken).long().to(device), items)
        n = len(items)
        return (entries % n * len(users) + entries // n).sort().values
