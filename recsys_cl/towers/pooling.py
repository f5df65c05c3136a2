"""Sums and means of a history's rows, with a backward pass as quick as the forward one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import scipy.sparse as sp
import torch
from torch.nn import functional

from recsys_cl.towers.inputs import QueryInputs
from recsys_cl.towers.spec import Reading


class _RaggedSum(torch.autograd.Function):
    """Weighted sum of the rows that each ragged row names.

    torch's own gradient of this on the CPU adds row after row through an index and takes several times as long as
    all matrix products of a step; as a sparse matrix times a dense one it takes a tenth of that.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's own
        rows: torch.Tensor,
        members: torch.Tensor,
        offsets: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        ctx.save_for_backward(members, offsets, weights)
        ctx.n_rows = len(rows)
        return functional.embedding_bag(
            members, rows, offsets, mode="sum", per_sample_weights=weights, include_last_offset=True
        )

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:  # noqa: ANN401
        members, offsets, weights = ctx.saved_tensors
        if gradient.is_cuda:
            spread = gradient.repeat_interleave(offsets.diff(), dim=0) * weights.unsqueeze(1)
            return gradient.new_zeros(ctx.n_rows, gradient.shape[1]).index_add_(0, members, spread), None, None, None
        # Which ragged row (column) takes how much of which row: the transpose of the sum.
        taken = sp.csc_matrix((weights.numpy(), members.numpy(), offsets.numpy()), shape=(ctx.n_rows, len(gradient)))
        return torch.from_numpy(taken @ gradient.numpy()), None, None, None


def weighted_sum(
    rows: torch.Tensor, members: torch.Tensor, offsets: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Return the weighted sum of the rows that each ragged row of ``members`` names, (b, d); zeros for an empty one.

    Args:
        rows: (i, d).
        members: (h,) int64 into ``rows``, ragged row after ragged row.
        offsets: (b + 1,) int64, where the ragged rows start and end.
        weights: (h,) of the members, in the dtype of ``rows``; takes no gradient.
    """
    sums: torch.Tensor = _RaggedSum.apply(rows, members, offsets, weights)  # type: ignore[no-untyped-call]  # torch has no types
    return sums


def age_weights(inputs: QueryInputs, exponent: float) -> torch.Tensor:
    """Return age^-``exponent`` for each member of the histories, (h,); the newest of each is of age 1."""
    lengths = inputs.offsets.diff()
    ages = inputs.offsets[1:].repeat_interleave(lengths) - torch.arange(len(inputs.history), device=lengths.device)
    return ages.to(inputs.history_rows.dtype).pow(-exponent)


def pooled(rows: torch.Tensor, members: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """Return the mean row of each ragged row of ``members``, (b, d); zeros for an empty one.

    Args:
        rows: (i, d).
        members: (h,) int64 into ``rows``, ragged row after ragged row.
        offsets: (b + 1,) int64, where the ragged rows start and end.
    """
    sums = weighted_sum(rows, members, offsets, rows.new_ones(len(members)))
    return sums / offsets.diff().clamp(min=1).unsqueeze(1)


def read(rows: torch.Tensor, inputs: QueryInputs, readings: Sequence[Reading]) -> torch.Tensor:
    """Return what readings of the histories give, side by side, (b, d); zeros where a history is empty.

    Args:
        rows: (i, d) in place of ``inputs.history_rows``, with the columns of all readings.
        inputs: the histories.
        readings: in columns of their own; each is the mean of the directions that its powers of age give.
    """
    tables = torch.split(rows, [one.embedding_dim for one in readings], dim=1)
    return torch.hstack([_read(table.contiguous(), inputs, one) for table, one in zip(tables, readings, strict=True)])


def _read(rows: torch.Tensor, inputs: QueryInputs, reading: Reading) -> torch.Tensor:
    weights = (age_weights(inputs, exponent) for exponent in reading.age_exponents)
    sums = [functional.normalize(weighted_sum(rows, inputs.history, inputs.offsets, one)) for one in weights]
    return torch.stack(sums).mean(0)
