"""A sparse matrix as blocks of rows, read through again and again, and the dense products it takes part in."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch.nn import functional

from recsys_cl.errors import InputError

_Summand = TypeVar("_Summand", torch.Tensor, npt.NDArray[np.float64])
_LEAST = 1e-25  # sum of squared weights: beyond this and its inverse products of products leave float32
Matrix: TypeAlias = sp.csr_matrix | Sequence[sp.csr_matrix]


class _Bags:
    """A sparse matrix that multiplies dense ones from the left.

    Each row of the product is a weighted sum of rows, which is what an embedding bag gives: of the ways to do that
    in torch and scipy the fastest, on all threads and on CUDA alike.
    """

    def __init__(self, matrix: sp.csr_matrix, device: torch.device) -> None:
        self.rows = matrix.shape[0]
        self._columns = torch.from_numpy(matrix.indices).to(device)
        self._bounds = torch.from_numpy(matrix.indptr).to(self._columns)
        self._weights = torch.from_numpy(matrix.data).to(device)

    def __matmul__(self, dense: torch.Tensor) -> torch.Tensor:
        return functional.embedding_bag(
            self._columns, dense, self._bounds, mode="sum", per_sample_weights=self._weights, include_last_offset=True
        )


@dataclass(frozen=True)
class Rows:
    """R, (n_users, n_items), as blocks of rows.

    Attributes:
        shape: of the whole.
        digest: SHA-256 of the blocks, as they are cut.
        device: where products are made.
    """

    shape: tuple[int, int]
    digest: str
    device: torch.device
    _blocks: Callable[[], Iterable[tuple[_Bags, _Bags]]]

    @classmethod
    def of(cls, matrix: Matrix, device: torch.device) -> Rows:
        """Look through a matrix once; cut it, and transpose its blocks for good, where it is given whole.

        Raises:
            InputError: it has no entry, a weight is not finite float32, or blocks have different numbers of columns.
        """
        whole = sp.issparse(matrix)
        blocks: Sequence[sp.csr_matrix] = _cut(matrix) if whole else matrix
        shape, digest = _inspected(blocks)

        def read() -> Iterator[tuple[_Bags, _Bags]]:
            return ((_Bags(block, device), _Bags(block.T.tocsr(), device)) for block in blocks)

        made = list(read()) if whole else []
        return cls(shape, digest, device, (lambda: made) if whole else read)

    def product(self, dense: torch.Tensor) -> torch.Tensor:
        """Return R ``dense``, (n_users, w), for ``dense`` (n_items, w)."""
        return torch.cat([along @ dense for along, _ in self._blocks()])

    def gram_product(self, dense: torch.Tensor) -> torch.Tensor:
        """Return RᵀR ``dense``, (n_items, w) as ``dense`` itself."""
        return _summed(across @ (along @ dense) for along, across in self._blocks())

    def projected(self, dense: torch.Tensor) -> npt.NDArray[np.float64]:
        """Return ``dense``ᵀ RᵀR ``dense``, (w, w), for ``dense`` (n_items, w)."""
        return _summed(gram(along @ dense) for along, _ in self._blocks())

    def sketch(self, width: int, seed: int) -> torch.Tensor:
        """Return Rᵀ times a Gaussian matrix that is the same however the rows are cut, (n_items, width)."""
        random = np.random.default_rng(seed)
        return _summed(
            across @ torch.from_numpy(random.standard_normal((along.rows, width), dtype=np.float32)).to(self.device)
            for along, across in self._blocks()
        )


def gram(dense: torch.Tensor) -> npt.NDArray[np.float64]:
    """Return ``dense``ᵀ ``dense``, (w, w), for ``dense`` (n, w) float32."""
    if dense.is_cuda:
        return (dense.T @ dense).cpu().double().numpy()
    plain = dense.numpy()
    product: npt.NDArray[np.float32] = plain.T @ plain  # numpy sees that it is symmetric and makes but half of it
    return product.astype(np.float64)


def turned(dense: torch.Tensor, by: npt.NDArray[np.float64]) -> torch.Tensor:
    """Return ``dense`` times ``by``, (n, k) float32, for ``dense`` (n, w) float32 and ``by`` (w, k)."""
    single = by.astype(np.float32)
    if dense.is_cuda:
        return dense @ torch.from_numpy(single).to(dense.device)
    return torch.from_numpy(dense.numpy() @ single)


def _summed(parts: Iterable[_Summand]) -> _Summand:
    return reduce(operator.iadd, parts)


def _cut(matrix: sp.csr_matrix) -> list[sp.csr_matrix]:
    """Cut into views of about as many rows as columns, so that neither side of a product outgrows the other."""
    rows, columns = matrix.shape
    cuts = np.linspace(0, rows, max(1, round(rows / max(columns, 1))) + 1).astype(np.int64)
    return [_rows_between(matrix, start, stop) for start, stop in pairwise(cuts)]


def _rows_between(matrix: sp.csr_matrix, start: int, stop: int) -> sp.csr_matrix:
    low, high = matrix.indptr[start], matrix.indptr[stop]
    parts = matrix.data[low:high], matrix.indices[low:high], matrix.indptr[start : stop + 1] - low
    return sp.csr_matrix(parts, shape=(stop - start, matrix.shape[1]))


def _inspected(blocks: Sequence[sp.csr_matrix]) -> tuple[tuple[int, int], str]:
    """Return the shape of the whole and its digest; raise as `Rows.of` does."""
    digest, rows, energy, columns = hashlib.sha256(), 0, 0.0, None
    for number, block in enumerate(blocks):
        columns = block.shape[1] if columns is None else columns
        if block.shape[1] != columns:
            raise InputError(f"Block {number} has {block.shape[1]} columns, but block 0 has {columns}.")
        if block.dtype != np.float32:
            raise InputError(f"Block {number} has weights of {block.dtype}; they must be float32.")
        if not np.isfinite(block.data).all():
            row = int(np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))[~np.isfinite(block.data)][0])
            raise InputError(f"Row {rows + row} has a weight that is not finite.")
        for part in (block.indptr, block.indices, block.data):
            digest.update(part.tobytes())
        rows, energy = rows + block.shape[0], energy + float(np.square(block.data, dtype=np.float64).sum())
    if not _LEAST < energy < 1 / _LEAST:
        raise InputError(f"The squared weights sum to {energy:g}: there is nothing that float32 could decompose.")
    return (rows, columns or 0), digest.hexdigest()
