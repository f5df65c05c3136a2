"""The softmax loss of a batch and its gradient in one pass, a block of rows at a time.

The same as chaining `transforms` and a cross-entropy, without ever holding a (b, n) matrix: each block of logits is
made, normalised and turned into its share of the gradient while it is warm, which leaves little to pay beside the
three matrix products. What is multiplied is rounded to `quick_dtype`; sums, exponentials and the loss are not.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch.nn import functional

from recsys_cl.contrast import cores
from recsys_cl.contrast.precision import product, quick, quick_dtype_for, quick_width

_BLOCK_BYTES = {"cpu": 16 << 20, "cuda": 512 << 20}  # of logits that a core holds at a time


class _SoftmaxLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own
        queries: torch.Tensor,
        candidates: torch.Tensor,
        shift: torch.Tensor,
        positives: torch.Tensor,
        known: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        n, dtype = len(candidates), quick_dtype_for(queries)
        width = quick_width(n, queries)
        quick_candidates = quick(candidates, width)
        shift = functional.pad(shift, (0, width - n), value=float("inf"))  # nobody's candidates are never taken
        shares = weights / weights.sum()
        rows = positives // n
        positives, known = (entries + entries // n * (width - n) for entries in (positives, known))
        row_shares = torch.zeros_like(queries[:, 0]).index_add_(0, rows, shares)
        query_gradient = torch.empty_like(queries)
        losses = torch.empty_like(weights)
        budget = _BLOCK_BYTES["cuda" if queries.is_cuda else "cpu"]
        bounds = cores.even_bounds(len(queries), budget // (width * queries.element_size()))
        edges = torch.tensor(bounds, device=known.device) * width
        masked, right = (torch.searchsorted(entries, edges).tolist() for entries in (known, positives))

        def learn_from(number: int) -> torch.Tensor:
            """Set losses and gradients of one block of rows; return the gradient of the candidates."""
            start, stop = bounds[number : number + 2]
            its = slice(right[number], right[number + 1])
            entries, row = positives[its] - start * width, rows[its] - start
            block = queries[start:stop]
            scores = product(block.to(dtype), quick_candidates.T).to(queries.dtype)
            flat = scores.view(-1)
            kept = flat[entries]
            scores -= shift
            flat.index_copy_(0, entries, kept)
            flat.index_fill_(0, known[masked[number] : masked[number + 1]] - start * width, float("-inf"))
            best = scores.amax(1)
            torch.softmax(scores, 1, out=scores)
            log_sums = best - scores.amax(1).log()  # the best one's probability never underflows
            losses[its] = log_sums[row] - kept
            share = row_shares[start:stop]
            if (idle := share == 0).any():
                scores[idle] = 0  # a query without a positive, of which nothing else may be left either
            flat.index_add_(0, entries, -shares[its] / share[row])
            rounded, weighed = scores.to(dtype), (block * share.unsqueeze(1)).to(dtype)
            query_gradient[start:stop] = product(rounded, quick_candidates).to(queries.dtype) * share.unsqueeze(1)
            return product(rounded.T, weighed)[:n]

        def learn_from_some(first: int) -> torch.Tensor:
            gradient = torch.zeros_like(candidates)
            for number in range(first, len(bounds) - 1, hands):
                gradient += learn_from(number)
            return gradient

        hands = cores.shares()
        candidate_gradient = functools.reduce(torch.Tensor.add_, cores.each(learn_from_some, range(hands)))
        ctx.save_for_backward(query_gradient, candidate_gradient)
        return losses @ shares

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        query_gradient, candidate_gradient = ctx.saved_tensors
        return gradient * query_gradient, gradient * candidate_gradient, None, None, None, None


def softmax_loss(
    queries: torch.Tensor,
    candidates: torch.Tensor,
    *,
    shift: torch.Tensor,
    positives: torch.Tensor,
    known: torch.Tensor,
    weights: torch.Tensor,
) -> torch.Tensor:
    """Return the weighted mean over positives of -log softmax among the candidates of their query.

    Args:
        queries: (b, d), already divided by the temperature.
        candidates: (n, d).
        shift: (n,) subtracted from the scores of a column where it is a negative; takes no gradient.
        positives: (p,) int64 entries ``row * n + column``, rising. A query's positives all stand in its denominator.
        known: (m,) int64 such entries, rising in row, that are no negatives.
        weights: (p,) of the positives; takes no gradient.

    Returns:
        () in the dtype of the queries. Its gradient is there after one backward pass, and can't be taken twice.
    """
    loss: torch.Tensor = _SoftmaxLoss.apply(queries, candidates, shift, positives, known, weights)  # type: ignore[no-untyped-call]  # torch types it so
    return loss
