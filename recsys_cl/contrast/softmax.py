"""The softmax loss of a batch and its gradient in one pass, a block of rows at a time.

The same as chaining `transforms` and a cross-entropy, without ever holding a (b, n) matrix: each block of logits is
made, normalised and turned into its share of the gradient while it is warm, which leaves little to pay beside the
three matrix products.
"""

from __future__ import annotations

from typing import Any

import torch

_BLOCK_BYTES = {"cpu": 4 << 20, "cuda": 512 << 20}  # of logits held at a time


class _SoftmaxLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own
        queries: torch.Tensor,
        candidates: torch.Tensor,
        shift: torch.Tensor,
        known: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        shares = weights / weights.sum()
        query_gradient = torch.empty_like(queries)
        candidate_gradient = torch.zeros_like(candidates)
        losses = torch.empty_like(weights)
        bounds = _row_blocks(len(queries), len(candidates), queries)
        cuts = torch.searchsorted(known, torch.tensor(bounds, device=known.device) * len(candidates)).tolist()
        for start, stop, low, high in zip(bounds, bounds[1:], cuts, cuts[1:], strict=False):
            block = queries[start:stop]
            scores = (block @ candidates.T).to(queries.dtype)
            positives = scores.diagonal(start)
            kept = positives.clone()
            scores -= shift
            positives.copy_(kept)
            scores.view(-1).index_fill_(0, known[low:high] - start * len(candidates), float("-inf"))
            best = scores.amax(1)
            torch.softmax(scores, 1, out=scores)
            losses[start:stop] = best - scores.amax(1).log() - kept  # the best one's probability never underflows
            positives -= 1
            scores *= shares[start:stop].unsqueeze(1)
            query_gradient[start:stop] = scores @ candidates
            candidate_gradient += scores.T @ block
        ctx.save_for_backward(query_gradient, candidate_gradient)
        return losses @ shares

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        query_gradient, candidate_gradient = ctx.saved_tensors
        return gradient * query_gradient, gradient * candidate_gradient, None, None, None


def softmax_loss(
    queries: torch.Tensor,
    candidates: torch.Tensor,
    *,
    shift: torch.Tensor,
    known: torch.Tensor,
    weights: torch.Tensor,
) -> torch.Tensor:
    """Return the weighted mean of -log softmax of each query's positive among its candidates.

    Args:
        queries: (b, d), already divided by the temperature.
        candidates: (n, d), the positive of query r in row r, further negatives after the b positives.
        shift: (n,) subtracted from the scores of a column where it is a negative; takes no gradient.
        known: (m,) int64 entries ``row * n + column``, rising in row, that are no negatives.
        weights: (b,) of the queries; takes no gradient.

    Returns:
        () in the dtype of the queries. Its gradient is there after one backward pass, and can't be taken twice.
    """
    loss: torch.Tensor = _SoftmaxLoss.apply(queries, candidates, shift, known, weights)  # type: ignore[no-untyped-call]  # torch types it so
    return loss


def _row_blocks(rows: int, columns: int, like: torch.Tensor) -> list[int]:
    budget = _BLOCK_BYTES["cuda" if like.is_cuda else "cpu"]
    step = max(1, budget // (columns * like.element_size()))
    return [*range(0, rows, step), rows]
