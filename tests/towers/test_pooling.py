"""Pooling against a plain loop, and its gradient against finite differences."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.towers.pooling import pooled

RAGGED = st.lists(st.lists(st.integers(0, 4), max_size=6), min_size=1, max_size=5)


def laid_out(ragged):
    members = torch.tensor([item for row in ragged for item in row], dtype=torch.int64)
    return members, torch.tensor([0, *torch.tensor([len(row) for row in ragged]).cumsum(0).tolist()])


def rows():
    return torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()


@given(RAGGED)
def test_each_row_is_the_mean_of_what_it_names(ragged):
    table = rows()
    expected = [
        sum((table[item] for item in row), torch.zeros(3, dtype=torch.float64)) / max(len(row), 1) for row in ragged
    ]
    torch.testing.assert_close(pooled(table, *laid_out(ragged)), torch.stack(expected))


@given(RAGGED)
def test_the_gradient_is_that_of_finite_differences(ragged):
    members, offsets = laid_out(ragged)
    assert torch.autograd.gradcheck(lambda table: pooled(table, members, offsets), rows())
