"""Adversarial training: vectors moved to where it hurts, by no more than was allowed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from one_step import batches_of, new_learner, small_pairs, step_of

from recsys_cl.contrast.objectives.adversarial import _moved
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.errors import ConfigError
from recsys_cl.families import members
from recsys_cl.settings import Method

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return small_pairs(tmp_path_factory.mktemp("a"))


def made(pairs, loss="sampled_softmax", **settings):
    """Give main objective, adversary and a step after some were taken."""
    similarity = "euclidean" if loss == "margin" else "cosine"
    learner = new_learner(
        pairs,
        loss=Method(name=loss),
        similarity=similarity,
        objective=(Method(name="adversarial", settings=settings),),
    )
    batches = batches_of(learner, pairs, 2)
    for batch in batches[:5]:
        learner.step(batch, 0.02)
    main, adversary = learner.objective.parts
    return main, adversary, step_of(learner, batches[5])


@pytest.mark.parametrize("loss", members(LOSSES))
@pytest.mark.parametrize("steps", [1, 3])
def test_moved_a_little_the_loss_is_no_lower(pairs, loss, steps):
    main, adversary, step = made(pairs, loss, epsilon=1e-3, steps=steps)
    honest, moved = main(step).item(), adversary(step).item()
    assert moved >= honest - 1e-6 * abs(honest)
    assert moved - honest < 0.5 * (1 + abs(honest))
    if loss != "triplet":  # which may have nothing left to learn
        assert moved > honest


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("epsilon", [0.01, 0.7])
def test_no_embedding_is_moved_further_than_allowed(pairs, steps, epsilon):
    main, adversary, step = made(pairs, epsilon=epsilon, steps=steps)
    moves = adversary._worst(main, step)
    assert set(moves) == {"context", "item"}
    for name, move in moves.items():
        assert not move.requires_grad
        shares = move.norm(dim=1) / step.rows[name].detach().norm(dim=1)
        assert (shares <= epsilon * (1 + 1e-5)).all()
        if steps == 1:
            torch.testing.assert_close(shares[shares > 0], torch.full_like(shares[shares > 0], epsilon))
        assert (shares > 0).any()


def test_one_step_goes_along_the_gradient(pairs):
    main, adversary, step = made(pairs, epsilon=0.2)
    moves = adversary._worst(main, step)
    leaves = {name: rows.detach().requires_grad_() for name, rows in step.rows.items()}
    main(replace(step, rows=leaves)).backward()
    for name, move in moves.items():
        gradient = leaves[name].grad
        cosines = torch.nn.functional.cosine_similarity(move, gradient)[gradient.norm(dim=1) > 1e-6]
        torch.testing.assert_close(cosines, torch.ones_like(cosines))


def test_more_steps_find_about_as_bad_a_place_or_a_worse_one(pairs):
    losses = {}
    for steps in (1, 8):
        _, adversary, step = made(pairs, "info_nce", epsilon=1.0, steps=steps)
        seeds = (replace(step, rows=somewhere(step, seed)) for seed in range(25))
        losses[steps] = np.array([adversary(one).item() for one in seeds])
    assert (losses[8] > 0.97 * losses[1]).all()
    assert losses[8].mean() > losses[1].mean()


def somewhere(step, seed):
    """Give rows of the step's shapes, drawn."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(rows.shape, generator=generator).requires_grad_() for name, rows in step.rows.items()}


def test_what_was_found_only_teaches(pairs):
    main, adversary, step = made(pairs, epsilon=0.3, steps=2)
    found = adversary(step)
    fixed = main(replace(step, rows=_moved(step.rows, adversary._worst(main, step))))
    torch.testing.assert_close(found, fixed)
    leaves = list(step.rows.values())
    for left, right in zip(
        *(torch.autograd.grad(loss, leaves, retain_graph=True) for loss in (found, fixed)), strict=True
    ):
        torch.testing.assert_close(left, right)


@pytest.mark.parametrize("similarity", ["kl", "wasserstein", "euclidean"])
def test_whatever_is_moved_stays_what_its_similarity_compares(pairs, similarity):
    encoders = {"query_encoder": "gaussian_history", "candidate_encoder": "gaussian_item_id"}
    learner = new_learner(
        pairs,
        similarity=similarity,
        objective=(Method(name="adversarial", settings={"epsilon": 2.0}),),
        **({} if similarity == "euclidean" else encoders),
    )
    for batch in batches_of(learner, pairs, 1):
        assert np.isfinite(learner.step(batch, 0.02))


def test_without_a_main_loss_there_is_nothing_to_make_worse(pairs):
    with pytest.raises(ConfigError, match="name one by --loss"):
        new_learner(pairs, loss=None, objective=(Method(name="adversarial"),))
