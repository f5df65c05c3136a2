"""How large the log is that is learned from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """How many users, items and interactions there are."""

    users: int
    items: int
    interactions: int
