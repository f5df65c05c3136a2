"""Row-wise Adam: the formula by hand, rows that are not used, and bias handled row by row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recsys_cl.training.row_optimizer import RowAdam


def slow_adam(start, gradients, rate, decay=0.0):
    """One row's path: Kingma and Ba's algorithm 1 with one second moment for the row, in double precision."""
    row, mean, square = start.double().numpy(), 0.0, 0.0
    for count, gradient in enumerate(np.asarray(gradients, dtype=np.float64), start=1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * np.mean(gradient**2)
        row = row * (1 - rate * decay)
        row = row - rate * (mean / (1 - 0.9**count)) / (np.sqrt(square / (1 - 0.999**count)) + 1e-8)
    return row


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_each_row_follows_adam_through_its_own_updates(decay):
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(6, 3, generator=generator)
    start, seen = table.clone(), {row: [] for row in range(6)}
    optimizer = RowAdam({"item": table}, weight_decay=decay)
    for rows in ([0, 1], [1, 4], [1], [0, 1, 4, 5], [5, 4]):
        gradient = torch.randn(len(rows), 3, generator=generator)
        optimizer.step("item", torch.tensor(rows), table[rows], gradient, 0.1)
        for row, part in zip(rows, gradient, strict=True):
            seen[row].append(part.numpy())
    for row in range(6):
        np.testing.assert_allclose(table[row], slow_adam(start[row], seen[row], 0.1, decay), rtol=1e-4, atol=1e-6)
    assert torch.equal(table[[2, 3]], start[[2, 3]])


def test_rows_of_one_number_equal_torchs_adam():
    table, weight = torch.ones(4, 1), torch.nn.Parameter(torch.ones(4, 1))
    ours, theirs = RowAdam({"t": table}, 0.0), torch.optim.Adam([weight], lr=0.05)
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        weight.grad = torch.randn(4, 1, generator=generator)
        ours.step("t", torch.arange(4), table.clone(), weight.grad, 0.05)
        theirs.step()
    torch.testing.assert_close(table, weight.detach(), rtol=1e-4, atol=1e-5)


def test_a_first_step_is_as_bold_however_late_it_comes():
    table = torch.zeros(2, 4)
    optimizer, gradient = RowAdam({"t": table}, 0.0), torch.full((1, 4), 0.3)
    optimizer.step("t", torch.tensor([0]), table[[0]], gradient, 0.1)
    first = table[0].clone()
    for _ in range(500):
        optimizer.step("t", torch.tensor([0]), table[[0]], gradient, 0.1)
    optimizer.step("t", torch.tensor([1]), table[[1]], gradient, 0.1)
    torch.testing.assert_close(table[1], first)


def test_no_gradient_no_move():
    table = torch.ones(2, 4)
    RowAdam({"t": table}, 0.0).step("t", torch.tensor([1]), table[[1]], torch.zeros(1, 4), 0.1)
    assert torch.equal(table, torch.ones(2, 4))
