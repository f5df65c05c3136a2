"""MoCo: InfoNCE among queued keys, loop by loop; keys only teach, and none is what a user took."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from one_step import USERS, assert_same, batches_of, copied, new_learner, objective, small_pairs, step_of

from recsys_cl.contrast import precision
from recsys_cl.settings import Method
from recsys_cl.training.learner import Learner

pytestmark = pytest.mark.usefixtures("one_thread")
FULL = 30


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return small_pairs(tmp_path_factory.mktemp("m"))


def warm(pairs, steps=8, **changes) -> tuple[Learner, object]:
    """Give a learner whose queues are full, and the step that comes next."""
    learner = new_learner(pairs, **objective("moco", queue_size=FULL, momentum=0.8), **changes)
    batches = batches_of(learner, pairs, epochs=3)
    for batch in batches[:steps]:
        learner.step(batch, 0.05)
    return learner, step_of(learner, batches[steps])


def info_nce(score, among, temperature):
    """One positive's loss: among are scores of negatives and how many things each stands for."""
    e = torch.exp(score / temperature)
    return -torch.log(e / (e + sum(count * torch.exp(other / temperature) for other, count in among)))


def slow_loss(moco, step, pairs):
    """Both sides, entry by entry; keys are numbers here and nothing more."""
    contrast, rows = step.contrast, moco.following.follow(step)
    users = step.towers.similarity.queries(moco.following.towers.query(step.query_inputs_of(rows))).detach()
    items = step.towers.similarity.candidates(moco.following.towers.candidate(step.candidate_inputs_of(rows))).detach()
    askers, wanted = step.numbers.query_users.tolist(), step.numbers.candidates.tolist()
    took = {}
    for row, item in zip(step.numbers.taken_rows.tolist(), step.numbers.taken.tolist(), strict=True):
        took.setdefault(row, set()).add(item)
    queued_items, queued_users = moco.items.held(), moco.users.held()
    total = 0.0
    shares = contrast.weights / contrast.weights.sum()
    for share, entry in zip(shares, contrast.positives.tolist(), strict=True):
        row, column = divmod(entry, len(wanted))
        among_items = [
            (contrast.queries[row] @ held[:-1], (len(wanted) / FULL) ** step.log_q_exponent / math.exp(held[-1]))
            for item, held in zip(*queued_items, strict=True)
            if int(item) not in took[row] and held[-1] < math.inf
        ]
        among_users = [
            (contrast.candidates[column] @ held[:-1], (len(askers) / FULL) ** step.log_q_exponent / math.exp(held[-1]))
            for user, held in zip(*queued_users, strict=True)
            if wanted[column] not in pairs.histories.row(int(user))
        ]
        found_item = info_nce(contrast.queries[row] @ items[column], among_items, contrast.temperature)
        found_user = info_nce(contrast.candidates[column] @ users[row], among_users, contrast.temperature)
        total = total + share * (found_item + found_user) / 2
    return total


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"targets": "one", "query_encoder": "history_and_id"},
        {"in_batch_negatives": False},
        {"log_q_exponent": 0.0, "in_batch_negatives": False, "popular_negatives": 3},
        {"similarity": "euclidean", "temperature": 2.0},
    ],
)
def test_it_is_info_nce_of_both_sides_among_the_queues(pairs, changes, monkeypatch):
    monkeypatch.setattr(precision, "quick_dtype", lambda _: torch.float32)
    learner, step = warm(pairs, **changes)
    (moco,) = learner.objective.parts
    if changes.get("log_q_exponent") == 0:  # then a key counts once, however often it is expected
        assert set(moco.users.held()[1][:, -1].tolist()) == {0.0}
    found, expected = moco(step), slow_loss(moco, step, pairs)
    torch.testing.assert_close(found, expected)
    leaves = [step.rows[name] for name in sorted(step.rows) if name != "bias"]
    gradients = (torch.autograd.grad(loss, leaves, retain_graph=True) for loss in (found, expected))
    for left, right in zip(*gradients, strict=True):
        torch.testing.assert_close(left, right, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("side", ["items", "users"])
def test_keys_of_what_was_taken_have_no_effect(pairs, side):
    learner, step = warm(pairs)
    (moco,) = learner.objective.parts
    moco(step)
    if side == "items":
        contrast, keys, queue, known = step.contrast, moco._keys[1], moco.items, moco._known_items(step)
    else:
        contrast, keys, queue, known = step.contrast.swapped(), moco._keys[0], moco.users, moco._known_users(step)
    column = int(torch.bincount(known % FULL, minlength=FULL).argmax())
    spared = known[known % FULL == column] // FULL
    assert 0 < len(spared) < len(contrast.queries)

    def gradients():
        queries = contrast.queries.detach().requires_grad_()
        found = moco._found(replace(contrast, queries=queries), keys, queue, known, step.log_q_exponent)
        return torch.autograd.grad(found, queries)[0]

    before = gradients()
    queue.vectors[column, :-1] += 3.0
    changed = (gradients() != before).any(1)
    assert not changed[spared].any()
    assert changed.any()


def test_at_first_there_is_nothing_to_tell_apart(pairs):
    learner = new_learner(pairs, **objective("moco", queue_size=FULL))
    first, second = batches_of(learner, pairs)[:2]
    before = copied(learner.towers.state())
    assert learner.step(first, 0.05) == 0
    assert_same(learner.towers.state(), before)
    assert learner.step(second, 0.05) > 0


def test_the_queues_hold_the_keys_of_the_last_batches(pairs):
    learner = new_learner(pairs, **objective("moco", queue_size=500, momentum=0.8))
    (moco,) = learner.objective.parts
    items, users = [], []
    for batch in batches_of(learner, pairs, 2):
        learner.step(batch, 0.05)
        items += batch.items[batch.candidate_slots].tolist()
        users += batch.query_users.tolist()
    assert sorted(moco.items.held()[0].tolist()) == sorted(items)
    assert sorted(moco.users.held()[0].tolist()) == sorted(users)
    assert not moco.items.vectors.requires_grad
    assert max(users) < USERS


def test_with_momentum_nought_keys_are_what_the_towers_give(pairs):
    learner = new_learner(pairs, **objective("moco", queue_size=FULL, momentum=0.0))
    (moco,) = learner.objective.parts
    batches = batches_of(learner, pairs)
    learner.step(batches[0], 0.05)
    step = step_of(learner, batches[1])
    moco(step)
    users, items = moco._keys
    torch.testing.assert_close(users, step.contrast.queries.detach())
    torch.testing.assert_close(items, step.contrast.candidates.detach())


def test_it_learns_beside_a_main_loss(pairs):
    learner = new_learner(pairs, objective=(Method(name="moco", weight=0.5, settings={"queue_size": FULL}),))
    batches = batches_of(learner, pairs, 3)
    learner.step(batches[0], 0.05)
    step = step_of(learner, batches[1])
    main, moco = learner.objective.parts
    torch.testing.assert_close(learner.objective(step), main(step) + 0.5 * moco(step))
