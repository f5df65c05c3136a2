"""Every coordinate rounded to 8 bits, and every vector looked at: a quarter of the memory, for a little recall."""

from __future__ import annotations

SEARCHES: tuple[dict[str, int], ...] = ({},)


def factory(n_items: int, dim: int) -> str:  # noqa: ARG001 - one signature
    """Describe the index of ``n_items`` vectors of length ``dim``: a byte a coordinate."""
    return "SQ8"
