"""The leading singular pairs of a sparse matrix: what the closed form of the spectral contrastive loss is made of.

With linear towers the spectral contrastive loss (HaoChen et al. 2021, arXiv 2106.04156) is least where the scores are,
each times the roots of how often its user and its item occur, the truncated singular value decomposition of the
normalised interaction matrix R. `solve` finds its right singular vectors and its singular values by subspace iteration
with a Chebyshev filter (Zhou, Saad, Tiago and Chelikowsky 2006) from a random sketch (Halko, Martinsson and Tropp
2011): every round multiplies the basis by a polynomial of RᵀR that is small below the values sought and grows as fast
as it can above, which takes far fewer products than powers of RᵀR do, then makes the basis
orthonormal and turns it to the Ritz vectors.

Nothing but a basis of the items is kept: R is only ever read, a block of rows at a time, and the blocks may come from
disk. All is float32 but for the small symmetric matrices, which are decomposed in float64. Singular values under a
thousandth of the largest drown in the rounding of RᵀR and are left out.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch

from recsys_cl.contrast.closed_form.checkpoint import Basis, SpectralCheckpoint
from recsys_cl.contrast.closed_form.rows import Matrix, Rows, gram, turned
from recsys_cl.errors import InputError
from recsys_cl.files import digest_of
from recsys_cl.progress import SILENT, Reporter

_FLOOR = 1e-6  # share of the largest squared singular value under which float32 tells nothing
_GROWTH = 1e7  # of the largest Ritz value by a filter: more, and rounding along its vector would hide the others
_FIRST_DEGREE = 3  # the sketch does not yet know the largest value
_DEGREE = 8  # beyond this more rounds serve better, because each refines what the filter is to damp
_UNSOUND = 1e3  # condition of a Gram matrix beyond which whitening leaves float32 vectors not quite orthonormal


@dataclass(frozen=True)
class Spectrum:
    """The leading right singular pairs of a matrix.

    Attributes:
        vectors: (n_items, d) float32 with orthonormal columns; the largest entry of each column is positive.
        values: (d,) float32 singular values, falling.
        rounds: filters that were applied.
        error: share of the energy, the sum of the squared values, that is thought to be still missing.
    """

    vectors: npt.NDArray[np.float32]
    values: npt.NDArray[np.float32]
    rounds: int
    error: float


@torch.inference_mode()
def solve(  # noqa: PLR0913 - what is sought, how well, and where
    matrix: Matrix,
    dim: int,
    *,
    tolerance: float,
    max_rounds: int,
    seed: int,
    device: torch.device | str = "cpu",
    oversampling: int | None = None,
    start: npt.NDArray[np.float32] | None = None,
    checkpoint: Path | None = None,
    reporter: Reporter = SILENT,
) -> Spectrum:
    """Return the ``dim`` leading right singular vectors and singular values of ``matrix``.

    Rounds end when the energy that is still missing is thought to be less than ``tolerance`` of the whole. Each round
    adds a fraction of what the one before it added, so the last two additions tell what all later ones would add; after
    the first round, or where the fraction is above a half, the last addition itself stands for it.

    Beside the matrix this holds 8 bytes an interaction for the transpose (of one block, where blocks were given) and
    six arrays of ``max(n_items, rows of a block) * (dim + oversampling)`` float32. On logs of 10 and 30 million
    interactions the peak was 4 and 6% above that; arrays under 32 MiB may linger in the C library's allocator.

    Args:
        matrix: (n_users, n_items) float32, whole, or as a sequence of blocks of rows that is read through several
            times a round, one block in memory at a time.
        dim: pairs sought, at least 1; fewer are returned where the numerical rank is less.
        tolerance: of convergence, as above.
        max_rounds: rounds after which to end in any case; `Spectrum.error` then tells how far it came.
        seed: of the sketch. The same seed, blocks and number of threads give the same bits.
        device: where the basis lives.
        oversampling: vectors carried beyond ``dim``; by default a tenth of it, and at least 10.
        start: (n_items, k) float32 vectors to start from, such as those of yesterday's spectrum; random ones are added.
        checkpoint: folder that keeps the basis after every round; a call with the same arguments goes on from there.
        reporter: where progress is shown, one step a round.

    Raises:
        InputError: there is nothing to decompose, blocks disagree, or a weight is not finite.
        IntegrityError: the checkpoint is damaged.
    """
    rows = Rows.of(matrix, torch.device(device))
    width = min(dim, *rows.shape) + (max(10, dim // 10) if oversampling is None else oversampling)
    asked = [dim, width, tolerance, seed, None if start is None else hashlib.sha256(start.tobytes()).hexdigest()]
    kept = SpectralCheckpoint(checkpoint, digest_of([rows.digest, *asked]))
    basis = kept.restore() or _ritz(rows, _sketch(rows, width, seed, start), dim)
    basis = replace(basis, vectors=basis.vectors.to(device))
    with reporter.bar("solve", max_rounds) as advance:
        advance(basis.rounds, "")
        while basis.rounds < max_rounds and basis.error >= tolerance:
            better = _ritz(rows, _filtered(rows, basis), dim)
            gain = abs(better.energy - basis.energy) / better.energy
            missing = gain * min(1.0, gain / max(basis.gain - gain, 1e-300))
            basis = replace(better, rounds=basis.rounds + 1, gain=gain, error=missing)
            kept.save(basis)
            advance(1, f"{missing:.1e} of the energy missing")
    vectors = basis.vectors[:, :dim].cpu().numpy()
    flip = np.sign(np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], axis=0))
    return Spectrum(vectors * flip, np.sqrt(basis.squares[:dim]).astype(np.float32), basis.rounds, basis.error)


@torch.inference_mode()
def left_vectors(spectrum: Spectrum, matrix: Matrix, device: torch.device | str = "cpu") -> npt.NDArray[np.float32]:
    """Return the left singular vectors U = R V / s, (n_users, d) float32, of the matrix that was decomposed."""
    rows = Rows.of(matrix, torch.device(device))
    vectors, values = (torch.from_numpy(part).to(rows.device) for part in (spectrum.vectors, spectrum.values))
    return (rows.product(vectors) / values).cpu().numpy()


def fold_in(spectrum: Spectrum, known: sp.csr_matrix, new: sp.csr_matrix) -> npt.NDArray[np.float32]:
    """Return vectors for new items beside those of a spectrum, without solving again (Berry et al. 1995).

    A new column r has the vector rᵀU / s with U = R V / s, which gives a known column its own vector back. Few users
    have new items, and only their rows are multiplied. New rows need nothing: users are encoded by their items.

    Args:
        spectrum: of the known items.
        known: (n_users, n_items) the matrix that was decomposed, or one that was normalised alike.
        new: (n_users, n_new) the new columns, normalised alike.

    Returns:
        (n_new, d) float32.
    """
    concerned = np.flatnonzero(np.diff(new.indptr))
    left = known[concerned] @ (spectrum.vectors / spectrum.values**2)
    folded: npt.NDArray[np.float32] = new[concerned].T @ left
    return folded


def _sketch(rows: Rows, width: int, seed: int, start: npt.NDArray[np.float32] | None) -> torch.Tensor:
    """Return (n_items, width) vectors to begin with: those of ``start``, and images of random ones."""
    if start is None:
        return rows.sketch(width, seed)
    if start.shape[0] != rows.shape[1] or not np.isfinite(start).all():
        raise InputError(f"`start` must have {rows.shape[1]} finite rows, one an item; it has {start.shape[0]}.")
    given = torch.from_numpy(start[:, :width]).to(rows.device)
    return torch.hstack([given, rows.sketch(width - given.shape[1], seed)])


def _filtered(rows: Rows, basis: Basis) -> torch.Tensor:
    """Return the basis times a Chebyshev polynomial of RᵀR that stays within 1 from 0 up to the least Ritz value."""
    edge = float(basis.squares[-1])
    before, now = basis.vectors, rows.gram_product(basis.vectors).mul_(2 / edge).sub_(basis.vectors)
    for _ in range(1, _degree(basis)):
        after = rows.gram_product(now).mul_(4 / edge).sub_(now, alpha=2).sub_(before)
        before, now = now, after
    return now


def _degree(basis: Basis) -> int:
    """Return the degree at which the filter multiplies the largest Ritz value as much as float32 bears."""
    steepness = math.acosh(2 * basis.squares[0] / basis.squares[-1] - 1)
    most = _DEGREE if basis.rounds else _FIRST_DEGREE
    return most if steepness * most <= math.log(2 * _GROWTH) else max(1, int(math.log(2 * _GROWTH) / steepness))


def _ritz(rows: Rows, vectors: torch.Tensor, dim: int) -> Basis:
    """Return the Ritz pairs of RᵀR in the span of ``vectors`` (n_items, w), which are overwritten."""
    vectors, whitening = _nearly_orthonormal(vectors)
    squares, turn = np.linalg.eigh(whitening.T @ rows.projected(vectors) @ whitening)
    kept = np.flatnonzero(squares > _FLOOR * squares[-1])[::-1]
    return Basis(turned(vectors, whitening @ turn[:, kept]), squares[kept], float(squares[kept][:dim].sum()))


def _nearly_orthonormal(vectors: torch.Tensor) -> tuple[torch.Tensor, npt.NDArray[np.float64]]:
    """Return vectors with the same span, and the matrix (w, k) that makes them orthonormal (Stathopoulos and Wu 2002).

    Directions that are not told from rounding are dropped, so k may be less than w.
    """
    while True:
        vectors /= vectors.norm(dim=0).clamp_min_(torch.finfo(torch.float32).tiny)
        sizes, directions = np.linalg.eigh(gram(vectors))
        kept = sizes > _FLOOR * sizes[-1]
        whitening = directions[:, kept] / np.sqrt(sizes[kept])
        if sizes[-1] < _UNSOUND * sizes[0]:
            return vectors, whitening
        vectors = turned(vectors, whitening)
