"""A small log, and its training steps as objectives see them."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch

from recsys_cl.config import PairsConfig, TrainConfig
from recsys_cl.contrast.step import Numbers
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.pair_set import write_pairs
from recsys_cl.settings import Method
from recsys_cl.training.learner import Learner
from recsys_cl.training.loop import dealt, tower_spec

USERS, ITEMS = 24, 16


def small_pairs(folder, seed=0):
    """Write the pairs of users who took three to seven items."""
    rng = np.random.default_rng(seed)
    rows = [rng.choice(ITEMS, rng.integers(3, 8), replace=False) for _ in range(USERS)]
    flat, indptr = np.concatenate(rows).astype(np.int32), np.cumsum([0, *map(len, rows)])
    histories = Histories(indptr, flat, None, np.ones(len(flat), np.float32), ITEMS)
    return write_pairs(histories, folder / "pairs", PairsConfig())


def small_config(**changes):
    """Give settings for that log: six queries in a step, vectors of four numbers."""
    settings = {"embedding_dim": 4, "batch_size": 6, "window": 2, "uniform_negatives": 5, "temperature": 0.5}
    return TrainConfig(**settings | changes)


def objective(name, **settings):
    """Give the changes that make one objective all that is learned."""
    return {"loss": None, "objective": (Method(name=name, settings=settings),)}


def new_learner(pairs, **changes):
    config = small_config(**changes)
    spec = tower_spec(pairs, USERS, config, ordered=True)
    return Learner(pairs, spec, config, 0, torch.device("cpu"))


def batches_of(learner, pairs, epochs=1):
    deal = dealt(pairs, learner.towers, learner.config, ordered=True, seed=0)
    return [batch for epoch in range(1, epochs + 1) for batch in deal.epoch(epoch)]


def step_of(learner, batch):
    """Give the step that a batch makes, without taking it."""
    numbers = Numbers(**{field.name: as_tensor(getattr(batch, field.name)) for field in fields(Numbers)})
    used = {"user": numbers.users, "context": numbers.history_items, "item": numbers.items, "bias": numbers.items}
    rows = {
        name: learner.rows.current(name, rows, 0.0).values.requires_grad_()
        for name, rows in used.items()
        if len(learner.towers.tables[name])
    }
    return learner._step(batch, numbers, rows)


def as_tensor(array):
    tensor = torch.from_numpy(array)
    return tensor.long() if tensor.dtype == torch.int32 else tensor


def copied(state):
    return {name: tensor.clone() for name, tensor in state.items()}


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor.nan_to_num(-77), right[name].nan_to_num(-77)), name
