"""BYOL: each side predicts what slower towers make of the other, pair by pair; targets only teach."""

from __future__ import annotations

import math

import pytest
import torch
from one_step import assert_same, batches_of, copied, new_learner, objective, small_pairs, step_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return small_pairs(tmp_path_factory.mktemp("b"))


def warm(pairs, steps=5, changes=None, **settings):
    learner = new_learner(pairs, **objective("byol", momentum=0.8, **settings), **changes or {})
    batches = batches_of(learner, pairs, epochs=2)
    for batch in batches[:steps]:
        learner.step(batch, 0.05)
    return learner, learner.objective.parts[0], step_of(learner, batches[steps])


def apart(left, right):
    """The squared distance of two directions."""
    lengths = [math.hypot(*one) or 1.0 for one in (left, right)]
    return sum((x / lengths[0] - y / lengths[1]) ** 2 for x, y in zip(left, right, strict=True))


def predicted(byol, vectors):
    """What the predictor makes of each vector, number by number."""
    if not byol.config.predictor:
        return vectors.tolist()
    weight = byol.predictor.weight.tolist()
    return [[sum(w * x for w, x in zip(row, one, strict=True)) for row in weight] for one in vectors.tolist()]


@pytest.mark.parametrize("predictor", [True, False])
@pytest.mark.parametrize("stop_gradient", [True, False])
@pytest.mark.parametrize("changes", [{}, {"targets": "one", "query_encoder": "history_and_id"}])
def test_it_is_the_mean_of_both_squared_distances(pairs, predictor, stop_gradient, changes):
    _, byol, step = warm(pairs, predictor=predictor, stop_gradient=stop_gradient, changes=changes)
    users, items = byol._targets(step, byol.following.follow(step) if stop_gradient else step.rows)
    asking, asked = predicted(byol, step.users), predicted(byol, step.items)
    total = 0.0
    for weight, entry in zip(step.numbers.weights.tolist(), step.numbers.positives.tolist(), strict=True):
        row, column = divmod(entry, len(step.numbers.candidates))
        both = apart(asking[row], items[column].tolist()) + apart(asked[column], users[row].tolist())
        total += weight * both / 2
    assert byol(step).item() == pytest.approx(total / step.numbers.weights.sum().item(), rel=1e-4)


def test_targets_take_no_gradient_unless_asked_to(pairs):
    _, byol, step = warm(pairs)
    assert not any(one.requires_grad for one in byol._targets(step, byol.following.follow(step)))
    assert not any("following" in name for name, weight in byol.named_parameters() if weight.requires_grad)
    _, byol, step = warm(pairs, stop_gradient=False)
    assert byol.following is None
    assert all(one.requires_grad for one in byol._targets(step, step.rows))


def test_a_target_lags_behind(pairs):
    _, byol, step = warm(pairs)
    users, items = byol._targets(step, byol.following.follow(step))
    assert not torch.allclose(users, step.users)
    assert not torch.allclose(items, step.items)
    _, byol, step = warm(pairs, steps=0)
    users, items = byol._targets(step, byol.following.follow(step))
    torch.testing.assert_close(users, step.users)
    torch.testing.assert_close(items, step.items)


def test_the_predictor_begins_as_none_at_all_and_learns(pairs):
    learner, byol, step = warm(pairs, steps=0)
    torch.testing.assert_close(byol.predictor(step.users), step.users)
    before = copied(byol.predictor.state_dict())
    learner.step(batches_of(learner, pairs)[0], 0.05)
    assert not any(torch.equal(weight, before[name]) for name, weight in byol.predictor.state_dict().items())


def test_asking_for_a_loss_changes_nothing(pairs):
    learner, byol, step = warm(pairs)
    before = copied(learner.state())
    byol(step)
    assert_same(learner.state(), before)
