"""The leading directions first, then all: a quick look at a few coordinates picks what is compared in full.

Vectors are turned so that their coordinates fall in variance (principal components); those of a spectral model fall so
already. An eighth of them, rounded to 8 bits, names ``k_factor`` times as many items as are wanted, and those are
compared by all coordinates, rounded to 8 bits as well (as with nested embeddings: Kusupati et al., 2022).
"""

from __future__ import annotations

SEARCHES: tuple[dict[str, int], ...] = tuple({"k_factor": times} for times in (2, 4, 8, 16, 32))


def factory(n_items: int, dim: int) -> str:  # noqa: ARG001 - one signature
    """Describe the index of ``n_items`` vectors of length ``dim``: a byte a coordinate and an eighth more."""
    return f"PCA{min(dim, max(32, dim // 8))},SQ8,Refine(SQ8)"
