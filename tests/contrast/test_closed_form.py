"""The solver against numpy's full decomposition, its loss against gradient descent, and what may happen on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.contrast.closed_form.solver import fold_in, solve
from recsys_cl.errors import InputError, IntegrityError
from recsys_cl.progress import Reporter

ROOT = Path(__file__).resolve().parents[2]


class Killed(BaseException):
    """Stands for a process that ends without a word."""


class Blocks(list):
    """Blocks of rows that end the process, or what stands for it, when they are read once too often."""

    def __init__(self, blocks, readings=10**9, end=None):
        super().__init__(blocks)
        self.left, self.end = readings, end

    def __iter__(self):
        self.left -= 1
        if self.left < 0:
            self.end()
        return super().__iter__()


def raise_killed():
    raise Killed


def log_like(users=400, items=300, groups=12, seed=0):
    """A normalised matrix of users who take items of one group more than others, and popular items more than rare."""
    random = np.random.default_rng(seed)
    liking = random.dirichlet(np.full(groups, 0.1), users) @ random.dirichlet(np.full(items, 0.2), groups)
    taken = (random.random((users, items)) < np.minimum(liking * 15, 0.9)).astype(np.float32)
    taken[0, 0] = 1
    rows, columns = np.maximum(taken.sum(1), 1), np.maximum(taken.sum(0), 1)
    return sp.csr_matrix((taken / np.sqrt(rows)[:, None] / np.sqrt(columns)).astype(np.float32))


def cut(matrix, *cuts):
    return [matrix[start:stop] for start, stop in zip((0, *cuts), (*cuts, matrix.shape[0]), strict=True)]


def solved(matrix, dim=10, **options):
    return solve(matrix, dim, **{"tolerance": 1e-7, "max_rounds": 50, "seed": 0, **options})


def assert_same(left, right):
    assert (left.rounds, left.error) == (right.rounds, right.error)
    np.testing.assert_array_equal(left.values, right.values)
    np.testing.assert_array_equal(left.vectors, right.vectors)


def assert_orthonormal(vectors):
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(vectors.shape[1]), atol=1e-5)


@pytest.mark.parametrize("dim", [1, 10, 40])
def test_numpys_leading_pairs_are_found(dim):
    matrix = log_like()
    found = solved(matrix, dim)
    _, values, vectors = np.linalg.svd(matrix.toarray().astype(np.float64))
    assert found.vectors.dtype == found.values.dtype == np.float32
    assert found.error < 1e-7
    assert_orthonormal(found.vectors)
    np.testing.assert_allclose(found.values, values[:dim], rtol=1e-4)
    captured = np.square(vectors @ found.vectors)  # (n_items, dim): each found vector in terms of the true ones
    assert captured[:dim].sum() > dim - 0.01
    largest = np.abs(found.vectors).argmax(0)
    assert (found.vectors[largest, np.arange(dim)] > 0).all()


@st.composite
def matrices(draw):
    rows, columns = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    weights = st.sampled_from([0.0, 0.0, 0.0, 1.0, 0.5, -2.0])
    entries = draw(st.lists(weights, min_size=rows * columns, max_size=rows * columns).filter(any))
    return sp.csr_matrix(np.array(entries, dtype=np.float32).reshape(rows, columns))


@given(matrices(), st.integers(1, 14), st.integers(0, 3))
@settings(max_examples=60)
def test_small_matrices_of_any_rank_are_decomposed_as_far_as_float32_tells(matrix, dim, seed):
    found = solved(matrix, dim, seed=seed)
    true = np.linalg.svd(matrix.toarray().astype(np.float64), compute_uv=False)
    known = len(found.values)
    assert 1 <= known <= dim
    assert_orthonormal(found.vectors)
    np.testing.assert_allclose(found.values**2 / true[0] ** 2, true[:known] ** 2 / true[0] ** 2, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(matrix @ found.vectors, axis=0), found.values, atol=1e-3 * true[0])
    assert (true[known:dim] < 3e-3 * true[0]).all()


@given(st.lists(st.integers(0, 400), max_size=5).map(sorted))
@settings(max_examples=15)
def test_blocks_give_what_the_whole_gives(cuts):
    matrix = log_like()
    whole, blocks = solved(matrix), solved(cut(matrix, *cuts))
    np.testing.assert_allclose(blocks.values, whole.values, rtol=1e-5)
    np.testing.assert_allclose(blocks.vectors @ blocks.vectors.T, whole.vectors @ whole.vectors.T, atol=2e-3)


def test_a_tall_matrix_that_is_cut_within_gives_what_it_gives_in_one_block():
    tall = sp.vstack([log_like(users=400, items=60, seed=seed) for seed in range(3)], format="csr")
    np.testing.assert_allclose(solved(tall).values, solved([tall]).values, rtol=1e-5)


def test_the_seed_decides_all_and_changes_nothing_that_matters():
    matrix = log_like()
    assert_same(solved(matrix, seed=3), solved(matrix, seed=3))
    np.testing.assert_allclose(solved(matrix, seed=3).values, solved(matrix, seed=4).values, rtol=1e-5)


def test_threads_change_nothing_that_matters():
    matrix, threads = log_like(), torch.get_num_threads()
    found = {}
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            found[number] = solved(matrix)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(found[1].values, found[2].values, rtol=1e-5)


def spectral_loss(left, right, joint, of_users, of_items):
    """The loss of the paper's equation 6, entry by entry: users drawn with items, and independently."""
    scores = left @ right.T
    return -2 * (joint * scores).sum() + (of_users[:, None] * of_items * scores**2).sum()


