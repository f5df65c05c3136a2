"""Score transforms: hand-worked numbers, and what they do to probabilities and gradients."""

from __future__ import annotations

import math

import pytest
import torch

from recsys_cl.contrast.transforms import corrected_for_log_q, divided_by_temperature, without


def test_temperature_by_hand():
    assert divided_by_temperature(torch.tensor([[0.5, -1.0]]), 0.1).tolist() == [[5.0, -10.0]]


def test_log_q_is_subtracted_from_negatives_and_leaves_positives():
    scores = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    expected_counts, positives = torch.tensor([4.0, 1.0, 0.5]), torch.tensor([0, 4])
    corrected = corrected_for_log_q(scores, expected_counts.log(), positives)
    log2 = math.log(2)
    expected = torch.tensor([[1.0, 2.0, 3.0 + log2], [4.0 - 2 * log2, 5.0, 6.0 + log2]])
    torch.testing.assert_close(corrected, expected)
    halved = corrected_for_log_q(scores, expected_counts.log(), positives, exponent=0.5)
    assert halved[1, 0].item() == pytest.approx(4.0 - log2)
    assert torch.equal(corrected_for_log_q(scores, expected_counts.log(), positives, exponent=0.0), scores)


def test_a_popular_negative_is_pushed_away_less():
    scores = torch.zeros(2, 4, requires_grad=True)
    log_q = torch.tensor([1.0, 1.0, 8.0, 0.5]).log()
    loss = torch.nn.functional.cross_entropy(corrected_for_log_q(scores, log_q, torch.tensor([0, 5])), torch.arange(2))
    loss.backward()
    popular, rare = scores.grad[:, 2], scores.grad[:, 3]
    assert (rare > popular).all()
    torch.testing.assert_close(rare / popular, torch.full((2,), 16.0))


def test_what_is_masked_has_probability_and_gradient_zero():
    scores = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    known = torch.tensor([2, 5 + 0, 5 + 4, 10 + 3])
    logits = without(scores, known)
    assert (logits.softmax(1).flatten()[known] == 0).all()
    torch.nn.functional.cross_entropy(logits, torch.arange(3)).backward()
    assert (scores.grad.flatten()[known] == 0).all()
    others = torch.ones(15, dtype=torch.bool)
    others[known] = False
    assert (scores.grad.flatten()[others] != 0).all()


def test_nothing_is_changed_in_place():
    scores = torch.ones(2, 3)
    for changed in (
        divided_by_temperature(scores, 2.0),
        corrected_for_log_q(scores, torch.ones(3), torch.tensor([0, 4])),
        without(scores, torch.tensor([1])),
    ):
        assert not torch.equal(changed, scores)
        assert torch.equal(scores, torch.ones(2, 3))
