"""The objective and its one-pass softmax, against the chain of transforms and a loop written from the formula."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.config import TrainConfig
from recsys_cl.contrast import softmax
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.objectives.in_batch_softmax import Objective
from recsys_cl.contrast.transforms import corrected_for_log_q, divided_by_temperature, without
from recsys_cl.families import members


def contrast(rows=5, more=3, dim=4, seed=0, known=(), dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return Contrast(
        torch.randn(rows, dim, generator=generator, dtype=dtype).requires_grad_(),
        torch.randn(rows + more, dim, generator=generator, dtype=dtype).requires_grad_(),
        torch.randn(rows + more, generator=generator, dtype=dtype),
        torch.arange(rows) * (rows + more + 1),
        torch.tensor(sorted(known), dtype=torch.int64),
        torch.rand(rows, generator=generator, dtype=dtype) + 0.5,
    )


def objective(**settings):
    return Objective(TrainConfig(**settings)).double()


def slow_loss(given, temperature, exponent):
    """The formula, entry by entry, in plain Python."""
    rows, columns = len(given.queries), len(given.candidates)
    total, weights = 0.0, given.weights.tolist()
    queries, candidates = given.queries.detach(), given.candidates.detach()
    for row in range(rows):
        negatives = 0.0
        score = [float(queries[row] @ candidates[column]) / temperature for column in range(columns)]
        for column in range(columns):
            if column != row and row * columns + column not in given.known.tolist():
                negatives += math.exp(score[column] - exponent * float(given.log_q[column]))
        total -= weights[row] * math.log(math.exp(score[row]) / (math.exp(score[row]) + negatives))
    return total / sum(weights)


def chained_loss(given, temperature, exponent):
    scores = divided_by_temperature(given.queries @ given.candidates.T, temperature)
    logits = without(corrected_for_log_q(scores, given.log_q, given.positives, exponent), given.known)
    losses = torch.nn.functional.cross_entropy(logits, torch.arange(len(given.queries)), reduction="none")
    return (losses * given.weights).sum() / given.weights.sum()


def masks(rows, columns):
    entries = [row * columns + column for row in range(rows) for column in range(columns) if row != column]
    return st.sets(st.sampled_from(entries)) if entries else st.just(set())


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_equals_the_formula_and_the_chain_with_their_gradients(data):
    rows, more = data.draw(st.integers(1, 6)), data.draw(st.integers(0, 4))
    known = data.draw(masks(rows, rows + more))
    exponent = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    fused, chained = (contrast(rows, more, seed=rows, known=known) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(softmax._BLOCK_BYTES, "cpu", data.draw(st.integers(1, 400)))
        loss = objective(temperature=0.7, log_q_exponent=exponent)(fused)
    expected = chained_loss(chained, 0.7, exponent)
    assert loss.item() == pytest.approx(slow_loss(fused, 0.7, exponent), abs=1e-6)
    torch.testing.assert_close(loss, expected, atol=1e-6, rtol=1e-6)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(fused.queries.grad, chained.queries.grad, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(fused.candidates.grad, chained.candidates.grad, atol=1e-6, rtol=1e-6)


def test_by_hand():
    # Scores 0 everywhere: the positive against one negative expected once and one expected thrice: -log(1/(1+1+1/3)).
    given_ = Contrast(
        torch.zeros(1, 2),
        torch.zeros(3, 2),
        torch.tensor([5.0, 0.0, math.log(3)]),
        torch.empty(0, dtype=torch.int64),
        torch.ones(1),
    )
    assert Objective(TrainConfig())(given_).item() == pytest.approx(math.log(7 / 3))
    masked = Contrast(given_.queries, given_.candidates, given_.log_q, torch.tensor([1, 2]), given_.weights)
    assert Objective(TrainConfig())(masked).item() == 0.0


def test_a_masked_negative_moves_nothing():
    known = [2, 8 + 6, 16 + 6, 24 + 6, 32 + 6, 6]
    given_ = contrast(known=known)
    objective()(given_).backward()
    assert (given_.candidates.grad[6] == 0).all()
    assert (given_.candidates.grad[7] != 0).any()


def test_gradient_check_in_double_precision():
    given_ = contrast(known=[1, 9])
    learned = objective(learn_temperature=True, temperature=0.5)

    def loss(queries, candidates, log_temperature):
        return softmax.softmax_loss(
            queries / log_temperature.exp(),
            candidates,
            shift=given_.log_q,
            known=given_.known,
            weights=given_.weights,
        )

    assert torch.autograd.gradcheck(loss, (given_.queries, given_.candidates, learned.log_temperature))


def test_more_confident_is_cheaper_and_more_weight_counts_more():
    given_ = contrast(more=0)
    aligned = Contrast(given_.queries, given_.queries * 3, given_.log_q, given_.known, given_.weights)
    against = Contrast(given_.queries, -given_.queries * 3, given_.log_q, given_.known, given_.weights)
    assert objective()(aligned) < objective()(against)
    heavy = given_.weights.clone()
    heavy[2] = 1e9
    alone = chained_loss(Contrast(given_.queries, given_.candidates, given_.log_q, given_.known, heavy), 0.1, 1.0)
    weighed = objective()(Contrast(given_.queries, given_.candidates, given_.log_q, given_.known, heavy))
    torch.testing.assert_close(weighed, alone, atol=1e-5, rtol=1e-5)


def test_extreme_scores_stay_finite():
    given_ = contrast()
    huge = Contrast(given_.queries * 1e4, given_.candidates * 1e4, given_.log_q, given_.known, given_.weights)
    loss = objective(temperature=0.001)(huge)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(given_.queries.grad).all()


def test_a_learned_temperature_takes_a_gradient_and_a_fixed_one_none():
    learned, fixed = objective(learn_temperature=True), objective()
    learned(contrast()).backward()
    assert learned.log_temperature.grad.abs() > 0
    fixed(contrast()).backward()
    assert fixed.log_temperature.grad is None
    assert learned.temperature.item() == pytest.approx(0.1)


def test_every_objective_takes_the_config_and_gives_a_scalar():
    for name in members("recsys_cl.contrast.objectives"):
        loss = objective(objective=name)(contrast())
        assert loss.shape == ()
        loss.backward()
