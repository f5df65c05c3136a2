"""Learning without negatives: what keeps all vectors from becoming one, and that they do where it is taken away."""

from __future__ import annotations

import numpy as np
import pytest
from planted_log import GROUPS, USERS, all_queries, mixed_histories, recall_of_group

from recsys_cl.config import PairsConfig
from recsys_cl.pairs.pair_set import write_pairs
from recsys_cl.settings import Method
from recsys_cl.training.loop import train


def units(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def mean_cosine(vectors):
    """Return the mean cosine of two different vectors; 1 where all point the same way."""
    whole, n = units(vectors).sum(0), len(vectors)
    return (whole @ whole - n) / (n * (n - 1))


def effective_rank(vectors):
    """Return e to the entropy of the energies of directions (Roy and Vetterli, 2007); 1 where there is but one."""
    energies = np.linalg.svd(units(vectors), compute_uv=False) ** 2
    shares = energies / energies.sum()
    return float(np.exp(-(shares * np.log(np.maximum(shares, 1e-12))).sum()))


@pytest.fixture
def mixed(tmp_path):
    """Return pairs of groups that hang together; where they do not, each has a point of its own to fall into."""
    return write_pairs(mixed_histories(), tmp_path / "pairs", PairsConfig())


def learned(pairs, config, seed, **settings):
    byol = Method(name="byol", settings={"momentum": 0.9, **settings})
    changes = {"loss": None, "objective": (byol,), "item_bias": False, "epochs": 40}
    trained = train(pairs, USERS, config.model_copy(update=changes), ordered=False, seed=seed, device="cpu")
    return trained, trained.towers.query_vectors(all_queries(pairs)), trained.towers.item_vectors()


@pytest.mark.parametrize("seed", [0, 1])
def test_with_predictor_and_stop_gradient_vectors_stay_apart(mixed, small_cuts, seed):
    trained, users, items = learned(mixed, small_cuts, seed)
    for vectors in (users, items):
        assert mean_cosine(vectors) < 0.85
        assert effective_rank(vectors) > 1.9
    assert recall_of_group(trained.towers, mixed) > 0.9


@pytest.mark.parametrize("lacking", ["predictor", "stop_gradient"])
def test_without_either_they_become_one(mixed, small_cuts, lacking):
    trained, users, items = learned(mixed, small_cuts, 0, **{lacking: False})
    for vectors in (users, items):
        assert mean_cosine(vectors) > 0.99
        assert effective_rank(vectors) < 1.1
    assert trained.curve[-1]["loss"] < 1e-3
    assert recall_of_group(trained.towers, mixed) < 2.5 / GROUPS
