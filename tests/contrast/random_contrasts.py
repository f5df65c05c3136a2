"""Small contrasts of random vectors, and which of their entries are what."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from hypothesis import strategies as st

from recsys_cl.contrast.contrast import Contrast
from recsys_cl.towers.similarities import euclidean

NONE = torch.empty(0, dtype=torch.int64)


def some_contrast(
    rows=4,
    columns=7,
    *,
    positives=None,
    known=(),
    seed=0,
    temperature=0.5,
    distances=False,
    dtype=torch.float64,
    **changes,
):
    """Give vectors of four numbers, or with ``distances`` such whose inner products are negative squared distances.

    The positive of a row stands in its own column, unless flat ``positives`` are named.
    """
    generator = torch.Generator().manual_seed(seed)
    entries = torch.tensor(
        [row * (columns + 1) for row in range(rows)] if positives is None else sorted(positives), dtype=torch.int64
    )
    queries, candidates = (torch.randn(n, 4, generator=generator, dtype=dtype) for n in (rows, columns))
    if distances:
        queries, candidates = euclidean.queries(queries), euclidean.candidates(candidates)
    log_q, query_log_q = (torch.randn(n, generator=generator, dtype=dtype) / 2 for n in (columns, rows))
    weights = torch.rand(len(entries), generator=generator, dtype=dtype) + 0.5
    made = Contrast(
        queries.requires_grad_(),
        candidates.requires_grad_(),
        log_q,
        query_log_q,
        entries,
        torch.tensor(sorted(known), dtype=torch.int64),
        weights,
        torch.as_tensor(temperature, dtype=dtype),
        seed=seed,
    )
    return replace(made, **changes)


def in_one_dimension(positive, negatives, log_q, *, dtype=torch.float64, **changes):
    """Give one query that scores as told with one positive, in the first column, and negatives."""
    given = Contrast(
        torch.ones(1, 1, dtype=dtype).requires_grad_(),
        torch.tensor([[positive], *([one] for one in negatives)], dtype=dtype).requires_grad_(),
        torch.tensor(log_q, dtype=dtype),
        torch.zeros(1, dtype=dtype),
        torch.tensor([0]),
        NONE,
        torch.ones(1, dtype=dtype),
        torch.tensor(1.0, dtype=dtype),
    )
    return replace(given, **changes)


@st.composite
def masks(draw, rows, columns):
    """Draw which flat entries are positives, and which others are known; there may be none of either."""
    kinds = draw(st.text("pknn", min_size=rows * columns, max_size=rows * columns))
    return [[entry for entry, kind in enumerate(kinds) if kind == wanted] for wanted in "pk"]


@dataclass
class Asked:
    """One query in plain numbers.

    Attributes:
        positives: its positives' similarities.
        weights: theirs.
        own: how often each positive's column is expected among negatives, so that 1 / own items stand for it.
        negatives: similarity of each negative, and how often it is expected.
        temperature: of the query.
    """

    positives: list[float]
    weights: list[float]
    own: list[float]
    negatives: list[tuple[float, float]]
    temperature: float


def asked(contrast):
    """Return each query of a contrast, entry by entry, in plain Python."""
    columns, positives, known = len(contrast.candidates), contrast.positives.tolist(), contrast.known.tolist()
    expected = [math.exp(float(value)) for value in contrast.log_q]
    weights = dict(zip(positives, contrast.weights.tolist(), strict=True))
    found = []
    for row, query in enumerate(contrast.queries.detach().tolist()):
        temperature = contrast.temperature.detach().flatten().tolist()
        one = Asked([], [], [], [], temperature[row % len(temperature)])
        for column, candidate in enumerate(contrast.candidates.detach().tolist()):
            entry, score = row * columns + column, sum(a * b for a, b in zip(query, candidate, strict=True))
            if entry in weights:
                one.positives.append(score)
                one.weights.append(weights[entry])
                one.own.append(expected[column])
            elif entry not in known and expected[column] < math.inf:
                one.negatives.append((score, expected[column]))
        if contrast.hardest:
            one.negatives = sorted(one.negatives, reverse=True)[: contrast.hardest]
        found.append(one)
    return found
