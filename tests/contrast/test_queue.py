"""The queue: first in, first out; and as negatives in the main loss, as if the batch had been so much larger."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_step import batches_of, new_learner, small_pairs, step_of

from recsys_cl.contrast.queue import ItemQueue, require_room
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.errors import ConfigError
from recsys_cl.families import member, members
from recsys_cl.settings import Method

pytestmark = pytest.mark.usefixtures("one_thread")
NEITHER = {"margin", "alignment_uniformity"}  # one needs distances, the other has no negatives


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return small_pairs(tmp_path_factory.mktemp("q"))


def held(queue):
    items, vectors = queue.held()
    return sorted(zip(items.tolist(), map(tuple, vectors.tolist()), strict=True))


def pushed(queue, *items):
    """Push items, each with its own number as its vector."""
    numbers = torch.tensor(items, dtype=torch.int64)
    queue.push(numbers, numbers.unsqueeze(1).float(), torch.Generator().manual_seed(len(items)))


@given(size=st.integers(1, 7), counts=st.lists(st.integers(0, 12), max_size=8))
@settings(max_examples=60)
def test_the_last_that_came_in_are_held(size, counts):
    queue, pushes, number = ItemQueue(size, 1), [], 0
    for count in counts:
        pushes.append(range(number, number + count))
        pushed(queue, *pushes[-1])
        number += count
        found, room = {item for item, _ in held(queue)}, size
        assert held(queue) == [(item, (float(item),)) for item in sorted(found)]
        for push in reversed(pushes):
            assert len(found & set(push)) == min(room, len(push))
            room -= min(room, len(push))
        assert len(found) == size - room


def test_of_a_push_that_is_too_large_or_half_gone_any_may_be_left():
    left, generator = np.zeros((2, 8)), torch.Generator().manual_seed(0)
    for _ in range(400):
        queue, items = ItemQueue(6, 1), torch.arange(8)
        queue.push(items, torch.zeros(8, 1), generator)
        np.add.at(left[0], queue.held()[0].numpy(), 1)
        queue.push(items[:3] + 8, torch.zeros(3, 1), generator)
        np.add.at(left[1], [item for item in queue.held()[0].tolist() if item < 8], 1)
    assert (np.abs(left - [[300], [150]]) < 50).all()  # six of eight, then three


def test_it_goes_on_after_being_saved_and_is_full_only_once_it_is():
    queue, other = ItemQueue(5, 1), ItemQueue(5, 1)
    for count, items in ((3, (0, 1, 2)), (5, (3, 4, 5)), (5, (6, 7, 8))):
        pushed(queue, *items)
        assert len(queue.held()[0]) == count
    other.load_state_dict(queue.state_dict())
    for one in (queue, other):
        pushed(one, 20, 21)
    assert held(queue) == held(other)
    assert {6, 7, 8, 20, 21} == {item for item, _ in held(queue)}


def test_what_is_held_is_as_it_was_and_teaches_nobody():
    queue, vectors = ItemQueue(3, 2), torch.ones(2, 2, requires_grad=True)
    queue.push(torch.tensor([4, 5]), vectors, torch.Generator())
    with torch.no_grad():
        vectors.mul_(9)
    assert (queue.held()[1] == 1).all()
    assert not queue.held()[1].requires_grad


def test_a_queue_that_does_not_hold_a_batch_is_refused(pairs):
    require_room(8, 8, "--queue-size")
    for changes in ({"queue_size": 5}, {"loss": None, "objective": (Method(name="moco", settings={"queue_size": 5}),)}):
        with pytest.raises(ConfigError, match="A queue of 5 does not hold a batch of 6"):
            new_learner(pairs, **changes)


def warm(pairs, steps=7, **changes):
    """Give a learner whose queue is full, and the next batch."""
    learner = new_learner(pairs, queue_size=40, queue_after=0, **changes)
    batches = batches_of(learner, pairs, epochs=3)
    for batch in batches[:steps]:
        learner.step(batch, 0.05)
    return learner, batches[steps]


def enlarged(learner, step, pairs):
    """Give, loop by loop, the contrast whose candidates are the batch's and those of the queue."""
    contrast, queue = step.contrast, learner.objective.parts[0].queue
    items, kept = queue.held()
    n, more, bias = len(contrast.candidates), len(items), step.towers.tables["bias"]
    taken = list(zip(step.numbers.taken_rows.tolist(), step.numbers.taken.tolist(), strict=True))
    candidates = torch.vstack([contrast.candidates.detach(), kept[:, :-1]])
    if step.towers.spec.item_bias:
        beside = torch.cat([bias[step.numbers.candidates], bias[items]])
        candidates = torch.hstack([candidates, beside])
    columns = [*step.numbers.candidates.tolist(), *items.tolist()]
    positives = {row * (n + more) + column for row, column in (divmod(int(one), n) for one in contrast.positives)}
    known = {
        row * (n + more) + column
        for row, item in taken
        for column, other in enumerate(columns)
        if item == other and row * (n + more) + column not in positives
    }
    ones = torch.ones(len(contrast.queries), candidates.shape[1] - contrast.candidates.shape[1])
    return replace(
        contrast,
        queries=torch.hstack([contrast.queries.detach(), ones]).requires_grad_(),
        candidates=candidates.requires_grad_(),
        log_q=torch.cat([contrast.log_q, kept[:, -1]]) + math.log(1 + more / n),
        positives=torch.tensor(sorted(positives)),
        known=torch.tensor(sorted(known)),
    )


