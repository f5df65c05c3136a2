"""Bounds of mutual information: against a log whose information is known, and never above log N."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.contrast.diagnostics.information import Contest, Critic, fitted_critic, information_bounds

RAW = Critic(np.zeros(0), np.array([1.0, 0.0]))


def contest(own: np.ndarray, others: np.ndarray, possible: np.ndarray | None = None) -> Contest:
    flat = [part.astype(np.float32) for part in (own, np.zeros_like(own), others, np.zeros_like(others))]
    return Contest(*flat, np.ones(others.shape, dtype=bool) if possible is None else possible)


def test_a_bound_by_hand():
    # One other with the same score: loss log 2, so nothing is known. Three: loss log 4.
    equal = contest(np.zeros(5), np.zeros((5, 3)))
    assert [(bound.candidates, bound.nats) for bound in information_bounds(equal, RAW)] == [
        (2, pytest.approx(0, abs=1e-6)),
        (4, pytest.approx(0, abs=1e-6)),
    ]
    # Own score log 3 against 0: probability ¾, so log 2 - log 4/3.
    better = contest(np.full(4, math.log(3)), np.zeros((4, 1)))
    assert information_bounds(better, RAW)[0].nats == pytest.approx(math.log(2) - math.log(4 / 3), abs=1e-6)


def test_the_impossible_is_known_to_be_wrong():
    two = contest(np.zeros(2), np.full((2, 1), 9.0), np.zeros((2, 1), dtype=bool))
    assert information_bounds(two, RAW)[0].nats == pytest.approx(math.log(2))


@given(seed=st.integers(0, 1000), scale=st.floats(0, 1e4))
def test_no_bound_is_above_log_n(seed, scale):
    rng = np.random.default_rng(seed)
    drawn = contest(scale * rng.normal(size=8), scale * rng.normal(size=(8, 40)), rng.random((8, 40)) < 0.7)
    bounds = information_bounds(drawn, RAW)
    assert [bound.candidates for bound in bounds] == [2, 4, 8, 16, 32]
    for bound in bounds:
        assert bound.nats <= math.log(bound.candidates)
        assert math.isfinite(bound.nats)
        assert bound.error >= 0


def planted(pairs: int, others: int, draw: np.ndarray | None, seed: int) -> tuple[Contest, float, float]:
    """Users of eight kinds, each fond of some of 40 items; the score is minus the square of the right log probability.

    Returns the contest, the information there is, and how far popularity is from even, in nats.
    """
    rng = np.random.default_rng(seed)
    fond = np.random.default_rng(7).dirichlet(np.full(40, 0.3), size=8)  # p(item | kind)
    marginal = fond.mean(axis=0)
    kinds = rng.integers(8, size=pairs)
    own = np.array([rng.choice(40, p=fond[kind]) for kind in kinds])
    wrong = rng.choice(40, size=(pairs, others), p=marginal if draw is None else draw)
    score = np.log(fond + 1e-9)
    shown = np.sign(score) * np.abs(score) ** 2  # a critic must find out how to read it
    popularity = np.log(marginal)
    information = float((fond * np.log((fond + 1e-300) / marginal)).sum(axis=1).mean())
    uneven = float((marginal * np.log(marginal * 40)).sum())
    filled = Contest(
        shown[kinds, own].astype(np.float32),
        popularity[own].astype(np.float32),
        shown[kinds[:, None], wrong].astype(np.float32),
        popularity[wrong].astype(np.float32),
        np.ones(wrong.shape, dtype=bool),
    )
    return filled, information, uneven


@pytest.mark.parametrize("evenly", [False, True])
def test_the_bound_finds_most_of_the_information_there_is_and_no_more(evenly):
    draw = np.full(40, 1 / 40) if evenly else None
    fitting, information, uneven = planted(1500, 127, draw, seed=0)
    judged, *_ = planted(4000, 255, draw, seed=1)
    there_is = information + uneven if evenly else information
    bounds = information_bounds(judged, fitted_critic(fitting))
    best = bounds[-1]
    assert best.candidates == 256
    assert best.nats <= there_is + 3 * best.error
    assert best.nats > 0.85 * there_is
    assert all(later.nats > sooner.nats - 0.01 for sooner, later in itertools.pairwise(bounds))


def test_without_scores_only_popularity_is_known():
    fitting, _, uneven = planted(1500, 127, np.full(40, 1 / 40), seed=2)
    judged, *_ = planted(4000, 255, np.full(40, 1 / 40), seed=3)
    blind = information_bounds(judged.without_scores(), fitted_critic(fitting.without_scores()))[-1]
    assert blind.nats == pytest.approx(uneven, abs=0.05 + 3 * blind.error)
    popular, *_ = planted(1500, 127, None, seed=4)
    by_popularity = planted(4000, 255, None, seed=5)[0].without_scores()
    told = information_bounds(by_popularity, fitted_critic(popular.without_scores()))
    assert told[-1].nats == pytest.approx(0, abs=0.03)


def test_a_critic_is_fitted_where_the_loss_is_least():
    fitting, *_ = planted(400, 63, None, seed=6)
    critic = fitted_critic(fitting)
    best = information_bounds(fitting, critic)[-1].nats
    for place in range(len(critic.weights)):
        for step in (0.9, 1.1):
            weights = critic.weights.copy()
            weights[place] *= step
            assert information_bounds(fitting, Critic(critic.knots, weights))[-1].nats <= best + 1e-4


@pytest.mark.parametrize("scale", [0, 1e-6, 1e6])
def test_scores_of_any_size_or_none_give_finite_weights(scale):
    rng = np.random.default_rng(8)
    drawn = contest(scale * rng.normal(size=50), scale * rng.normal(size=(50, 20)))
    critic = fitted_critic(drawn)
    assert np.isfinite(critic.weights).all()
    assert all(math.isfinite(bound.nats) for bound in information_bounds(drawn, critic))


def test_pairs_that_can_be_told_apart_without_error_give_the_ceiling_and_finite_weights():
    apart = contest(np.ones(30), np.zeros((30, 31)))
    critic = fitted_critic(apart)
    assert np.isfinite(critic.weights).all()
    assert information_bounds(apart, critic)[-1].nats == pytest.approx(math.log(32), abs=0.2)
