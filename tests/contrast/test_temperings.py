"""Temperatures: as given, learned, or each user's own by how hard they are to please."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_contrasts import some_contrast
from scipy.special import lambertw

from recsys_cl.contrast.counts import Counts
from recsys_cl.contrast.losses import info_nce
from recsys_cl.contrast.mixture import TEMPERINGS
from recsys_cl.contrast.temperings import fixed, learned, per_user
from recsys_cl.families import member, members

COUNTS = Counts(users=6, items=40, interactions=24)  # one in ten pairs
ALL = torch.arange(6)


def contrast(rows=4, columns=7, **changes):
    return some_contrast(rows, columns, **{"dtype": torch.float32, **changes})


def of_users(spread=1.0, start=0.1, counts=COUNTS, scale=1.0):
    return per_user.Tempering(per_user.Config(spread=spread, scale=scale), start, counts)


def state_of(tempering):
    return {name: tensor.clone() for name, tensor in tempering.state_dict().items()}


def assert_same(left, right):
    for name, tensor in left.items():
        torch.testing.assert_close(tensor, right[name], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", members(TEMPERINGS))
def test_at_first_all_have_the_temperature_that_was_given(name):
    module = member(TEMPERINGS, name)
    tempering = module.Tempering(module.Config(), 0.25, COUNTS)
    given_ = tempering(torch.tensor([0, 5, 5])).detach()
    assert given_.shape in {(), (3, 1)}
    np.testing.assert_allclose(given_, 0.25, rtol=1e-6)


@pytest.mark.parametrize("name", members(TEMPERINGS))
def test_what_was_learned_survives_being_saved(name):
    module = member(TEMPERINGS, name)
    tempering, other = (module.Tempering(module.Config(), 0.25, COUNTS) for _ in range(2))
    for seed in range(3):
        tempering.observe(contrast(seed=seed), torch.tensor([0, 1, 2, 3]))
    with torch.no_grad():
        for weight in tempering.parameters():
            weight.add_(0.3)
    other.load_state_dict(tempering.state_dict())
    assert torch.equal(tempering(ALL), other(ALL))
    for one in (tempering, other):
        one.observe(contrast(seed=9), torch.tensor([5, 1, 2, 0]))
    assert_same(state_of(tempering), state_of(other))
    assert torch.equal(tempering(ALL), other(ALL))


def test_a_fixed_one_stays():
    tempering = fixed.Tempering(fixed.Config(), 0.25, COUNTS)
    tempering.observe(contrast(), torch.arange(4))
    assert tempering(ALL).item() == 0.25
    assert not list(tempering.parameters())


def test_a_learned_one_takes_gradients_and_stays_positive():
    tempering = learned.Tempering(learned.Config(), 0.25, COUNTS)
    made = contrast()

    def loss(temperature):
        return info_nce.loss(replace(made, temperature=temperature), info_nce.Config())

    loss(tempering(ALL)).backward()
    step = 1e-3
    higher, lower = (loss(torch.tensor(0.25 * math.exp(way))).item() for way in (step, -step))
    assert tempering.log_temperature.grad.item() == pytest.approx((higher - lower) / (2 * step), rel=1e-2)
    with torch.no_grad():
        tempering.log_temperature.fill_(-50.0)
    assert 0 < tempering(ALL).item() < 1e-20


@given(data=st.data())
@settings(max_examples=25)
def test_a_users_temperature_is_the_common_one_times_that_of_their_loss(data):
    numbers = st.floats(-20, 20, width=32)
    losses = data.draw(st.lists(st.one_of(st.just(math.nan), numbers), min_size=6, max_size=6))
    mean, spread = data.draw(numbers), data.draw(st.sampled_from([0.5, 1.0, 30.0]))
    tempering = of_users(spread)
    tempering.losses.copy_(torch.tensor(losses))
    tempering.mean_loss.fill_(mean)
    tempering.common.fill_(0.2)
    for loss, found in zip(losses, tempering(ALL).flatten().tolist(), strict=True):
        beyond = 0.0 if math.isnan(loss) else (loss - mean) / spread
        power = -1.0 if beyond <= -1 / math.e else float(lambertw(beyond).real)
        assert found == pytest.approx(0.2 * math.exp(power), rel=1e-2 if beyond < -0.36 else 1e-4)


def test_a_users_temperature_by_hand():
    # W(e) = 1, W(0) = 0, and no loss is so low that W falls below -1.
    tempering = of_users(spread=2.0)
    tempering.losses[:4] = torch.tensor([1 + 2 * math.e, 1.0, 1 - 2 / math.e, -1e6])
    tempering.mean_loss.fill_(1.0)
    tempering.common.fill_(0.1)
    expected = [0.1 * math.e, 0.1, 0.1 / math.e, 0.1 / math.e, 0.1, 0.1]
    assert tempering(ALL).flatten().tolist() == pytest.approx(expected, rel=1e-3)


def test_users_of_higher_loss_get_a_higher_temperature():
    for spread, alike in ((1.0, False), (1e6, True)):
        tempering, made = of_users(spread), contrast()
        for _ in range(3):
            tempering.observe(made, torch.arange(4))
        losses, temperatures = tempering.losses[:4], tempering(torch.arange(4)).flatten()
        assert (temperatures[losses.argsort()].diff() >= 0).all()
        assert (temperatures.max() / temperatures.min() < 1.0001) == alike


@pytest.mark.parametrize("seed", range(5))
def test_a_users_loss_is_info_nce_at_temperature_one(seed):
    made = contrast(positives=[0, 2, 8, 14, 15, 16], seed=seed)  # the last row has none
    tempering = of_users()
    tempering.observe(made, torch.tensor([4, 0, 2, 5]))
    shares = (-made.log_q).exp() / (-made.log_q).exp().sum()
    scores = (made.queries @ made.candidates.T).detach()
    own = [[0, 2], [1], [0, 1, 2]]
    for user, row in ((4, 0), (0, 1), (2, 2)):
        positive = np.mean([float(scores[row, column]) for column in own[row]])
        among = sum(float(share) * math.exp(float(score)) for share, score in zip(shares, scores[row], strict=True))
        assert tempering.losses[user].item() == pytest.approx(math.log(among) - positive, abs=1e-5)
    assert tempering.losses[[1, 3, 5]].isnan().all()


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_the_common_temperature_gives_a_mean_positive_half_of_the_probability(scale):
    # Then e^(s+/t) is half of what e^(s/t) gives over the items that a user has not taken for each that they have.
    made = contrast()
    candidates = torch.vstack([made.queries, made.candidates[4:]]).detach()
    tempering, made = of_users(scale=scale), replace(made, candidates=candidates)
    for _ in range(3000):
        tempering.observe(made, torch.arange(4))
    scores, shares = (made.queries @ made.candidates.T).detach(), (-made.log_q).softmax(0)
    positive, mean = scores.diagonal()[:4].mean().item(), (scores @ shares).mean().item()
    temperature = tempering.common.item() / scale
    assert math.exp(positive / temperature) == pytest.approx(40 * 6 / 24 / 2 * math.exp(mean / temperature), rel=1e-2)


def test_at_first_the_common_temperature_is_the_one_given():
    tempering = of_users(start=0.3, scale=1.5)
    assert tempering(ALL).flatten().tolist() == pytest.approx([0.3] * 6)
    assert 1.5 * tempering.gap.item() / tempering.log_odds == pytest.approx(0.3)


def test_running_means_move_by_a_hundredth():
    tempering, made = of_users(start=0.3), contrast()
    tempering.observe(made, torch.arange(4))
    first = tempering.mean_loss.item()
    assert first == pytest.approx(tempering.losses[:4].mean().item(), rel=1e-5)
    gap = tempering.gap.item()
    other = contrast(seed=5)
    tempering.observe(other, torch.arange(4))
    assert tempering.mean_loss.item() == pytest.approx(0.99 * first + 0.01 * tempering.losses[:4].mean().item())
    fresh = of_users(start=0.3)
    fresh.observe(other, torch.arange(4))
    seen = (fresh.gap.item() - 0.99 * 0.3 * fresh.log_odds) / 0.01
    assert tempering.gap.item() == pytest.approx(0.99 * gap + 0.01 * seen, abs=1e-5)


def test_a_user_who_asks_several_times_has_the_mean_of_their_losses():
    tempering, apart, made = of_users(), of_users(), contrast()
    tempering.observe(made, torch.tensor([2, 1, 2, 2]))
    apart.observe(made, torch.tensor([0, 1, 2, 3]))
    assert tempering.losses[2].item() == pytest.approx(apart.losses[[0, 2, 3]].mean().item())
    assert tempering.losses[1] == apart.losses[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"positives": torch.empty(0, dtype=torch.int64), "weights": torch.empty(0)},
        {"log_q": torch.full((7,), math.inf)},
    ],
)
def test_where_there_is_nothing_to_tell_apart_nothing_is_taken_in(changes):
    tempering = of_users()
    before = state_of(tempering)
    tempering.observe(replace(contrast(), **changes), torch.arange(4))
    assert_same(state_of(tempering), before)


@pytest.mark.parametrize("size", [0.0, 100.0])
def test_extreme_similarities_stay_finite(size):
    tempering, made = of_users(), contrast()
    wide = replace(made, queries=size * made.queries)
    for _ in range(2):
        tempering.observe(wide, torch.arange(4))
        assert torch.isfinite(tempering(ALL)).all()
        assert (tempering(ALL) > 0).all()


def test_of_many_candidates_some_tell_as_much(monkeypatch):
    made = contrast(20, 4000)
    made = replace(made, queries=made.queries.detach() / 4)
    tempering, whole = of_users(counts=Counts(20, 4000, 20)), of_users(counts=Counts(20, 4000, 20))
    tempering.observe(made, torch.arange(20))
    monkeypatch.setattr(per_user, "_COLUMNS", 1 << 20)
    whole.observe(made, torch.arange(20))
    assert not torch.equal(tempering.losses, whole.losses)
    assert (tempering.losses - whole.losses).abs().max() < 0.15


def test_queries_hold_no_graph_of_a_step():
    tempering = of_users()
    tempering.observe(contrast(), torch.arange(4))
    assert not any(tensor.requires_grad for tensor in tempering.state_dict().values())
    assert not tempering(ALL).requires_grad
