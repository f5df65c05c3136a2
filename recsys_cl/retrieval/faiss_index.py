"""The one place where FAISS is spoken to: build, set, search, write and read an index of inner products.

An item's place in the index is its ``item_num``. Threads are left as they are: FAISS and torch share the OpenMP
setting, so changing it here would change it there.
"""

from __future__ import annotations

from dataclasses import dataclass
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
        return cls(handle, kind, described.SEARCHES[0])

    def set_to(self, parameters: dict[str, int]) -> Self:
        """Return the same index with other search parameters."""
        return type(self)(self.handle, self.kind, dict(parameters))

    def __len__(self) -> int:
        return int(self.handle.ntotal)

    @property
    def n_bytes(self) -> int:
        """Size on disk, in bytes."""
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
        options = dict[str, Any](self.parameters)
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")  # the selector points into it, so it must live as long
            options["sel"] = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        scores, nums = self.handle.search(contiguous, k, params=self._form()(**options) if options else None)
        return nums, scores

    def _form(self) -> Any:  # noqa: ANN401 - FAISS's classes
        forms = (
            (faiss.IndexHNSW, faiss.SearchParametersHNSW),
            (faiss.IndexIVF, faiss.SearchParametersIVF),
        )
        return next((form for kind, form in forms if isinstance(self.handle, kind)), faiss.SearchParameters)

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
