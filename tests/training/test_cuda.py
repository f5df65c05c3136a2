"""CUDA gives what the CPU gives. Skipped where there is no CUDA device."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from closed_form import solve_towers
from planted_log import all_queries, planted_histories, recall_of_group

from recsys_cl.config import SpectralConfig
from recsys_cl.contrast.closed_form.solver import left_vectors, solve
from recsys_cl.contrast.softmax import softmax_loss
from recsys_cl.retrieval.exact import rank_exact
from recsys_cl.settings import Method
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.loop import train
from recsys_cl.training.row_optimizer import RowAdam

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def on(device: str, *tensors: torch.Tensor) -> list[torch.Tensor]:
    return [tensor.to(device) for tensor in tensors]


@pytest.mark.parametrize("query_encoder", ["aged_history", "history", "history_and_id"])
@pytest.mark.parametrize("tempering", ["fixed", "learned", "per_user"])
def test_a_planted_pattern_is_found(planted, small_cuts, query_encoder, tempering, tmp_path):
    changes = {"query_encoder": query_encoder, "tempering": Method(name=tempering)}
    config = small_cuts.model_copy(update=changes)
    trained = train(planted, len(planted.histories), config, ordered=True, seed=0, device="cuda")
    assert trained.towers.device.type == "cuda"
    assert recall_of_group(trained.towers, planted) > 0.95
    trained.towers.save(tmp_path)
    moved = TwoTower.load(tmp_path, "cpu")
    queries = all_queries(planted)
    np.testing.assert_allclose(moved.query_vectors(queries), trained.towers.query_vectors(queries), atol=1e-5)


@pytest.mark.parametrize("settings", ["simclr:weight=0.1", "moco:queue_size=512", "supcon", "adversarial"])
def test_an_objective_beside_the_loss(planted, small_cuts, settings):
    config = small_cuts.model_copy(update={"objective": (Method.of(settings),)})
    trained = train(planted, len(planted.histories), config, ordered=True, seed=0, device="cuda")
    assert recall_of_group(trained.towers, planted) > 0.95


def test_byol_alone(planted, small_cuts):
    config = small_cuts.model_copy(update={"loss": None, "objective": (Method(name="byol"),), "item_bias": False})
    trained = train(planted, len(planted.histories), config, ordered=True, seed=0, device="cuda")
    assert all(np.isfinite(one["loss"]) for one in trained.curve)
    assert trained.towers.device.type == "cuda"


def test_pairs_dealt_out_one_by_one(planted, small):
    trained = train(planted, len(planted.histories), small, ordered=False, seed=0, device="cuda")
    assert recall_of_group(trained.towers, planted) > 0.95


def test_a_training_that_ended_is_found_again(planted, small_cuts, tmp_path):
    def run() -> TwoTower:
        return train(
            planted, len(planted.histories), small_cuts, ordered=True, seed=0, device="cuda", checkpoints=tmp_path
        ).towers

    assert run().digest == run().digest


def test_towers_start_from_the_closed_form(planted, small_cuts):
    closed = SpectralConfig()
    start = solve_towers(planted.histories, closed, dim=8, history_length=50, ordered=True, seed=0, device="cuda")
    trained = train(planted, len(planted.histories), small_cuts, ordered=True, seed=0, device="cuda", start=start)
    assert recall_of_group(trained.towers, planted) > 0.95


def test_the_loss_and_its_gradients_are_those_of_the_cpu():
    draw = torch.Generator().manual_seed(0)
    queries, candidates = (torch.randn(n, 16, generator=draw, dtype=torch.float64) for n in (50, 700))
    shift, weights = torch.randn(700, generator=draw).double(), torch.rand(50, generator=draw).double() + 0.5
    positives = torch.arange(50) * 700 + torch.arange(50)
    known = torch.arange(50) * 700 + 300
    found = {}
    for device, dtype in (("cpu", torch.float64), ("cuda", torch.float64), ("cuda", torch.float32)):
        q, c, s, w = (tensor.to(device, dtype).detach() for tensor in (queries, candidates, shift, weights))
        q, c = q.requires_grad_(), c.requires_grad_()
        loss = softmax_loss(q, c, shift=s, positives=positives.to(device), known=known.to(device), weights=w)
        loss.backward()
        found[device, dtype] = on("cpu", loss.detach().double(), q.grad.double(), c.grad.double())
    truth = found.pop(("cpu", torch.float64))
    for (_, dtype), parts in found.items():
        for part, true in zip(parts, truth, strict=True):
            error = (part - true).norm() / true.norm()
            assert error < (1e-10 if dtype == torch.float64 else 1e-2), dtype  # products are rounded to bfloat16


def test_singular_pairs_are_those_of_the_cpu():
    matrix = sp.random(300, 200, 0.1, format="csr", random_state=0, dtype=np.float32)
    here, there = (solve(matrix, 8, tolerance=1e-9, max_rounds=60, seed=0, device=one) for one in ("cpu", "cuda"))
    np.testing.assert_allclose(here.values, there.values, rtol=1e-4)
    np.testing.assert_allclose(here.vectors, there.vectors, atol=1e-2)
    left = left_vectors(there, matrix, "cuda")
    np.testing.assert_allclose(left.T @ left, np.eye(8), atol=1e-3)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_rows_move_as_on_the_cpu(decay):
    draw = torch.Generator().manual_seed(0)
    table = torch.randn(6, 3, generator=draw)
    here, there = (RowAdam({"t": table.clone().to(device)}, decay) for device in ("cpu", "cuda"))
    for _ in range(20):
        rows = torch.nonzero(torch.rand(6, generator=draw) < 0.5).flatten()
        gradient = torch.randn(len(rows), 3, generator=draw)
        for device, optimizer in (("cpu", here), ("cuda", there)):
            its, slope = on(device, rows, gradient)
            optimizer.step("t", optimizer.current("t", its, 0.05), slope, 0.05)
    here.catch_up(0.05), there.catch_up(0.05)
    torch.testing.assert_close(here.tables["t"], there.tables["t"].cpu(), rtol=1e-4, atol=1e-5)


def test_rankings_are_those_of_the_cpu():
    draw = np.random.default_rng(0)
    queries, items = (torch.from_numpy(draw.integers(-9, 10, (n, 6)).astype(np.float32)) for n in (80, 40))
    seen = planted_histories()
    here, there = (rank_exact(*on(device, queries, items), seen, 15) for device in ("cpu", "cuda"))
    for field in fields(here):  # whole numbers: ties are many, sums are exact
        np.testing.assert_array_equal(getattr(here, field.name), getattr(there, field.name))