def test_the_closed_form_is_the_least_spectral_contrastive_loss():
    random = np.random.default_rng(0)
    counts = random.poisson(random.gamma(0.3, 2.0, (14, 10))) + 0.0
    counts[:, 0] += 1  # every user took something
    counts[0] += 1  # every item was taken
    joint = counts / counts.sum()
    of_users, of_items = joint.sum(1), joint.sum(0)
    matrix = sp.csr_matrix((joint / np.sqrt(of_users[:, None] * of_items)).astype(np.float32))

    spectrum = solved(matrix, 3)
    users = (matrix @ spectrum.vectors).astype(np.float64) / np.sqrt(of_users)[:, None]
    items = spectrum.vectors.astype(np.float64) / np.sqrt(of_items)[:, None]
    given = [torch.from_numpy(one) for one in (joint, of_users, of_items)]
    closed = float(spectral_loss(torch.from_numpy(users), torch.from_numpy(items), *given))

    reached = [descended(14, 10, 3, given, seed) for seed in range(3)]
    assert min(reached) > closed - 1e-9
    assert reached == pytest.approx([closed] * 3, rel=1e-6)
    assert closed == pytest.approx(-float((spectrum.values.astype(np.float64) ** 2).sum()), rel=1e-6)


def descended(n_users, n_items, dim, given, seed):
    """The loss that gradient descent reaches from random vectors."""
    generator = torch.Generator().manual_seed(seed)
    left, right = (
        torch.randn(n, dim, generator=generator, dtype=torch.float64).requires_grad_() for n in (n_users, n_items)
    )
    optimizer = torch.optim.LBFGS(
        [left, right], max_iter=200, history_size=20, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def step():
        optimizer.zero_grad()
        loss = spectral_loss(left, right, *given)
        loss.backward()
        return loss

    optimizer.step(step)
    return float(spectral_loss(left, right, *given).detach())


def test_rounds_end_when_little_energy_is_missing_and_no_later():
    matrix = log_like(users=900, items=700, groups=200)
    true = np.square(np.linalg.svd(matrix.toarray(), compute_uv=False))[:20].sum()
    rough, fine = (solved(matrix, 20, tolerance=tolerance) for tolerance in (1e-2, 1e-6))
    assert rough.rounds < fine.rounds < 50
    for found, tolerance in ((rough, 1e-2), (fine, 1e-6)):
        assert found.error < tolerance
        assert abs(1 - np.square(found.values.astype(np.float64)).sum() / true) < 3 * tolerance
        # one round less would not have done
        earlier = solved(matrix, 20, tolerance=tolerance, max_rounds=found.rounds - 1)
        assert earlier.error >= tolerance
        assert earlier.rounds == found.rounds - 1


def test_rounds_end_at_their_greatest_number_and_tell_how_far_they_came():
    found = solved(log_like(), tolerance=1e-12, max_rounds=1)
    assert found.rounds == 1
    assert found.error > 1e-12


def test_yesterdays_vectors_save_rounds():
    matrix = log_like(users=900, items=700, groups=200)
    anew = solved(matrix, 20, tolerance=1e-4)
    again = solved(matrix, 20, tolerance=1e-4, start=anew.vectors)
    assert again.rounds < anew.rounds
    np.testing.assert_allclose(again.values, anew.values, rtol=2e-3)


@pytest.mark.parametrize("start", [np.ones((299, 2), np.float32), np.full((300, 2), np.nan, np.float32)])
def test_a_start_that_does_not_fit_is_refused(start):
    with pytest.raises(InputError, match="must have 300 finite rows"):
        solved(log_like(), start=start)


@pytest.mark.parametrize("readings", [1, 2, 3, 6, 9, 14])
def test_killed_at_any_reading_it_ends_the_same(tmp_path, readings):
    blocks = cut(log_like(), 150, 300)
    with pytest.raises(Killed):
        solved(Blocks(blocks, readings, raise_killed), checkpoint=tmp_path / "kept")
    assert_same(solved(blocks, checkpoint=tmp_path / "kept"), solved(blocks))


def test_killed_by_the_system_it_goes_on_from_the_last_round(tmp_path):
    kept = tmp_path / "kept"
    code = f"""
import os, pathlib, signal
from test_closed_form import Blocks, cut, log_like, solved
end = lambda: os.kill(os.getpid(), signal.SIGKILL)
solved(Blocks(cut(log_like(), 150, 300), 9, end), checkpoint=pathlib.Path({str(kept)!r}))
"""
    here, environment = ROOT / "tests" / "contrast", os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=here, env=environment, check=False)
    assert done.returncode == -9
    assert [path.name for path in kept.iterdir()] == ["last"]
    blocks = Blocks(cut(log_like(), 150, 300))
    found = solved(blocks, checkpoint=kept)
    assert_same(found, solved(cut(log_like(), 150, 300)))
    fresh = Blocks(cut(log_like(), 150, 300))
    solved(fresh)
    assert blocks.left > fresh.left  # it did not begin anew


