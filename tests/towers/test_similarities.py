"""Similarities: each by its own definition, as one inner product, searched by every index, and learned from."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch.distributions import Independent, Normal, kl_divergence

from recsys_cl.errors import ConfigError
from recsys_cl.families import member, members
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.retrieval.exact import rank_exact
from recsys_cl.retrieval.faiss_index import KINDS, FaissIndex
from recsys_cl.retrieval.search import Search
from recsys_cl.towers.gaussian import with_variances
from recsys_cl.towers.inputs import CandidateInputs, QueryInputs
from recsys_cl.towers.spec import TowerSpec, shared_out
from recsys_cl.towers.two_tower import CANDIDATE_ENCODERS, QUERY_ENCODERS, SIMILARITIES, TwoTower, require_comparable

NAMES = members(SIMILARITIES)
USERS, ITEMS, DIM = 12, 150, 8


def module_of(name):
    return member(SIMILARITIES, name)


def halves(vector):
    return vector[: len(vector) // 2], vector[len(vector) // 2 :]


def cosine(query, item):
    lengths = math.sqrt(sum(x * x for x in query)) * math.sqrt(sum(x * x for x in item))
    return sum(x * y for x, y in zip(query, item, strict=True)) / lengths if lengths else 0.0


def dot(query, item):
    return sum(x * y for x, y in zip(query, item, strict=True))


def euclidean(query, item):
    return -(math.dist(query, item) ** 2)


def kl(query, item):
    user, thing = (
        Independent(Normal(torch.from_numpy(mean), torch.from_numpy(variance).sqrt()), 1)
        for mean, variance in (np.array(halves(query)), np.array(halves(item)))
    )
    return -float(kl_divergence(thing, user))


def wasserstein(query, item):
    """The distance of any two Gaussians: |m - n|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2)."""
    (mean, variance), (other_mean, other_variance) = halves(query), halves(item)
    left, right = np.diag(variance), np.diag(other_variance)
    root = sqrtm(left)
    apart = np.trace(left + right - 2 * sqrtm(root @ right @ root).real)
    return -(math.dist(mean, other_mean) ** 2) - float(apart)


SLOW = {"cosine": cosine, "dot": dot, "euclidean": euclidean, "kl": kl, "wasserstein": wasserstein}


def encoded(name, n, seed, dim=DIM, dtype=torch.float64, size=1.0):
    """Give vectors as encoders give them: points, or means and variances."""
    drawn = size * torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    if module_of(name).GAUSSIAN:
        return torch.hstack([drawn[:, : dim // 2], drawn[:, dim // 2 :].exp()])
    return drawn


def slow_scores(name, queries, items):
    """Compare each query with each item, one pair at a time."""
    return np.array([[SLOW[name](one, other) for other in items.tolist()] for one in queries.tolist()])


def scores_of(name, queries, items):
    return module_of(name).queries(queries) @ module_of(name).candidates(items).T


def test_every_similarity_is_tested():
    assert sorted(SLOW) == NAMES


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10**6), half=st.integers(1, 5), size=st.sampled_from([0.1, 1.0, 3.0]))
@settings(max_examples=15)
def test_inner_products_are_the_similarity(name, seed, half, size):
    queries, items = (encoded(name, n, seed + n, 2 * half, size=size) for n in (3, 4))
    for mapped in (module_of(name).queries(queries), module_of(name).candidates(items)):
        assert mapped.shape[1] == module_of(name).dim(2 * half)
    np.testing.assert_allclose(scores_of(name, queries, items), slow_scores(name, queries, items), rtol=1e-7, atol=1e-7)


def test_by_hand():
    query, item = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]])
    points = {name: scores_of(name, query, item).item() for name in ("dot", "cosine", "euclidean")}
    assert points == pytest.approx({"dot": 3.0, "cosine": 0.6, "euclidean": -20.0})
    # A user of mean 1 and variance 4, an item of mean 3 and variance 1: log 2 + (1 + 2^2) / (2 * 4) - 1/2 apart.
    user, thing = torch.tensor([[1.0, 4.0]]), torch.tensor([[3.0, 1.0]])
    assert scores_of("kl", user, thing).item() == pytest.approx(-math.log(2) - 1 / 8)
    assert scores_of("wasserstein", user, thing).item() == pytest.approx(-(2**2) - (2 - 1) ** 2)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "dot"])
def test_nothing_is_more_alike_than_the_same(name):
    vectors = encoded(name, 20, 1)
    scores = scores_of(name, vectors, vectors)
    assert (scores.argmax(0) == torch.arange(20)).all()
    torch.testing.assert_close(scores.diagonal(), torch.full((20,), 1.0 if name == "cosine" else 0.0).double())


def test_a_user_of_wide_taste_is_nearer_to_what_is_far():
    near, far = torch.tensor([[0.0, 1.0]]), torch.tensor([[5.0, 1.0]])
    narrow, wide = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 9.0]])
    assert scores_of("kl", wide, far) > scores_of("kl", narrow, far)
    assert scores_of("kl", wide, near) < scores_of("kl", narrow, near)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(name):
    queries, items = (encoded(name, n, n, 4).requires_grad_() for n in (3, 5))
    assert torch.autograd.gradcheck(lambda q, i: scores_of(name, q, i), (queries, items))


def tower_spec(name, **changes):
    gaussian = module_of(name).GAUSSIAN
    values = {
        "n_users": USERS,
        "n_items": ITEMS,
        "embedding_dim": DIM,
        "query_encoder": "gaussian_history" if gaussian else "aged_history",
        "candidate_encoder": "gaussian_item_id" if gaussian else "item_id",
        "similarity": name,
        "history_length": USERS,
        "readings": shared_out(DIM, [(0.5,)]),
    }
    return TowerSpec(**values | changes)


def random_towers(name, **changes):
    towers = TwoTower(tower_spec(name, **changes))
    generator = torch.Generator().manual_seed(0)
    for table in towers.tables.values():
        table.normal_(generator=generator)
    return towers


def all_users():
    rng = np.random.default_rng(0)
    rows = [rng.choice(ITEMS, size, replace=False) for size in range(1, USERS + 1)]
    flat, indptr = np.concatenate(rows).astype(np.int32), np.cumsum([0, *map(len, rows)])
    histories = Histories(indptr, flat, None, np.ones(len(flat), np.float32), ITEMS)
    return Queries(np.arange(USERS, dtype=np.int32), histories)


def encoded_queries(towers, rows, history, offsets):
    nobody = torch.full((len(offsets) - 1,), -1)
    return towers.query(QueryInputs(rows[:0], nobody, rows, torch.tensor(history), torch.tensor(offsets)))


def encoded_items(towers, rows):
    return towers.candidate(CandidateInputs(rows, torch.arange(len(rows))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("offsets", ["", "bias", "prior", "bias and prior"])
def test_what_is_served_is_ranked_by_the_similarity(name, offsets):
    towers, prior = random_towers(name, item_bias="bias" in offsets), np.linspace(-2, 2, ITEMS, dtype=np.float32)
    if "prior" in offsets:
        towers.set_prior(prior)
    asked = all_users()
    users = encoded_queries(
        towers, towers.tables["context"], asked.histories.item_nums.tolist(), asked.histories.indptr.tolist()
    )
    wanted = slow_scores(name, users.double(), encoded_items(towers, towers.tables["item"]).double())
    wanted += (towers.tables["bias"][:, 0].numpy() if "bias" in offsets else 0) + prior * ("prior" in offsets)
    queries, vectors = towers.query_vectors(asked), towers.item_vectors()
    assert queries.shape[1] == vectors.shape[1] == towers.compared_dim + bool(offsets)
    best = -np.sort(-wanted, axis=1)[:, :20]
    found = {"": rank_exact(queries, vectors, None, 20)}
    for kind in members(KINDS):
        index = FaissIndex.build(kind, vectors)
        found[kind] = Search(index.exhaustive())(queries, 20)
    for kind, matches in found.items():
        reached = np.take_along_axis(wanted, matches.item_nums.astype(np.int64), axis=1)
        if kind[-3:] in {"sq8", "sq4"}:  # rounded vectors
            assert np.mean(reached >= best[:, -1:] - 1e-4) > (0.9 if kind[-3:] == "sq8" else 0.5), kind
        else:
            np.testing.assert_allclose(reached, best, rtol=1e-4, atol=1e-4, err_msg=kind)
            np.testing.assert_allclose(matches.scores, best, rtol=1e-4, atol=1e-4, err_msg=kind)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0.0, 1e-12, 1.0, 1e3])
@pytest.mark.parametrize("spread", [0.0, -1e4, 1e4])
def test_zeros_and_extremes_stay_finite(name, size, spread):
    towers, leaves = random_towers(name), []
    for table in ("context", "item"):
        rows = size * towers.tables[table][:4]
        if module_of(name).GAUSSIAN:
            rows[:, DIM // 2 :] = spread  # variances, before they are made positive
        rows[1] = rows[0]
        leaves.append(rows.requires_grad_())
    users = encoded_queries(towers, leaves[0], [0, 1, 2, 0], [0, 3, 4, 4])  # of the last one nothing is known
    found = scores_of(name, users, encoded_items(towers, leaves[1]))
    assert torch.isfinite(found).all()
    assert all(torch.isfinite(one).all() for one in torch.autograd.grad(found.sum(), leaves))


def test_variances_are_positive_and_sum_to_about_one():
    mean, free = torch.zeros(3, 4), torch.tensor([[0.0], [-1e4], [2.0]]).expand(3, 4)
    variances = with_variances(mean, free)[:, 4:]
    assert (variances > 0).all()
    assert variances.sum(1).tolist() == pytest.approx([math.log(2) + 0.01, 0.01, math.log1p(math.e**2) + 0.01])


@pytest.mark.parametrize("name", NAMES)
def test_points_and_gaussians_are_not_compared_with_each_other(name):
    wanted = module_of(name).GAUSSIAN
    for query, candidate in itertools.product(members(QUERY_ENCODERS), members(CANDIDATE_ENCODERS)):
        sound = [
            member(family, one).Encoder.gaussian == wanted
            for family, one in ((QUERY_ENCODERS, query), (CANDIDATE_ENCODERS, candidate))
        ]
        if all(sound):
            require_comparable(query, candidate, name)
            continue
        with pytest.raises(ConfigError) as caught:
            require_comparable(query, candidate, name)
        wrong, able = (query, QUERY_ENCODERS) if not sound[0] else (candidate, CANDIDATE_ENCODERS)
        message = str(caught.value)
        assert repr(name) in message
        assert repr(wrong) in message
        remedies = [one for one in members(able) if member(able, one).Encoder.gaussian == wanted]
        assert all(one in message for one in [*remedies, "--similarity"])
    with pytest.raises(ConfigError, match="similarity"):
        TwoTower(tower_spec(name, query_encoder="history" if wanted else "gaussian_history"))


def test_an_odd_number_of_columns_has_no_halves():
    with pytest.raises(ConfigError, match="even --embedding-dim, not 7"):
        TwoTower(tower_spec("kl", embedding_dim=7, readings=shared_out(7, [(0.0,)])))


@pytest.mark.parametrize("name", members(SIMILARITIES))
def test_leading_coordinates_point_where_the_vector_does(name):
    module = member(SIMILARITIES, name)
    drawn = torch.rand(5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    place = module.candidates(drawn)[:, : module.point_dim(6)]
    expected = {"kl": drawn[:, :3], "wasserstein": torch.hstack([drawn[:, :3], drawn[:, 3:].sqrt()])}.get(name, drawn)
    torch.testing.assert_close(torch.nn.functional.normalize(place), torch.nn.functional.normalize(expected))
