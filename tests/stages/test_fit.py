"""The prior that is taken: one that validation likes better than none by more than chance, or none."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from recsys_cl.config import TrainConfig
from recsys_cl.pairs.histories import Histories
from recsys_cl.stages.fit import best_prior
from recsys_cl.training.prior import PopularityPrior, log_popularity

HISTORIES = Histories(np.array([0, 4]), np.array([0, 0, 1, 2], np.int32), None, np.ones(4, np.float32), 3)
CONFIG = TrainConfig()
TARGET = PopularityPrior(None, 2.0).weighed(log_popularity(HISTORIES, None), CONFIG.temperature)


def judge_by(gain, noise):
    """Give a judge whose users gain so much on average at twice the log of popularity, and differ by so much in it."""

    def marks_by(scores, prior=None):
        near = 0.0 if prior is None else max(0.0, 1.0 - float(np.abs(prior - TARGET).sum() / np.abs(TARGET).sum()))
        return near * (gain + noise * np.tile([-1.0, 1.0], 50))

    return SimpleNamespace(marks_by=marks_by)


@pytest.mark.parametrize(("gain", "noise", "strength"), [(0.1, 0.1, 2.0), (0.1, 1.0, 0.0), (0.0, 0.0, 0.0)])
def test_a_prior_is_taken_only_where_it_is_better_by_more_than_chance(gain, noise, strength):
    judge = judge_by(gain, noise)
    prior, marks = best_prior(HISTORIES, CONFIG, torch.zeros(100, 3), judge)
    assert prior.strength == strength
    assert prior.validation == pytest.approx(marks.mean()) == pytest.approx(gain if strength else 0.0)


def test_none_is_taken_where_none_is_wanted():
    config = CONFIG.model_copy(update={"popularity_prior": False})
    prior, marks = best_prior(HISTORIES, config, torch.zeros(100, 3), judge_by(0.1, 0.0))
    assert prior == PopularityPrior(None, 0.0, 0.0)
    assert (marks == 0).all()
