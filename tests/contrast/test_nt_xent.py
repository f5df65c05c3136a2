"""NT-Xent against a loop from the paper's equation 1, and by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.contrast.nt_xent import nt_xent


def views(n, seed=0, dim=3):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n, dim, generator=generator).double().requires_grad_() for _ in range(2)]


def slow(left, right, temperature, groups):
    """Return the mean of l(i, j) over both orders of every pair, views of one group being no negatives."""
    n, both = len(left), [*left.tolist(), *right.tolist()]

    def likeness(i, j):
        lengths = math.hypot(*both[i]) * math.hypot(*both[j])
        return math.exp(sum(x * y for x, y in zip(both[i], both[j], strict=True)) / lengths / temperature)

    total = 0.0
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        others = [k for k in range(2 * n) if k != i and groups[k % n] != groups[i % n]]
        total -= math.log(likeness(i, j) / (likeness(i, j) + sum(likeness(i, k) for k in others)))
    return total / (2 * n)


@given(
    groups=st.lists(st.integers(0, 4), min_size=1, max_size=7),
    temperature=st.sampled_from([0.1, 0.5, 2.0]),
    seed=st.integers(0, 99),
)
@settings(max_examples=40)
def test_equals_the_equation(groups, temperature, seed):
    left, right = views(len(groups), seed)
    found = nt_xent(left, right, temperature, torch.tensor(groups))
    assert found.item() == pytest.approx(slow(left, right, temperature, groups), rel=1e-9)
    assert all(torch.isfinite(one).all() for one in torch.autograd.grad(found, (left, right)))


def test_by_hand():
    # Two things whose views are the same, at a right angle to each other: e / (e + 2) is the twin's share of a view's.
    both = torch.tensor([[3.0, 0.0], [0.0, 0.5]])
    assert nt_xent(both, both, 1.0, torch.arange(2)).item() == pytest.approx(-math.log(math.e / (math.e + 2)))
    assert nt_xent(both, both, 1.0, torch.zeros(2)).item() == 0  # of one group: nothing to tell apart
    swapped = both.flip(0)
    assert nt_xent(both, swapped, 1.0, torch.arange(2)).item() == pytest.approx(math.log(1 + 1 + math.e))


def test_gradients_are_those_of_finite_differences():
    groups = torch.tensor([0, 1, 1, 2])
    assert torch.autograd.gradcheck(lambda left, right: nt_xent(left, right, 0.3, groups), views(4))


def test_order_and_side_do_not_matter():
    left, right = views(6)
    groups, order = torch.tensor([0, 1, 2, 2, 3, 4]), torch.tensor([3, 1, 5, 0, 2, 4])
    loss = nt_xent(left, right, 0.2, groups)
    torch.testing.assert_close(nt_xent(right, left, 0.2, groups), loss)
    torch.testing.assert_close(nt_xent(left[order], right[order], 0.2, groups[order]), loss)


def test_things_of_one_group_do_not_push_each_other():
    left, right = views(3)
    loss = nt_xent(left, right, 0.5, torch.tensor([7, 7, 7]))
    assert all((one == 0).all() for one in torch.autograd.grad(loss, (left, right)))


def test_zeros_and_low_temperatures_stay_finite():
    for left, right in (views(5), (torch.zeros(5, 3).requires_grad_(), torch.zeros(5, 3).requires_grad_())):
        for temperature in (1e-3, 1e3):
            loss = nt_xent(left, right, temperature, torch.arange(5))
            found = [loss, *torch.autograd.grad(loss, (left, right))]
            assert all(torch.isfinite(one).all() for one in found)
