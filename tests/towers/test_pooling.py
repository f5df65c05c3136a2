"""Pooling against a plain loop and autograd, and its gradient against finite differences."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.towers.pooling import pooled, weighted_sum

RAGGED = st.lists(st.lists(st.integers(0, 4), max_size=6), min_size=1, max_size=5)


def laid_out(ragged):
    members = torch.tensor([item for row in ragged for item in row], dtype=torch.int64)
    return members, torch.tensor([0, *torch.tensor([len(row) for row in ragged]).cumsum(0).tolist()])


def rows():
    return torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()


def weights(ragged):
    count = sum(map(len, ragged))
    return torch.randn(count, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def slow_sum(table, ragged):
    left = iter(weights(ragged))
    nothing = torch.zeros(3, dtype=torch.float64)
    return torch.stack([sum((next(left) * table[item] for item in row), nothing) for row in ragged])


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


@given(RAGGED)
def test_a_weighted_sum_and_its_gradient_are_those_of_a_loop(ragged):
    ours, theirs = rows(), rows()
    found, expected = weighted_sum(ours, *laid_out(ragged), weights(ragged)), slow_sum(theirs, ragged)
    torch.testing.assert_close(found, expected)
    onward = torch.arange(found.numel(), dtype=torch.float64).view_as(found) - 4
    found.backward(onward)
    if expected.requires_grad:
        expected.backward(onward)
    torch.testing.assert_close(ours.grad, torch.zeros(5, 3).double() if theirs.grad is None else theirs.grad)


@given(RAGGED)
def test_the_gradient_of_a_weighted_sum_is_that_of_finite_differences(ragged):
    members, offsets = laid_out(ragged)
    assert torch.autograd.gradcheck(lambda table: weighted_sum(table, members, offsets, weights(ragged)), rows())


def test_single_precision_stays_single_through_both_passes():
    table = rows().detach().float().requires_grad_()
    found = weighted_sum(table, *laid_out([[0, 0, 3], []]), torch.tensor([1.0, 0.5, 2.0]))
    found.sum().backward()
    assert found.dtype == table.grad.dtype == torch.float32
    assert table.grad.tolist() == [[1.5] * 3, [0.0] * 3, [0.0] * 3, [2.0] * 3, [0.0] * 3]
