"""A navigable graph in layers (Malkov and Yashunin, 2018): quick, but slow to build, and 256 bytes of links an item."""

from __future__ import annotations

SEARCHES: tuple[dict[str, int], ...] = tuple({"efSearch": effort} for effort in (64, 128, 256, 512))


def factory(n_items: int, dim: int) -> str:  # noqa: ARG001 - one signature
    """Describe the index of ``n_items`` vectors of length ``dim``."""
    return "HNSW32"
