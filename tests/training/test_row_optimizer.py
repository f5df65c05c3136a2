"""Adam row by row: what dense Adam does, at the cost of the rows that are used."""

from __future__ import annotations

import pytest
import torch

from recsys_cl.training.row_optimizer import RowAdam

RATE = 0.05


def start(rows=6, dim=3):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(0))


def theirs(table, rate=RATE, decay=0.0):
    weight = torch.nn.Parameter(table.clone())
    return weight, torch.optim.AdamW([weight], lr=rate, betas=(0.9, 0.99), eps=1e-8, weight_decay=decay)


def take_step(ours, rows, gradient, rate=RATE):
    """Do what a step of training does with the rows of a table."""
    ours.step("t", ours.current("t", rows, rate), gradient, rate)


def dense(rows, gradient, n_rows=6):
    return torch.zeros(n_rows, gradient.shape[1]).index_copy(0, rows, gradient)


def some_rows(draw, n_rows=6):
    return torch.nonzero(torch.rand(n_rows, generator=draw) < 0.4).flatten()


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_with_all_rows_in_each_step_it_is_torchs_adam(decay):
    table = start()
    weight, optimizer = theirs(table, decay=decay)
    ours, draw = RowAdam({"t": table}, decay), torch.Generator().manual_seed(1)
    for step in range(30):
        weight.grad = torch.randn(6, 3, generator=draw)
        optimizer.param_groups[0]["lr"] = rate = RATE / (1 + step)
        take_step(ours, torch.arange(6), weight.grad, rate)
        optimizer.step()
        torch.testing.assert_close(table, weight.detach(), rtol=1e-5, atol=1e-6)


def test_a_row_that_is_left_alone_goes_on_as_in_dense_adam():
    # After a long start-up, so that its corrections stand still; the gradient of the row is zero from then on.
    table = start()
    weight, optimizer = theirs(table)
    ours, draw = RowAdam({"t": table}, 0.0), torch.Generator().manual_seed(1)
    for _ in range(1000):
        weight.grad = torch.randn(6, 3, generator=draw)
        take_step(ours, torch.arange(6), weight.grad)
        optimizer.step()
    before, others = table[0].clone(), torch.arange(1, 6)
    for _ in range(25):
        gradient = torch.randn(5, 3, generator=draw)
        weight.grad = dense(others, gradient)
        take_step(ours, others, gradient)
        optimizer.step()
    assert torch.equal(table[0], before)  # nothing is done until it is used
    way = (weight.detach()[0] - before).abs().max().item()
    assert way > RATE  # more than one step was missed
    ours.catch_up(RATE)
    torch.testing.assert_close(table[0], weight.detach()[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.means["t"][0], optimizer.state[weight]["exp_avg"][0], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(ours.squares["t"][0], optimizer.state[weight]["exp_avg_sq"][0], rtol=1e-4, atol=1e-7)


def test_sparse_rows_caught_up_are_those_of_dense_adam():
    table = start()
    weight, optimizer = theirs(table)
    ours, draw = RowAdam({"t": table}, 0.0), torch.Generator().manual_seed(2)
    for step in range(1200):
        # All rows while the start-up corrections change, some from then on.
        rows = torch.arange(6) if step < 900 else some_rows(draw)
        gradient = torch.randn(len(rows), 3, generator=draw)
        weight.grad = dense(rows, gradient)
        take_step(ours, rows, gradient)
        optimizer.step()
    assert not torch.allclose(table, weight.detach(), rtol=0, atol=1e-3)
    ours.catch_up(RATE)
    torch.testing.assert_close(table, weight.detach(), rtol=0, atol=1e-3)


def test_caught_up_in_two_goes_is_caught_up_in_one():
    once, twice = (RowAdam({"t": start()}, 0.0) for _ in range(2))
    for ours in (once, twice):
        ours.steps["t"] += 5000  # so late that the start-up corrections stand still
        ours.counts["t"] += 5000
        take_step(ours, torch.arange(6), start() - 0.3)
        for step in range(8):
            if ours is twice and step in {3, 5}:
                ours.catch_up(RATE)
            take_step(ours, torch.tensor([5]), torch.zeros(1, 3))
        ours.catch_up(RATE)
    assert (once.tables["t"] != start()).all()
    torch.testing.assert_close(twice.tables["t"], once.tables["t"])
    torch.testing.assert_close(twice.means["t"], once.means["t"])
    torch.testing.assert_close(twice.squares["t"], once.squares["t"])


def test_once_caught_up_there_is_nothing_to_catch_up_with():
    table = start()
    ours = RowAdam({"t": table}, 0.0)
    take_step(ours, torch.arange(6), torch.ones(6, 3))
    take_step(ours, torch.tensor([1]), torch.ones(1, 3))
    ours.catch_up(RATE)
    held = {name: tensor.clone() for name, tensor in (ours.state() | {"table": table}).items()}
    ours.catch_up(RATE)
    for name, tensor in (ours.state() | {"table": table}).items():
        assert torch.equal(tensor, held[name]), name


def test_rows_that_never_had_a_gradient_stay_where_they_are():
    table = start()
    ours = RowAdam({"t": table}, 0.0)
    for _ in range(3):
        take_step(ours, torch.tensor([1, 4]), torch.ones(2, 3))
    ours.catch_up(RATE)
    assert torch.equal(table[[0, 2, 3, 5]], start()[[0, 2, 3, 5]])
    assert (table[[1, 4]] != start()[[1, 4]]).all()


def test_no_gradient_no_move():
    table = torch.ones(2, 4)
    take_step(RowAdam({"t": table}, 0.0), torch.tensor([1]), torch.zeros(1, 4))
    assert torch.equal(table, torch.ones(2, 4))


def test_weight_decay_shrinks_the_rows_of_a_step_alone():
    table = torch.ones(2, 4)
    take_step(RowAdam({"t": table}, 0.5), torch.tensor([1]), torch.zeros(1, 4))
    torch.testing.assert_close(table, torch.tensor([[1.0] * 4, [1 - RATE * 0.5] * 4]))


def test_from_its_state_it_goes_on_exactly():
    def run(ours, steps):
        draw = torch.Generator()
        for step in steps:
            rows = some_rows(draw.manual_seed(step))
            take_step(ours, rows, torch.randn(len(rows), 3, generator=draw))

    whole, first = RowAdam({"t": start()}, 0.01), RowAdam({"t": start()}, 0.01)
    run(whole, range(40))
    run(first, range(17))
    second = RowAdam({"t": first.tables["t"].clone()}, 0.01)
    for name, tensor in second.state().items():
        tensor.copy_(first.state()[name])
    run(second, range(17, 40))
    for ours in (whole, second):
        ours.catch_up(RATE)
    assert torch.equal(second.tables["t"], whole.tables["t"])
    for name, tensor in second.state().items():
        assert torch.equal(tensor, whole.state()[name]), name


def test_each_table_counts_its_own_steps():
    ours = RowAdam({"a": torch.ones(2, 3), "b": torch.ones(2, 3)}, 0.0)
    rows = torch.tensor([0])
    for _ in range(4):
        ours.step("a", ours.current("a", rows, RATE), torch.ones(1, 3), RATE)
    ours.catch_up(RATE)
    assert torch.equal(ours.tables["b"], torch.ones(2, 3))
    assert {name: int(steps) for name, steps in ours.steps.items()} == {"a": 4, "b": 0}
