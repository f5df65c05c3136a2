"""Any loss that is a function of scores, a block of queries at a time, and on all cores.

The (b, n) matrix of scores is never held as a whole: each block is scored, given to the loss, and its gradient turned
at once into those of the vectors. Scores are exact, for not every loss bears rounding; the products that make gradients
of vectors from those of scores are rounded to `quick_dtype`. `softmax` does the same for the one loss that is worth
writing its gradient by hand.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from recsys_cl.contrast import cores
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.precision import product, quick, quick_width
from recsys_cl.contrast.scored import Scored

PureLoss = Callable[[Scored], torch.Tensor]
"""Gives the loss of each positive, (p,), in which only ``positive`` and ``negative`` take gradients."""

_BLOCK_SCORES = 1 << 20  # scores of a block: of 2^19 to 2^22 the quickest for most losses
_BLOCK_SCORES_CUDA = 1 << 25


def loss_of_scores(contrast: Contrast, loss: PureLoss) -> torch.Tensor:
    """Return the weighted mean over positives, (), of a loss of similarities as they are."""
    ones = torch.ones_like(contrast.queries[:, :1])
    return _blocked(contrast, loss, contrast.queries, None, ones)


def loss_of_logits(contrast: Contrast, loss: PureLoss) -> torch.Tensor:
    """Return the weighted mean over positives, (), of a loss of logits.

    Logits are similarities over the temperature; those of negatives are corrected by log q, as in
    `transforms.corrected_for_log_q`, so that sums over negatives estimate sums over the catalogue.
    """
    temperature = contrast.temperature.expand(len(contrast.queries), 1)
    return _blocked(contrast, loss, contrast.queries / temperature, contrast.log_q, temperature.detach())


def _blocked(
    contrast: Contrast, loss: PureLoss, queries: torch.Tensor, shift: torch.Tensor | None, temperature: torch.Tensor
) -> torch.Tensor:
    value: torch.Tensor = _BlockedLoss.apply(queries, contrast.candidates, contrast, loss, shift, temperature)  # type: ignore[no-untyped-call]  # torch types it so
    return value


class _BlockedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own
        queries: torch.Tensor,
        candidates: torch.Tensor,
        contrast: Contrast,
        loss: PureLoss,
        shift: torch.Tensor | None,
        temperature: torch.Tensor,
    ) -> torch.Tensor:
        n, hands, width = len(candidates), cores.shares(), quick_width(len(candidates), queries)
        quick_queries, quick_candidates = quick(queries, len(queries)), quick(candidates, width)
        never = contrast.log_q == torch.inf
        unused = [never] if never.any() else []
        most = _BLOCK_SCORES_CUDA if queries.is_cuda else _BLOCK_SCORES
        bounds = cores.even_bounds(len(queries), most // max(n, 1))
        edges = torch.tensor(bounds, device=queries.device) * n
        masked, right = (
            torch.searchsorted(entries, edges).tolist() for entries in (contrast.known, contrast.positives)
        )
        query_gradient = torch.zeros_like(queries)

        def learn_from(number: int) -> tuple[torch.Tensor, torch.Tensor]:
            """Return the loss of one block of rows and the gradient of the candidates; set that of the queries."""
            start, stop = bounds[number : number + 2]
            its = slice(right[number], right[number + 1])
            entries = contrast.positives[its] - start * n
            known = contrast.known[masked[number] : masked[number + 1]] - start * n
            scores = product(queries[start:stop], candidates.T)
            positive = scores.view(-1)[entries].requires_grad_()
            taken = torch.cat([entries, known])
            scores.view(-1).index_fill_(0, taken, -torch.inf)
            absent = [*unused, _easy(scores, never, contrast.hardest)] if 0 < contrast.hardest < n else unused
            for mask in absent:
                scores.masked_fill_(mask, -torch.inf)
            negative = (scores if shift is None else scores.sub_(shift)).requires_grad_()
            with torch.enable_grad():
                place = contrast.rows[its] - start, contrast.columns[its], its
                given = Scored(positive, *place, negative, contrast.log_q, temperature[start:stop])
                value = loss(given) @ contrast.shares[its]
                leaves = torch.autograd.grad(value, (positive, negative), allow_unused=True, materialize_grads=True)
            gradient = leaves[1]  # where there is no negative it may be anything, nan too
            for mask in absent:
                gradient.masked_fill_(mask, 0.0)
            gradient.view(-1).index_fill_(0, taken, 0.0).index_add_(0, entries, leaves[0])
            rounded = _widened(gradient.to(quick_candidates.dtype), width)
            query_gradient[start:stop] = product(rounded, quick_candidates)
            return value.detach(), product(rounded.T, quick_queries[start:stop])[:n]

        def learn_from_some(first: int) -> tuple[torch.Tensor, torch.Tensor]:
            total, gradient = queries.new_zeros(()), torch.zeros_like(candidates)
            for number in range(first, len(bounds) - 1, hands):
                value, more = learn_from(number)
                total += value
                gradient += more
            return total, gradient

        with torch.autocast(queries.device.type, enabled=False):  # not every loss bears rounding
            parts = cores.each(learn_from_some, range(hands))
        ctx.save_for_backward(query_gradient, functools.reduce(torch.add, (part[1] for part in parts)))
        return functools.reduce(torch.add, (part[0] for part in parts))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        query_gradient, candidate_gradient = ctx.saved_tensors
        return gradient * query_gradient, gradient * candidate_gradient, None, None, None, None


def _easy(scores: torch.Tensor, never: torch.Tensor, hardest: int) -> torch.Tensor:
    """Return which scores (r, n) are not among the ``hardest`` negatives of their row."""
    ranked = scores.masked_fill(never, -torch.inf)
    return ranked < ranked.topk(hardest, sorted=True).values[:, -1:]


def _widened(scores: torch.Tensor, width: int) -> torch.Tensor:
    """Return scores with columns of nought up to ``width``; `functional.pad` would copy them even if there are none."""
    more = width - scores.shape[1]
    return functional.pad(scores, (0, more)) if more else scores
