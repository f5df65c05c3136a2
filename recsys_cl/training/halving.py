"""Successive halving: many settings tried cheaply, the better ones again and at greater cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Setting = TypeVar("Setting")
Rung = TypeVar("Rung")


def halve(
    settings: Sequence[Setting],
    rungs: Sequence[Rung],
    try_out: Callable[[Setting, Rung], float],
    *,
    keep: int,
    is_over: Callable[[Rung], bool],
) -> list[tuple[Setting, float]]:
    """Return settings with their figures, the best first, of the last rung (Jamieson and Talwalkar 2016).

    The first setting is what the others have to beat: it is tried on every rung, whatever the time.

    Args:
        settings: what to choose among, the likeliest first.
        rungs: what a trial costs, from cheap to dear.
        try_out: tries a setting and returns its figure, higher being better.
        keep: one in so many goes on to the next rung, beside the first.
        is_over: whether there is no time for another trial on a rung.
    """
    found: list[tuple[Setting, float]] = []
    for rung in rungs:
        found = []
        for setting in settings:
            if found and is_over(rung):
                break
            found.append((setting, try_out(setting, rung)))
        first, others = found[0], sorted(found[1:], key=lambda one: -one[1])
        settings = [first[0], *(setting for setting, _ in others[: -(-len(found) // keep)])]
    return sorted(found, key=lambda one: -one[1])
