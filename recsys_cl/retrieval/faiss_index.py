"""The one place where FAISS is spoken to: build, set, search, write and read an index of inner products.

An item's place in the index is its ``item_num``. Threads are left as they are: FAISS and torch share the OpenMP
setting, so changing it here would change it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import faiss as untyped_faiss
import numpy as np
import numpy.typing as npt

from recsys_cl.errors import IntegrityError, RecsysError
from recsys_cl.families import member

KINDS = "recsys_cl.retrieval.index_kinds"
faiss: Any = untyped_faiss  # what types it has are incomplete
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FaissIndex:
    """An index with the search parameters it was set to.

    Attributes:
        handle: the FAISS index.
        kind: member of `index_kinds`.
        parameters: search parameters by FAISS's names.
    """

    handle: Any
    kind: str
    parameters: dict[str, int]

    @classmethod
    def build(cls, kind: str, vectors: Vectors) -> Self:
        """Index ``vectors`` (n_items, d) float32 as ``kind``, with its first search parameters.

        Raises:
            ConfigError: there is no such kind.
            RecsysError: a vector is not finite.
        """
        lost = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(lost):
            raise RecsysError(
                f"{len(lost)} of {len(vectors)} item vectors are not finite, the first that of item number "
                f"{lost[0]}. Train again with a lower learning rate."
            )
        described = member(KINDS, kind)
        n_items, dim = vectors.shape
        handle = faiss.index_factory(dim, described.factory(n_items, dim), faiss.METRIC_INNER_PRODUCT)
        contiguous = np.ascontiguousarray(vectors, dtype=np.float32)
        handle.train(contiguous)
        handle.add(contiguous)
        _leave_queries_uncentred(handle)
        return cls(handle, kind, described.SEARCHES[0])

    def set_to(self, parameters: dict[str, int]) -> Self:
        """Return the same index with other search parameters."""
        return type(self)(self.handle, self.kind, dict(parameters))

    def __len__(self) -> int:
        return int(self.handle.ntotal)

    @cached_property
    def n_bytes(self) -> int:
        """Size on disk, in bytes; in memory it is the same but for what does not grow with the items."""
        sizes: list[int] = []
        writer = faiss.PyCallbackIOWriter(lambda chunk: sizes.append(len(chunk)))
        faiss.write_index(self.handle, writer)
        return sum(sizes)

    def nearest(
        self, queries: Vectors, k: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[npt.NDArray[np.int64], Vectors]:
        """Return the ``k`` items of highest inner product with each query (q, d), best first.

        Args:
            queries: (q, d) float32.
            k: items wanted a query.
            allowed: (n_items,) bool, the only items to return.

        Returns:
            Item numbers (q, k) int64, -1 where fewer were found, and their scores (q, k) float32.
        """
        contiguous = np.ascontiguousarray(queries, dtype=np.float32)
        selector = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")  # the selector points into it, so it must live as long
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        scores, nums = self.handle.search(contiguous, k, params=_settings(self.handle, self.parameters, selector))
        return nums, scores

    @property
    def vectors(self) -> Vectors:
        """The vectors of an index of the kind `exact`, (n_items, d) float32: a view, valid while the index lives."""
        view: Vectors = faiss.rev_swig_ptr(self.handle.get_xb(), len(self) * self.handle.d)
        return view.reshape(len(self), self.handle.d)

    def exhaustive(self) -> Self:
        """Return the same vectors, searched one and all: slower, and sure to find as many as there are."""
        if isinstance(self.handle, faiss.IndexIVF):
            return self.set_to({"nprobe": self.handle.nlist})
        if isinstance(self.handle, faiss.IndexHNSW):
            return type(self)(faiss.downcast_index(self.handle.storage), self.kind, {})
        return self

    def write(self, path: Path) -> None:
        """Write the index to a file."""
        faiss.write_index(self.handle, str(path))

    @classmethod
    def read(cls, path: Path, kind: str, parameters: dict[str, int]) -> Self:
        """Read what `write` wrote, to be searched with these parameters.

        Raises:
            IntegrityError: the file is missing, truncated or no index.
        """
        try:
            handle = faiss.read_index(str(path))
        except RuntimeError as error:
            what = "is not a whole FAISS index" if path.exists() else "is missing"
            raise IntegrityError(f"{path} {what}; it was damaged or removed after it was written.") from error
        return cls(handle, kind, parameters)


def nearest_vectors(queries: Vectors, vectors: Vectors, k: int) -> tuple[npt.NDArray[np.int64], Vectors]:
    """Return what `FaissIndex.nearest` returns, for vectors (n, d) that are in no index."""
    scores, nums = faiss.knn(queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
    return nums, scores


def _settings(handle: Any, parameters: dict[str, int], selector: Any) -> Any:  # noqa: ANN401 - FAISS's classes
    """Return FAISS's search parameters for an index and for those within it."""
    if isinstance(handle, faiss.IndexRefine):
        coarse = _settings(faiss.downcast_index(handle.base_index), {}, selector)
        return faiss.IndexRefineSearchParameters(base_index_params=coarse, **parameters)
    if isinstance(handle, faiss.IndexPreTransform):
        inner = _settings(faiss.downcast_index(handle.index), parameters, selector)
        return faiss.SearchParametersPreTransform(index_params=inner)
    forms = (
        (faiss.IndexHNSW, faiss.SearchParametersHNSW),
        (faiss.IndexIVF, faiss.SearchParametersIVF),
    )
    form = next((form for kind, form in forms if isinstance(handle, kind)), faiss.SearchParameters)
    return form(sel=selector, **parameters)


def _leave_queries_uncentred(handle: Any) -> None:  # noqa: ANN401 - FAISS's classes
    """Take the mean off the items alone, which leaves each query's order, and drop what only training needed.

    Principal components are of centred vectors. To centre a query as well would change its inner products with
    different items by different amounts.
    """
    inner = faiss.downcast_index(handle.base_index) if isinstance(handle, faiss.IndexRefine) else handle
    if isinstance(inner, faiss.IndexPreTransform):
        components = faiss.downcast_VectorTransform(inner.chain.at(0))
        faiss.copy_array_to_vector(np.zeros(components.d_out, dtype=np.float32), components.b)
        components.PCAMat.resize(0)  # (d, d), of which the rows that count are kept elsewhere
