"""Work shared out among the cores: the same results, and nothing left behind."""

from __future__ import annotations

import threading

import pytest
import torch
from threadpoolctl import threadpool_info

from recsys_cl.contrast import cores, precision, softmax

CPU = torch.device("cpu")


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_within_it_operations_have_one_thread_and_shares_are_as_many_as_threads_were(three_threads):
    before = blas_threads()
    with cores.one_thread_each(CPU):
        assert (torch.get_num_threads(), cores.shares()) == (1, 3)
        assert blas_threads() <= {1}
    assert (torch.get_num_threads(), cores.shares()) == (3, 1)
    assert blas_threads() == before


def test_an_error_leaves_nothing_behind(three_threads):
    with pytest.raises(ZeroDivisionError), cores.one_thread_each(CPU):
        cores.each(lambda number: 1 / number, [1, 0])
    assert (torch.get_num_threads(), cores.shares()) == (3, 1)


def test_things_are_worked_on_at_once_and_answers_keep_their_order(three_threads):
    together = threading.Barrier(3, timeout=20)  # passes only if three wait at once

    def wait(thing):
        together.wait()
        return thing, torch.is_grad_enabled()

    with cores.one_thread_each(CPU):
        assert cores.each(wait, "abc") == [("a", False), ("b", False), ("c", False)]
    assert cores.each(lambda number: -number, [1, 2]) == [-1, -2]


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_shared_out_the_softmax_loss_and_its_gradient_are_the_same(three_threads, monkeypatch, dtype, rtol):
    monkeypatch.setattr(precision, "quick_dtype", lambda _: dtype)
    draw = torch.Generator().manual_seed(0)
    rows, columns = 50, 700

    def learned():
        queries, candidates = (
            torch.randn(n, 8, generator=draw.manual_seed(n)).requires_grad_() for n in (rows, columns)
        )
        positives = torch.arange(rows) * columns + torch.arange(rows) % 7
        loss = softmax.softmax_loss(
            queries,
            candidates,
            shift=torch.linspace(-1, 1, columns),
            positives=positives[:40],  # the last ten have none
            known=torch.arange(rows) * columns + 9,
            weights=torch.linspace(1, 2, 40),
        )
        loss.backward()
        return loss.detach(), queries.grad, candidates.grad

    alone = learned()
    with cores.one_thread_each(CPU):
        shared_out = learned()
    for ours, theirs in zip(shared_out, alone, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=rtol, atol=rtol * float(theirs.abs().max()) / 100)


def test_on_cuda_nothing_is_shared_out(three_threads):
    with cores.one_thread_each(torch.device("cuda")):
        assert (torch.get_num_threads(), cores.shares()) == (3, 1)