def test_a_finished_checkpoint_is_taken_as_it_is(tmp_path):
    first = solved(log_like(), checkpoint=tmp_path)
    blocks = Blocks(cut(log_like()), 1, raise_killed)
    assert_same(solved(blocks, checkpoint=tmp_path), first)  # one reading: to see that it is the same matrix


def test_the_checkpoint_of_another_matrix_is_left_alone(tmp_path):
    solved(log_like(seed=1), checkpoint=tmp_path)
    assert_same(solved(log_like(), checkpoint=tmp_path), solved(log_like()))


def test_a_damaged_checkpoint_is_found(tmp_path):
    solved(log_like(), checkpoint=tmp_path)
    basis = tmp_path / "last" / "basis.safetensors"
    content = bytearray(basis.read_bytes())
    content[-1] ^= 1
    basis.write_bytes(content)
    with pytest.raises(IntegrityError, match="solve from the start"):
        solved(log_like(), checkpoint=tmp_path)


def test_rounds_are_told(monkeypatch):
    told = []
    reporter = Reporter()
    monkeypatch.setattr(reporter, "bar", lambda *_: nullcontext(lambda steps, note: told.append((steps, note))))
    found = solved(log_like(), reporter=reporter)
    assert sum(steps for steps, _ in told) == found.rounds
    assert told[-1] == (1, f"{found.error:.1e} of the energy missing")


