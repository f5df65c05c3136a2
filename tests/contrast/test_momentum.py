"""Towers that follow: a dense moving average, by rows, and only of steps that were taken."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from one_step import assert_same, copied

from recsys_cl.contrast.momentum import Following
from recsys_cl.towers.spec import TowerSpec
from recsys_cl.towers.two_tower import TwoTower

USERS, ITEMS = 7, 9


def towers(seed=0):
    spec = TowerSpec(
        n_users=USERS,
        n_items=ITEMS,
        embedding_dim=3,
        query_encoder="history_and_id",
        candidate_encoder="item_id",
        similarity="dot",
        history_length=5,
        item_bias=True,
    )
    made = TwoTower(spec)
    generator = torch.Generator().manual_seed(seed)
    for table in made.tables.values():
        table.normal_(generator=generator)
    return made


def step_with(made, number, users, items):
    """Give a step that uses these rows of the tables."""
    users, items = torch.tensor(users), torch.tensor(items)
    rows = {"user": made.tables["user"][users].requires_grad_(), "item": made.tables["item"][items].requires_grad_()}
    return SimpleNamespace(
        towers=made, number=number, rows=rows, numbers=SimpleNamespace(users=users, items=items, history_items=items)
    )


def learn(made, step, generator):
    """Move what a step uses, as if it had been taken."""
    for name, used in (("user", step.numbers.users), ("item", step.numbers.items)):
        made.tables[name][used] += torch.randn(len(used), 3, generator=generator)
    with torch.no_grad():
        made.query.history_scale += torch.randn(3, generator=generator)


def some(generator, n, most):
    return sorted(
        torch.randperm(n, generator=generator)[: int(torch.randint(1, most + 1, (), generator=generator))].tolist()
    )


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("all_rows", [True, False])
def test_it_is_the_moving_average_of_all_that_was_learned(momentum, all_rows):
    made, generator = towers(), torch.Generator().manual_seed(1)
    following = Following(made, momentum)
    average = {name: made.tables[name].clone() for name in ("user", "item")}
    scale = made.query.history_scale.detach().clone()
    for number in range(25):
        used = (range(USERS), range(ITEMS)) if all_rows else (some(generator, USERS, 4), some(generator, ITEMS, 4))
        step = step_with(made, number, *map(list, used))
        rows = following.follow(step)
        for name, numbers in (("user", step.numbers.users), ("item", step.numbers.items)):
            torch.testing.assert_close(rows[name], average[name][numbers], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(following.query.history_scale.detach(), scale)
        learn(made, step, generator)
        following.observe(step)
        for name, table in average.items():
            table.lerp_(made.tables[name], 1 - momentum)
        scale.lerp_(made.query.history_scale.detach(), 1 - momentum)


def test_a_row_that_was_not_used_for_some_steps_has_followed_by_all_of_them():
    made, momentum = towers(), 0.9
    following = Following(made, momentum)
    before = made.tables["item"][2].clone()
    first = step_with(made, 4, [0], [2])
    following.follow(first)
    made.tables["item"][2] += 5
    following.observe(first)
    for gap in (1, 3, 50):
        (found,) = following.follow(step_with(made, 4 + gap, [0], [2]))["item"]
        torch.testing.assert_close(found, before + (1 - momentum**gap) * 5)


def test_what_a_row_was_before_it_was_first_used_does_not_matter():
    made = towers()
    following = Following(made, 0.99)
    made.set_state(towers(seed=5).state())  # learning starts from other towers
    with torch.no_grad():
        made.query.history_scale.fill_(3.0)
    rows = following.follow(step_with(made, 0, [1, 2], [3]))
    torch.testing.assert_close(rows["user"], made.tables["user"][1:3])
    assert (following.query.history_scale == 3).all()
    rows = following.follow(step_with(made, 40, [5], [6]))
    torch.testing.assert_close(rows["item"], made.tables["item"][6:7])


def test_a_step_that_was_not_taken_changes_nothing():
    made, generator = towers(), torch.Generator().manual_seed(1)
    following = Following(made, 0.9)
    for number in range(3):
        step = step_with(made, number, [0, 1], [number])
        following.follow(step)
        learn(made, step, generator)
        following.observe(step)
    before, table = copied(following.state_dict()), made.tables["item"].clone()
    following.follow(step_with(made, 3, [0, 2], [0, 1, 8]))
    assert_same(following.state_dict(), before)
    assert torch.equal(made.tables["item"], table)


def test_it_takes_no_gradient_and_goes_on_after_being_saved():
    made = towers()
    following, other = Following(made, 0.9), Following(towers(seed=3), 0.9)
    step = step_with(made, 0, [0, 1, 2], [4, 5])
    assert not any(rows.requires_grad for rows in following.follow(step).values())
    learn(made, step, torch.Generator().manual_seed(0))
    following.observe(step)
    assert not any(weight.requires_grad for weight in following.parameters())
    other.load_state_dict(following.state_dict())
    later = step_with(made, 3, [1, 6], [0, 4])
    for left, right in zip(following.follow(later).values(), other.follow(later).values(), strict=True):
        assert torch.equal(left, right)
    assert torch.equal(following.towers.tables["item"], other.towers.tables["item"])


def test_a_bias_is_not_followed():
    assert not any("bias" in name for name in Following(towers(), 0.9).state_dict())