@pytest.mark.parametrize("name", [name for name in members(LOSSES) if name not in NEITHER])
@pytest.mark.parametrize("bias", [False, True])
def test_the_loss_is_that_of_the_enlarged_contrast(pairs, name, bias):
    learner, batch = warm(pairs, loss=Method(name=name), item_bias=bias)
    step, module = step_of(learner, batch), member(LOSSES, name)
    given_ = enlarged(learner, step, pairs)
    found, expected = learner.objective(step), module.loss(given_, module.Config())
    torch.testing.assert_close(found, expected)
    # What is in the queue takes no gradient; the batch's own rows take what the enlarged contrast gives them.
    (rows,) = torch.autograd.grad(found, [step.rows["item"]], retain_graph=True)
    expected.backward()
    dim, n = step.contrast.candidates.shape[1], len(step.contrast.candidates)
    (own,) = torch.autograd.grad(step.contrast.candidates, [step.rows["item"]], given_.candidates.grad[:n, :dim])
    torch.testing.assert_close(rows, own, atol=1e-6, rtol=1e-4)


def test_the_queue_waits_until_vectors_change_slowly(pairs):
    losses = {}
    for after in (0, 8):
        learner = new_learner(pairs, queue_size=40, queue_after=after)
        plain = new_learner(pairs)
        losses[after] = [
            (learner.step(batch, 0.05), plain.step(batch, 0.05)) for batch in batches_of(learner, pairs, 3)[:9]
        ]
    assert [one == other for one, other in losses[8]] == [True] * 8 + [False]
    assert [one == other for one, other in losses[0]][:2] == [True, False]


@pytest.mark.parametrize(
    ("targets", "drawn"),
    [
        ("many", {}),
        ("many", {"in_batch_negatives": False}),
        ("one", {"popular_negatives": 4}),
        ("one", {"in_batch_negatives": False}),
    ],
)
def test_with_a_queue_corrected_sums_still_estimate_the_catalogue(pairs, targets, drawn):
    encoder = "aged_history" if targets == "many" else "history"
    learner = new_learner(
        pairs, queue_size=40, queue_after=0, targets=targets, query_encoder=encoder, item_bias=False, **drawn
    )
    values, main = torch.rand(16, generator=torch.Generator().manual_seed(0)), learner.objective.parts[0]
    sums = []
    for batch in batches_of(learner, pairs, epochs=60 // (1 + 3 * (targets == "one"))):
        step = step_of(learner, batch)
        if int(main.queue.filled) == 40:
            items = torch.cat([step.numbers.candidates, main.queue.held()[0]])
            sums.append(float((values[items] * torch.exp(-main._contrast(step).log_q)).sum()))
        main.observe(step)
    assert np.mean(sums) == pytest.approx(float(values.sum()), rel=0.06)