@pytest.mark.parametrize(
    ("matrix", "told"),
    [
        (sp.csr_matrix((5, 4), dtype=np.float32), "sum to 0"),
        (sp.csr_matrix((0, 4), dtype=np.float32), "sum to 0"),
        (sp.csr_matrix((4, 0), dtype=np.float32), "sum to 0"),
        ([], "sum to 0"),
        (sp.csr_matrix(np.full((2, 2), 1e20, np.float32)), r"sum to 4e\+40"),
        (sp.csr_matrix(np.array([[1, 0], [np.inf, 1]], np.float32)), "Row 1 has a weight that is not finite"),
        ([sp.csr_matrix(np.eye(2, dtype=np.float32)), sp.csr_matrix([[np.nan, 1]], dtype=np.float32)], "Row 2"),
        ([sp.csr_matrix(np.eye(n, dtype=np.float32)) for n in (2, 3)], "Block 1 has 3 columns, but block 0 has 2"),
        (sp.csr_matrix(np.eye(3)), "weights of float64"),
    ],
)
def test_what_cannot_be_decomposed_is_refused(matrix, told):
    with pytest.raises(InputError, match=told):
        solved(matrix)


def test_more_dimensions_than_the_rank_supports_are_not_made_up():
    planted = np.outer([1, 1, 0, 0, 2], [1, 0, 1, 0]) + np.outer([0, 0, 1, 1, 0], [0, 1, 0, 1])
    found = solved(sp.csr_matrix(planted.astype(np.float32)), 4)
    assert found.vectors.shape == (4, 2)
    np.testing.assert_allclose(found.values, [np.sqrt(12), 2], rtol=1e-6)
    np.testing.assert_allclose(found.vectors, np.sqrt(0.5) * np.array([[1, 0], [0, 1], [1, 0], [0, 1]]), atol=1e-6)


def test_equal_singular_values_are_no_trouble():
    found = solved(sp.eye(100, format="csr", dtype=np.float32), 7)
    np.testing.assert_allclose(found.values, np.ones(7), rtol=1e-6)
    assert_orthonormal(found.vectors)


def test_empty_rows_columns_and_blocks_are_no_trouble():
    matrix = log_like().toarray()
    wider = np.pad(matrix, ((3, 5), (2, 4)))
    blocks = cut(sp.csr_matrix(wider), 2, 2, 200)
    found = solved(blocks)
    np.testing.assert_allclose(found.values, solved(sp.csr_matrix(matrix)).values, rtol=1e-5)
    assert np.abs(found.vectors[[0, 1, -1]]).max() < 1e-6


def test_a_user_with_a_hundred_thousand_items_is_no_trouble():
    matrix = sp.vstack([np.ones((1, 100_000), np.float32), sp.eye(3, 100_000, dtype=np.float32)], format="csr")
    found = solved(matrix, 2)
    assert found.values[0] == pytest.approx(np.sqrt(100_000), rel=1e-4)


def test_folding_in_an_items_own_column_gives_its_own_vector():
    matrix = log_like()
    spectrum = solved(matrix)
    folded = fold_in(spectrum, matrix, matrix[:, [5, 17, 3]])
    assert folded.dtype == np.float32
    np.testing.assert_allclose(folded, spectrum.vectors[[5, 17, 3]], atol=2e-3)


def test_folding_in_comes_close_to_solving_again():
    matrix = log_like(users=3000, items=400)
    new, old = np.arange(0, 400, 25), np.setdiff1d(np.arange(400), np.arange(0, 400, 25))
    again, before = solved(matrix), solved(matrix[:, old])
    folded = fold_in(before, matrix[:, old], matrix[:, new])

    def scores(spectrum, columns, items):
        return matrix[:, columns] @ spectrum.vectors @ items.T

    theirs = scores(again, np.arange(400), again.vectors[new])
    ours = scores(before, old, folded)
    assert np.linalg.norm(ours - theirs) < 0.35 * np.linalg.norm(theirs)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.95
