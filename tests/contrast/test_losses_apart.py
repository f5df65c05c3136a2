"""What single losses promise: estimates of the catalogue, BPR's draws, uniformity, the spectral closed form."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from random_contrasts import NONE, some_contrast
from torch.nn import functional

from recsys_cl.contrast.blocks import loss_of_logits, loss_of_scores
from recsys_cl.contrast.contrast import Contrast
from recsys_cl.contrast.losses import alignment_uniformity, bpr, spectral
from recsys_cl.contrast.losses.alignment_uniformity import alignment, uniformity

pytestmark = pytest.mark.usefixtures("one_thread")
ITEMS = 30


def catalogue():
    """Give a query, items, and how likely each is to be drawn as a negative."""
    generator = torch.Generator().manual_seed(0)
    query, items = (torch.randn(n, 3, generator=generator).double() for n in (1, ITEMS))
    chances = torch.rand(ITEMS, generator=generator).double() + 0.1
    return query, items, chances / chances.sum()


SCORES = (catalogue()[0] @ catalogue()[1].T)[0]  # of all items


def drawn_contrasts(times, size, exponent=1.0):
    """Give contrasts of one query and a positive that scores nought with negatives that are drawn."""
    query, items, chances = catalogue()
    generator = torch.Generator().manual_seed(1)
    for _ in range(times):
        drawn = torch.multinomial(chances, size, replacement=True, generator=generator)
        yield Contrast(
            query,
            torch.vstack([torch.zeros(1, 3).double(), items[drawn]]),
            torch.cat([torch.zeros(1).double(), exponent * (size * chances[drawn]).log()]),
            torch.zeros(1).double(),
            torch.tensor([0]),
            NONE,
            torch.ones(1).double(),
            torch.tensor(0.7).double(),
        )


def told(contrasts, how, of):
    """Give the mean of what a function of scores tells, and its standard error."""
    found = np.array([float(how(one, lambda scored: of(scored)[scored.rows])) for one in contrasts])
    return found.mean(), found.std() / math.sqrt(len(found))


def test_a_corrected_sum_estimates_that_over_the_catalogue():
    found, error = told(drawn_contrasts(1500, 30), loss_of_logits, lambda scored: scored.negative_log_sum.exp())
    expected = float((SCORES / 0.7).exp().sum())
    assert abs(found - expected) < 4 * error < 0.1 * expected


def test_the_negatives_stand_for_as_many_items_as_there_are():
    def items(scored):
        return scored.log_counts.exp().sum(1) + 0 * scored.negative_log_sum

    found, error = told(drawn_contrasts(1500, 30), loss_of_logits, items)
    assert abs(found - ITEMS) < 4 * error < 0.1 * ITEMS


def test_a_mean_over_negatives_estimates_that_over_the_catalogue():
    def mean(scored):
        return scored.mean_over_negatives(torch.where(scored.negative == -math.inf, 0.0, scored.negative).square())

    found, error = told(drawn_contrasts(600, 100), loss_of_scores, mean)
    expected = float(SCORES.square().mean())
    assert abs(found - expected) < 4 * error + 0.02 * expected  # a ratio of two estimates is a little off


def test_uncorrected_a_mean_is_that_of_what_is_drawn():
    def mean(scored):
        return scored.mean_over_negatives(torch.where(scored.negative == -math.inf, 0.0, scored.negative))

    for one in drawn_contrasts(3, 8, exponent=0.0):
        found = loss_of_scores(one, lambda scored: mean(scored)[scored.rows])
        torch.testing.assert_close(found, (one.queries @ one.candidates.T)[0, 1:].mean())


def test_bpr_is_the_mean_over_the_catalogue_of_what_a_negative_costs():
    made = some_contrast(positives=[0, 2, 8, 24], known=[1, 10])
    found = bpr.loss(made, bpr.Config(negatives=20_000)).item()
    scores = (made.queries @ made.candidates.T).detach() / 0.5
    chances = (-made.log_q).exp() / (-made.log_q).exp().sum()
    total = 0.0
    for entry, weight in zip(made.positives.tolist(), made.weights.tolist(), strict=True):
        row = entry // 7
        for column in range(7):
            if row * 7 + column not in {0, 2, 8, 24, 1, 10}:
                total += (
                    weight * chances[column] * -math.log(torch.sigmoid(scores.flatten()[entry] - scores[row, column]))
                )
    assert found == pytest.approx(float(total / made.weights.sum()), rel=0.03)


def test_bpr_draws_anew_in_each_step_and_for_each_positive_but_alike_for_one_seed():
    one, again, other = (bpr.loss(replace(some_contrast(40, 60), seed=seed), bpr.Config()).item() for seed in (1, 1, 2))
    assert one == again != other


def test_alignment_and_uniformity_pair_by_pair():
    made = some_contrast(positives=[0, 2, 8, 16, 18], known=[1])
    users, items = (functional.normalize(one.detach()).tolist() for one in (made.queries, made.candidates))
    pairs = [(entry // 7, entry % 7) for entry in made.positives.tolist()]
    weights = made.weights.tolist()
    together = sum(
        weight * math.dist(users[row], items[column]) ** 2 for weight, (row, column) in zip(weights, pairs, strict=True)
    )

    def spread(vectors):
        near = [math.exp(-2 * math.dist(one, other) ** 2) for one, other in itertools.permutations(vectors, 2)]
        return math.log(sum(near) / len(near))

    asking, found = sorted({row for row, _ in pairs}), sorted({column for _, column in pairs})
    apart = (spread([users[row] for row in asking]) + spread([items[column] for column in found])) / 2
    loss = alignment_uniformity.loss(made, alignment_uniformity.Config(uniformity_weight=0.7))
    assert loss.item() == pytest.approx(together / sum(weights) + 0.7 * apart)


def test_uniformity_by_hand():
    # Two vectors that point apart, and two at a right angle: distances 2 and the root of 2.
    assert uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).item() == pytest.approx(-8)
    assert uniformity(torch.tensor([[1.0, 0.0], [0.0, 1.0]])).item() == pytest.approx(-4)
    alike = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert alignment(alike, alike.flip(0), torch.tensor([0.25, 0.75])).item() == pytest.approx(2)


def test_where_there_are_many_vectors_some_are_looked_at(monkeypatch):
    made, config = some_contrast(40, 60), alignment_uniformity.Config()
    whole = alignment_uniformity.loss(made, config).item()
    monkeypatch.setattr(alignment_uniformity, "_MOST", 20)
    some = [alignment_uniformity.loss(replace(made, seed=seed), config).item() for seed in (*range(100), 0)]
    assert some[0] == some[-1] != some[1]
    assert abs(np.mean(some) - whole) < 4 * np.std(some) / 10 + 0.02


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_the_least_spectral_loss_is_the_singular_value_decomposition(scale):
    # Five users, of whom not all count alike, and seven items, each a candidate: all that there is, at once.
    rng = np.random.default_rng(0)
    taken = rng.random((5, 7)) < 0.5
    taken[np.arange(5), np.arange(5)] = True
    together = torch.from_numpy(taken / taken.sum())  # how likely a pair is
    entries = torch.from_numpy(np.flatnonzero(taken))
    users, items = together.sum(1), together.sum(0)
    queries, candidates = (
        torch.randn(n, 2, generator=torch.Generator().manual_seed(n)).double().requires_grad_() for n in (5, 7)
    )
    optimiser = torch.optim.LBFGS(
        [queries, candidates], max_iter=2000, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss():
        made = Contrast(
            queries,
            candidates,
            -items.log(),  # items as often as they are taken
            torch.zeros(5).double(),
            entries,
            NONE,
            together.flatten()[entries],
            torch.tensor(1.0).double(),
        )
        optimiser.zero_grad()
        found = spectral.loss(made, spectral.Config(scale=scale))
        found.backward()
        return found

    optimiser.step(loss)
    roots = users.sqrt().unsqueeze(1) * items.sqrt()
    left, values, right = torch.linalg.svd(together / roots)
    closed = (left[:, :2] * values[:2]) @ right[:2] / roots
    torch.testing.assert_close(scale * (queries @ candidates.T).detach(), closed, atol=1e-5, rtol=1e-4)
    assert loss().item() == pytest.approx(-float(values[:2].square().sum()))
