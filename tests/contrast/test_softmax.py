"""Sampled softmax in one pass, against the chain of transforms and a loop written from the formula."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.contrast import precision, softmax
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.losses import sampled_softmax
from recsys_cl.contrast.transforms import corrected_for_log_q, divided_by_temperature, without


def contrast(rows=5, more=3, dim=4, seed=0, known=(), positives=None, dtype=torch.float64):
    """Give random vectors; the positive of a row stands in its own column, unless flat ``positives`` are named."""
    generator = torch.Generator().manual_seed(seed)
    diagonal = [row * (rows + more + 1) for row in range(rows)]
    entries = torch.tensor(diagonal if positives is None else sorted(positives), dtype=torch.int64)
    return Contrast(
        torch.randn(rows, dim, generator=generator, dtype=dtype).requires_grad_(),
        torch.randn(rows + more, dim, generator=generator, dtype=dtype).requires_grad_(),
        torch.randn(rows + more, generator=generator, dtype=dtype),
        torch.zeros(rows, dtype=dtype),
        entries,
        torch.tensor(sorted(known), dtype=torch.int64),
        torch.rand(len(entries), generator=generator, dtype=dtype) + 0.5,
        torch.tensor(0.1, dtype=dtype),
    )


def loss_of(given, temperature=0.1, exponent=1.0):
    temperature = torch.as_tensor(temperature, dtype=given.queries.dtype)
    return sampled_softmax.loss(
        replace(given, temperature=temperature, log_q=exponent * given.log_q), sampled_softmax.Config()
    )


def slow_loss(given, temperature, exponent):
    """The formula, entry by entry, in plain Python."""
    columns, positives, known = len(given.candidates), given.positives.tolist(), given.known.tolist()
    total, weights = 0.0, given.weights.tolist()
    queries, candidates = given.queries.detach(), given.candidates.detach()
    for weight, positive in zip(weights, positives, strict=True):
        row = positive // columns
        score = [float(queries[row] @ candidates[column]) / temperature for column in range(columns)]
        denominator = 0.0
        for column in range(columns):
            if row * columns + column in positives:
                denominator += math.exp(score[column])
            elif row * columns + column not in known:
                denominator += math.exp(score[column] - exponent * float(given.log_q[column]))
        total -= weight * math.log(math.exp(score[positive % columns]) / denominator)
    return total / sum(weights)


def chained_loss(given, temperature, exponent):
    scores = divided_by_temperature(given.queries @ given.candidates.T, temperature)
    logits = without(corrected_for_log_q(scores, given.log_q, given.positives, exponent), given.known)
    losses = -logits.log_softmax(1).flatten()[given.positives]
    return (losses * given.weights).sum() / given.weights.sum()


@st.composite
def masks(draw, rows, columns):
    """Draw the flat positives of any of the rows, at least one in all, and other entries that are known.

    No row is all known: of that the chain of transforms makes nothing that is a number.
    """
    row = st.lists(st.sampled_from("pkn"), min_size=columns, max_size=columns).filter(lambda kinds: set(kinds) != {"k"})
    drawn = st.lists(row, min_size=rows, max_size=rows)
    kinds = "".join(draw(drawn.map(lambda rows: "".join(map("".join, rows))).filter(lambda kinds: "p" in kinds)))
    return [[entry for entry, kind in enumerate(kinds) if kind == wanted] for wanted in "pk"]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_equals_the_formula_and_the_chain_with_their_gradients(data):
    rows, more = data.draw(st.integers(1, 6)), data.draw(st.integers(0, 4))
    positives, known = data.draw(masks(rows, rows + more))
    exponent = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    fused, chained = (contrast(rows, more, seed=rows, known=known, positives=positives) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(softmax._BLOCK_BYTES, "cpu", data.draw(st.integers(1, 400)))
        loss = loss_of(fused, 0.7, exponent)
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
        torch.zeros(1),
        torch.tensor([0]),
        torch.empty(0, dtype=torch.int64),
        torch.ones(1),
        torch.tensor(0.1),
    )
    assert loss_of(given_).item() == pytest.approx(math.log(7 / 3))
    masked = replace(given_, known=torch.tensor([1, 2]))
    assert loss_of(masked).item() == 0.0


def test_many_positives_by_hand():
    # Scores 0 everywhere. Of query 0 columns 0 and 2 are positives, and column 1, expected twice, is a negative: each
    # costs -log(1/(1+1+1/2)) = log 2.5. Of query 1 only column 1 is a positive, 0 is known, and 2, expected four times,
    # a negative: log 1.25. Query 2 has no positive and so no say. Weights 1, 3 and 2.
    given_ = Contrast(
        torch.zeros(3, 2),
        torch.zeros(3, 2),
        torch.tensor([7.0, 2.0, 4.0]).log(),
        torch.zeros(3),
        torch.tensor([0, 2, 4]),
        torch.tensor([3]),
        torch.tensor([1.0, 3.0, 2.0]),
        torch.tensor(0.1),
    )
    assert loss_of(given_).item() == pytest.approx((4 * math.log(2.5) + 2 * math.log(1.25)) / 6)


def test_a_query_without_a_positive_moves_nothing():
    given_ = contrast(positives=[0, 3, 8 + 1, 24 + 2])  # none of rows 2 and 4
    loss_of(given_).backward()
    assert (given_.queries.grad[[2, 4]] == 0).all()
    assert (given_.queries.grad[[0, 1, 3]] != 0).any(1).all()


def test_no_positive_at_all_costs_nothing():
    given_ = contrast(positives=[])
    loss = loss_of(given_)
    loss.backward()
    assert loss.item() == 0.0
    assert (given_.queries.grad == 0).all()
    assert (given_.candidates.grad == 0).all()


def test_a_masked_negative_moves_nothing():
    known = [2, 8 + 6, 16 + 6, 24 + 6, 32 + 6, 6]
    given_ = contrast(known=known)
    loss_of(given_).backward()
    assert (given_.candidates.grad[6] == 0).all()
    assert (given_.candidates.grad[7] != 0).any()


def test_a_query_of_which_all_is_known_teaches_nothing():
    given_ = contrast(rows=2, more=0, positives=[0, 1], known=[2, 3])
    alone = contrast(rows=2, more=0, positives=[0, 1])
    losses = [loss_of(one) for one in (given_, alone)]
    for loss in losses:
        loss.backward()
    assert losses[0] == losses[1]
    assert (given_.queries.grad[1] == 0).all()
    assert torch.equal(given_.candidates.grad, alone.candidates.grad)


@pytest.mark.parametrize("positives", [None, [0, 2, 5, 8 + 1, 16, 17, 18, 19, 20, 21, 22, 23, 39]])
@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_gradient_check_in_double_precision(positives, block_bytes, monkeypatch):
    monkeypatch.setitem(softmax._BLOCK_BYTES, "cpu", block_bytes)
    given_ = contrast(known=[1, 10], positives=positives)
    learned = torch.tensor(math.log(0.5), dtype=torch.float64, requires_grad=True)

    def loss(queries, candidates, log_temperature):
        return softmax.softmax_loss(
            queries / log_temperature.exp(),
            candidates,
            shift=given_.log_q,
            positives=given_.positives,
            known=given_.known,
            weights=given_.weights,
        )

    assert torch.autograd.gradcheck(loss, (given_.queries, given_.candidates, learned))


def test_more_confident_is_cheaper_and_more_weight_counts_more():
    given_ = contrast(more=0)
    aligned, against = (replace(given_, candidates=sign * 3 * given_.queries) for sign in (1, -1))
    assert loss_of(aligned) < loss_of(against)
    heavy = given_.weights.clone()
    heavy[2] = 1e9
    weighed = loss_of(replace(given_, weights=heavy))
    alone = chained_loss(
        replace(
            given_, queries=given_.queries[2:3], positives=torch.tensor([2]), known=given_.known[:0], weights=heavy[2:3]
        ),
        0.1,
        1.0,
    )
    torch.testing.assert_close(weighed, alone, atol=1e-5, rtol=1e-5)


def test_extreme_scores_stay_finite():
    given_ = contrast()
    huge = replace(given_, queries=given_.queries * 1e4, candidates=given_.candidates * 1e4)
    loss = loss_of(huge, 0.001)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(given_.queries.grad).all()


def test_rounded_products_give_the_loss_and_nearly_the_gradient(monkeypatch):
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(precision, "quick_dtype", lambda _, dtype=dtype: dtype)
        given_ = contrast(rows=60, more=90, dim=16, known=[1, 160], dtype=torch.float32)
        loss = loss_of(given_, 1.0)
        loss.backward()
        assert loss.dtype == given_.queries.grad.dtype == torch.float32
        found[dtype] = loss.detach(), given_.queries.grad, given_.candidates.grad
    for exact, rounded in zip(*found.values(), strict=True):
        assert (rounded - exact).norm() < 0.01 * exact.norm()
    assert not torch.equal(found[torch.float32][1], found[torch.bfloat16][1])
