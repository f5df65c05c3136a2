"""The learning rate: rises, then stays or falls."""

from __future__ import annotations

from itertools import pairwise

import pytest

from recsys_cl.config import TrainConfig
from recsys_cl.training.schedule import learning_rate


def rates(total, **settings):
    config = TrainConfig(learning_rate=0.2, **settings)
    return [learning_rate(step, total, config) for step in range(total)]


def test_cosine_rises_to_the_highest_rate_and_falls_to_nought():
    path = rates(1000, warmup_steps=50, schedule="cosine")
    assert path[0] == pytest.approx(0.2 / 50)
    assert path[49] == path[50] == pytest.approx(0.2)
    assert path[525] == pytest.approx(0.1)
    assert all(later < earlier for earlier, later in pairwise(path[50:]))
    assert 0 < path[-1] < 1e-5


def test_constant_stays_where_the_warm_up_ends():
    path = rates(100, warmup_steps=5, schedule="constant")
    assert path[:5] == pytest.approx([0.04, 0.08, 0.12, 0.16, 0.2])
    assert path[5:] == [0.2] * 95


def test_a_short_training_has_a_short_warm_up():
    assert rates(20, warmup_steps=100, schedule="constant")[2:] == [0.2] * 18
    assert rates(1, warmup_steps=100, schedule="cosine") == [0.2]
