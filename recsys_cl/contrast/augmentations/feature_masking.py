"""Some coordinates made nought (Yao et al., CIKM 2021, arXiv 2007.12865, do so with features)."""

from __future__ import annotations

import torch


def of_vectors(vectors: torch.Tensor, strength: float, generator: torch.Generator) -> torch.Tensor:
    """Return vectors (n, d) without each coordinate with chance ``strength``, the same ones of all vectors."""
    stays = torch.rand(vectors.shape[1], generator=generator) >= strength
    return vectors * stays.to(vectors.device)
