"""The spectral solver against its own products, and against two libraries that reach the same accuracy.

The first baseline makes the very products that the solver makes, sparse and dense, by the same routines and in the
same shapes, one after another on matrices that are there already, and nothing else. The libraries are scikit-learn's
`randomized_svd`, with as many vectors carried beyond those sought, and SciPy's `svds` (ARPACK). Each is told to do as
little as will capture the energy (the sum of the squared singular values) that ours captures, to one part in ten
thousand: the fewest power iterations, or the loosest of a row of tolerances.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import svds
from sklearn.utils.extmath import randomized_svd

from benchmarks.interleaved import Measured, compared, in_turn, tell
from benchmarks.real_log import prepared_log
from recsys_cl.contrast.closed_form import rows, solver
from recsys_cl.contrast.closed_form.solver import solve

_TOLERANCE = 5e-3
_EQUAL = 1e-4  # share of the energy that a library may lack beside ours
_EXACT_UP_TO = 256  # dimensions up to which ARPACK ends in minutes


def normalised(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """Divide each entry by the square roots of its row's and its column's sum."""
    users, items = (np.maximum(np.asarray(matrix.sum(axis)).ravel(), 1) ** -0.5 for axis in (1, 0))
    return (sp.diags(users) @ matrix @ sp.diags(items)).tocsr().astype(np.float32)


def ours(matrix: sp.csr_matrix, dim: int) -> float:
    """Return the energy that the solver captures."""
    spectrum = solve(matrix, dim, tolerance=_TOLERANCE, max_rounds=20, seed=0)
    return energy(spectrum.values)


def energy(values: np.ndarray[Any, Any]) -> float:
    return float(np.square(values, dtype=np.float64).sum())


def products_of(work: Callable[[], object]) -> Callable[[], None]:
    """Do some work, and return a function that repeats its products on other matrices of the same shapes."""
    calls: list[tuple[Callable[..., object], list[Any]]] = []
    dense: dict[tuple[int, ...], Any] = {}

    def stand_in(operand: Any) -> Any:  # noqa: ANN401 - a tensor, an array or bags
        if isinstance(operand, torch.Tensor):
            return dense.setdefault(tuple(operand.shape), torch.rand_like(operand))
        return dense.setdefault(operand.shape, operand) if isinstance(operand, np.ndarray) else operand

    def noted(routine: Callable[..., object]) -> Callable[..., object]:
        def call(*operands: Any) -> object:
            calls.append((routine, [stand_in(one) for one in operands]))
            return routine(*operands)

        return call

    with ExitStack() as stack:
        for place, name in (
            (rows._Bags, "__matmul__"),
            (rows, "gram"),
            (solver, "gram"),
            (solver, "turned"),
        ):
            stack.enter_context(mock.patch.object(place, name, noted(getattr(place, name))))
        work()

    @torch.inference_mode()
    def repeat() -> None:
        for routine, operands in calls:
            routine(*operands)

    return repeat


def sklearns(matrix: sp.csr_matrix, dim: int, iterations: int) -> float:
    oversamples = max(10, dim // 10)
    return energy(randomized_svd(matrix, dim, n_oversamples=oversamples, n_iter=iterations, random_state=0)[1])


def arpacks(matrix: sp.csr_matrix, dim: int, tolerance: float) -> float:
    return energy(svds(matrix, dim, tol=tolerance, rng=0)[1])


def least(library: Callable[[Any], float], settings: Iterable[Any], captured: float) -> Any:  # noqa: ANN401
    """Return the first of the settings, the cheapest first, with which a library captures as much."""
    return next(setting for setting in settings if library(setting) >= captured * (1 - _EQUAL))


def measure(matrix: sp.csr_matrix, dim: int, log: str, rounds: int) -> list[Measured]:
    solved = partial(ours, matrix, dim)
    captured = solved()
    sklearn = partial(sklearns, matrix, dim)
    iterations = least(sklearn, range(2, 30), captured)
    names = {"products": "its own products", "sklearn": f"`randomized_svd`, {iterations} iterations"}
    contenders = {"ours": solved, "products": products_of(solved), "sklearn": partial(sklearn, iterations)}
    if dim <= _EXACT_UP_TO:
        arpack = partial(arpacks, matrix, dim)
        tolerance = least(arpack, (1.0, 0.1, 0.01, 1e-3, 0), captured)
        names["arpack"] = f"`svds`, ARPACK, tolerance {tolerance:g}"
        contenders["arpack"] = partial(arpack, tolerance)
    seconds = in_turn(contenders, rounds)
    what = f"{dim} singular pairs of {log}"
    aims = {"products": 1.5, "sklearn": 0.5, "arpack": 0.5}
    return [compared(what, seconds["ours"], told, seconds[name], aims[name]) for name, told in names.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dims", type=int, nargs="+", default=[256, 1024])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recsys-cl-spectral-") as home:
        log, prepared = prepared_log(Path(home))
        matrix = normalised(prepared.histories("train_and_validation").matrix())
    measured = [one for dim in arguments.dims for one in measure(matrix, dim, log.split(",")[0], arguments.rounds)]
    tell(measured, {"log": log, "tolerance": _TOLERANCE, "threads": torch.get_num_threads()})


if __name__ == "__main__":
    main()
