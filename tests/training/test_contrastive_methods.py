"""Every loss, similarity, temperature, source of negatives and objective: each learns, repeats itself, and goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from planted_log import USERS, all_queries, recall_of_group

from recsys_cl.contrast.mixture import OBJECTIVES, TEMPERINGS
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.errors import TrainingError
from recsys_cl.families import member, members
from recsys_cl.retrieval.exact import rank_exact
from recsys_cl.settings import Method
from recsys_cl.towers.two_tower import CANDIDATE_ENCODERS, QUERY_ENCODERS, SIMILARITIES, TwoTower
from recsys_cl.training.learner import Learner
from recsys_cl.training.loop import dealt, tower_spec, train

# What methods need to learn a small pattern in a few epochs, where their defaults are for larger logs.
SETTINGS: dict[str, dict[str, Any]] = {
    "bpr": {"negatives": 8},
    "byol": {"momentum": 0.9},
    "cosine_contrastive": {
        "negative_weight": 10.0
    },  # a quarter of the items are of one's own group, which it pushes away
    "moco": {"queue_size": 200, "momentum": 0.9},
}
MEAN_WITHIN = {"temperature": 0.5}  # a mean of e^(s/t) is that of the best positive alone where t is low


@dataclass
class Case:
    """One way to learn."""

    name: str
    changes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def method(name, **settings):
    return Method(name=name, settings=SETTINGS.get(name, {}) | settings)


def of_losses():
    for name in members(LOSSES):
        distance = getattr(member(LOSSES, name), "NEEDS_DISTANCE", False)
        changes = {"similarity": "euclidean"} if distance else MEAN_WITHIN if name == "bilateral_softmax" else {}
        yield Case(f"loss {name}", {"loss": method(name), **changes})
    yield Case("loss info_nce, two-sided", {"loss": method("info_nce", two_sided=True)})
    yield Case("loss supcon, in", {"loss": method("supcon", form="in"), **MEAN_WITHIN})
    yield Case("loss triplet, all, by rank", {"loss": method("triplet", mining="all", by_rank=True)})
    yield Case("loss triplet, hard", {"loss": method("triplet", mining="hard")})


def fitting(family, similarity):
    """Give the encoders that give what a similarity compares."""
    wanted = member(SIMILARITIES, similarity).GAUSSIAN
    encoders = {name: member(family, name).Encoder for name in members(family)}
    return [
        name
        for name, encoder in encoders.items()
        if encoder.gaussian == wanted and not getattr(encoder, "takes_features", False)
    ]


def of_similarities():
    for name in members(SIMILARITIES):
        for query in fitting(QUERY_ENCODERS, name):
            for candidate in fitting(CANDIDATE_ENCODERS, name):
                encoders = {"query_encoder": query, "candidate_encoder": candidate}
                yield Case(f"{name} of {query}", {"similarity": name, **encoders})


def of_objectives():
    for name in members(OBJECTIVES):
        contrasts = getattr(member(OBJECTIVES, name), "USES_NEGATIVES", True)
        main = {} if contrasts else {"loss": None}
        yield Case(f"objective {name}", {"objective": (method(name),), **main})
    yield Case("objective moco alone", {"objective": (method("moco"),), "loss": None})


CASES = [
    *of_losses(),
    *of_similarities(),
    *(Case(f"temperature {name}", {"tempering": method(name)}) for name in members(TEMPERINGS)),
    *of_objectives(),
    Case("no negatives but in the batch", {"uniform_negatives": 0}),
    Case("uniform negatives alone", {"in_batch_negatives": False, "uniform_negatives": 16}),
    Case("popular negatives alone", {"in_batch_negatives": False, "uniform_negatives": 0, "popular_negatives": 16}),
    Case("all negatives", {"popular_negatives": 8, "queue_size": 100, "queue_after": 3}),
    Case("hardest negatives", {"hardest_negatives": 8, "hardest_after": 3}),
]
KEEPING = [*of_objectives(), *(case for case in CASES if {"tempering", "queue_size"} & case.changes.keys())]
"""What keeps more between steps than towers and optimisers do."""


class Killed(BaseException):
    """Stands for a process that ends without a word."""


def run(pairs, config, **options):
    return train(pairs, USERS, config, **{"ordered": True, "seed": 0, "device": "cpu", **options})


def same(left, right):
    return all(torch.equal(tensor, right.towers.state()[name]) for name, tensor in left.towers.state().items())


def losses(trained):
    return [record["loss"] for record in trained.curve]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_finds_the_pattern_one_seed_gives_one_result_and_a_kill_changes_nothing(
    case, planted, small_cuts, tmp_path, monkeypatch
):
    config = small_cuts.model_copy(update=case.changes)
    whole = run(planted, config)
    assert recall_of_group(whole.towers, planted) > 0.9
    assert losses(whole)[-1] < losses(whole)[0]
    assert losses(run(planted, config, epochs=1, seed=1)) != losses(whole)[:1]

    whole.towers.save(tmp_path)
    loaded, asked = TwoTower.load(tmp_path), all_queries(planted)
    ranked = [
        rank_exact(towers.query_vectors(asked), towers.item_vectors(), planted.histories, 10)
        for towers in (whole.towers, loaded)
    ]
    np.testing.assert_array_equal(ranked[0].item_nums, ranked[1].item_nums)
    np.testing.assert_array_equal(ranked[0].scores, ranked[1].scores)

    honest, steps = Learner.step, iter(range(1 + 7 * CASES.index(case) % 41))  # of sixty; another for each case

    def step(learner, batch, rate):
        if next(steps, None) is None:
            raise Killed
        return honest(learner, batch, rate)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", step)
        with pytest.raises(Killed):
            run(planted, config.model_copy(update={"checkpoint_seconds": 1e-9}), checkpoints=tmp_path / "ck")
    resumed = run(planted, config, checkpoints=tmp_path / "ck")
    assert resumed.resumed
    assert losses(resumed) == losses(whole)
    assert same(resumed, whole)


def states(learner):
    held = {**learner.state(), **learner.towers.state()}
    return {name: tensor.clone() for name, tensor in held.items()}


@pytest.mark.parametrize("case", KEEPING, ids=str)
def test_a_step_that_is_not_finite_changes_nothing_at_all(case, planted, small_cuts):
    config = small_cuts.model_copy(update=case.changes)
    learner = Learner(planted, tower_spec(planted, USERS, config, ordered=True), config, 0, torch.device("cpu"))
    *batches, last = list(dealt(planted, learner.towers, config, ordered=True, seed=0).epoch(1))
    for batch in batches:
        assert math.isfinite(learner.step(batch, 0.05))
    columns = last.positives % len(last.candidate_slots)
    learner.towers.tables["item"][last.items[last.candidate_slots[columns[0]]]] = math.nan
    before = states(learner)
    assert not math.isfinite(learner.step(last, 0.05))
    for name, tensor in states(learner).items():
        assert torch.equal(tensor.nan_to_num(-77), before[name].nan_to_num(-77)), name


def test_a_weight_whose_gradient_is_not_finite_changes_nothing_either(planted, small_cuts):
    config = small_cuts.model_copy(update={"tempering": Method(name="learned")})
    learner = Learner(planted, tower_spec(planted, USERS, config, ordered=True), config, 0, torch.device("cpu"))
    batches = list(dealt(planted, learner.towers, config, ordered=True, seed=0).epoch(1))
    learner.step(batches[0], 0.05)
    learner.objective.tempering.log_temperature.register_hook(lambda gradient: gradient * math.nan)
    before = states(learner)
    assert not math.isfinite(learner.step(batches[1], 0.05))
    assert all(
        torch.equal(tensor.nan_to_num(-77), before[name].nan_to_num(-77)) for name, tensor in states(learner).items()
    )


@pytest.mark.parametrize("case", list(of_objectives()), ids=str)
def test_an_objective_that_is_not_finite_stops_training_and_what_was_good_goes_on(
    case, planted, small_cuts, tmp_path, monkeypatch
):
    config, honest, calls = small_cuts.model_copy(update=case.changes), Learner.step, []
    whole = run(planted, config)

    def step(learner, batch, rate):
        calls.append(batch)
        if len(calls) == 23:  # step 2 of epoch 3: ten steps an epoch
            learner.towers.tables["item"].fill_(math.nan)
        return honest(learner, batch, rate)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", step)
        with pytest.raises(TrainingError, match="epoch 3, step 2, a batch of 16 queries") as caught:
            run(planted, config.model_copy(update={"checkpoint_seconds": 1e-9}), checkpoints=tmp_path / "ck")
    assert f"The last good checkpoint is {tmp_path / 'ck' / 'last'}" in str(caught.value)
    assert same(run(planted, config, checkpoints=tmp_path / "ck"), whole)
