"""A first-in-first-out queue of encoded items, as in MoCo (He et al., CVPR 2020) and CBNS (Wang et al. 2021)."""

from __future__ import annotations

import torch
from torch import nn

from recsys_cl.errors import ConfigError

STREAM = 3  # of the draws of a step, for all queues


class ItemQueue(nn.Module):
    """The items that were encoded last, with the vectors they had then.

    Args:
        size: items held at most.
        dim: length of a vector.
    """

    vectors: torch.Tensor
    items: torch.Tensor
    filled: torch.Tensor
    place: torch.Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(size, dim))
        self.register_buffer("items", torch.full((size,), -1))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def held(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return item numbers (m,) int64 and vectors (m, d) of what is held; m is the size once it is full."""
        count = int(self.filled)
        return self.items[:count], self.vectors[:count]

    @torch.no_grad()
    def push(self, items: torch.Tensor, vectors: torch.Tensor, generator: torch.Generator) -> None:
        """Take in items (n,) and their vectors (n, d), some of them where they are too many; the oldest go.

        Those of a batch come in an order that is drawn by ``generator``, or it would be the lowest numbers of the
        oldest batch, say, that are gone while others of it are held.
        """
        size = len(self.items)
        order = torch.randperm(len(items), generator=generator)[:size].to(items.device)
        items, vectors = items[order], vectors[order]
        places = (int(self.place) + torch.arange(len(items), device=items.device)) % size
        self.items[places] = items
        self.vectors[places] = vectors.detach().to(self.vectors.dtype)
        self.place.copy_((self.place + len(items)) % size)
        self.filled.copy_((self.filled + len(items)).clamp(max=size))


def require_room(queue_size: int, batch_size: int, setting: str) -> None:
    """Raise `ConfigError` where a queue is smaller than a batch."""
    if queue_size < batch_size:
        raise ConfigError(
            f"A queue of {queue_size:,} does not hold a batch of {batch_size:,}; raise {setting} or lower --batch-size."
        )
