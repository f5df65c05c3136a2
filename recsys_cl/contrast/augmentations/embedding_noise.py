"""A little noise on a vector (SimGCL, Yu et al., SIGIR 2022, arXiv 2112.08679, equations 7 and 8)."""

from __future__ import annotations

import torch
from torch.nn import functional


def of_vectors(vectors: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Return vectors (n, d) moved by ``strength`` of their length, within the orthant in which they lie."""
    drawn = torch.rand(vectors.shape, generator=generator, dtype=vectors.dtype).to(vectors.device)
    lengths = vectors.detach().norm(dim=1, keepdim=True)
    moved: torch.Tensor = vectors + strength * lengths * functional.normalize(drawn) * vectors.detach().sign()
    return moved
