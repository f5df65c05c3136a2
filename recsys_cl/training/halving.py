"""Successive halving: many settings tried cheaply, the better ones again and at greater cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Setting = TypeVar("Setting")
Rung = TypeVar("Rung")


def halve(
    settings: Sequence[Setting],
    rungs: Sequence[Rung],
    try_out: Callable[[Setting, Rung], tuple[Setting, float]],
    *,
    keep: int,
    is_over: Callable[[], bool],
) -> list[tuple[Setting, float]]:
    """Return settings with their figures, the best first, of the last rung begun (Jamieson and Talwalkar 2016).

    The first setting is always tried, whatever the time.

    Args:
        settings: what to choose among, the likeliest first.
        rungs: what a trial costs, from cheap to dear.
        try_out: tries a setting; returns it, perhaps refined, and its figure, higher being better.
        keep: one in so many goes on to the next rung.
        is_over: whether there is no time for another trial.
    """
    best: list[tuple[Setting, float]] = []
    for rung in rungs:
        found: list[tuple[Setting, float]] = []
        for setting in settings:
            if (best or found) and is_over():
                break
            found.append(try_out(setting, rung))
        # Of a rung that time ended early nothing is known but of those it tried.
        best = sorted(found or best, key=lambda one: -one[1])
        settings = [setting for setting, _ in best[: -(-len(best) // keep)]]
    return best
