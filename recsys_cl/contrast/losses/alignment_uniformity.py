"""Alignment and uniformity, DirectAU (Wang and Isola, ICML 2020; Wang et al., KDD 2022, arXiv 2206.12811)."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch.nn import functional

from recsys_cl.contrast.contrast import Contrast
from recsys_cl.settings import Search, Settings

NEEDS_PRODUCT = True
TAKES_BIAS = False
USES_TEMPERATURE = False
USES_NEGATIVES = False
_MOST = 2048  # vectors whose pairs are looked at in a step, drawn if there are more


class Config(Settings):
    """What spreading counts beside coming together."""

    uniformity_weight: Annotated[float, Search(0.1, 5.0, log=True)] = Field(
        1.0, ge=0, description="weight of uniformity, the mean of users' and items'"
    )


def alignment(left: torch.Tensor, right: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """Return the mean squared distance of pairs of vectors of length one, (p, d) each, (); ``shares`` adds up to 1."""
    return (left - right).square().sum(1) @ shares


def uniformity(vectors: torch.Tensor) -> torch.Tensor:
    """Return log of the mean of e^(-2 |x - y|^2) over pairs of different vectors of length one, (n, d), ().

    It is nought where there is no pair.
    """
    if len(vectors) < 2:
        return vectors.new_zeros(())
    pairs = len(vectors) * (len(vectors) - 1)
    products = 4 * (vectors @ vectors.T - 1)  # |x - y|^2 = 2 - 2 x.y
    products = products.masked_fill(torch.eye(len(vectors), dtype=torch.bool, device=vectors.device), -torch.inf)
    return products.flatten().logsumexp(0) - math.log(pairs)


def loss(contrast: Contrast, config: Config) -> torch.Tensor:
    """Return alignment of positives and uniformity of the batch's users and of its positives, weighed; no negatives."""
    users, items = functional.normalize(contrast.queries), functional.normalize(contrast.candidates)
    asking, found = (_some(torch.unique(numbers), contrast.seed) for numbers in (contrast.rows, contrast.columns))
    spread = (uniformity(users[asking]) + uniformity(items[found])) / 2
    return alignment(users[contrast.rows], items[contrast.columns], contrast.shares) + config.uniformity_weight * spread


def _some(numbers: torch.Tensor, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return numbers[torch.randperm(len(numbers), generator=generator)[:_MOST].to(numbers.device)]
