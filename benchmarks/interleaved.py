"""Two ways of doing a thing, timed in turn, and the ratio between them.

A machine that others use too is now fast, now slow. Each round times all contenders right after one another, in an
order that turns with the rounds, and the ratio is the median of the rounds' ratios: what slows a whole round down
falls out of it.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Measured:
    """One line of the table.

    Attributes:
        what: what was measured, and on what.
        against: what it was compared with; empty for an absolute figure.
        seconds: median wall time of ours.
        baseline_seconds: median wall time of the baseline.
        ratio: median over rounds of ours over the baseline, or the seconds themselves for an absolute figure.
        low: least ratio of a round.
        high: greatest ratio of a round.
        rounds: how many there were.
        aim: what we aim at; None for a line that is there to explain another.
    """

    what: str
    against: str
    seconds: float
    baseline_seconds: float | None
    ratio: float
    low: float
    high: float
    rounds: int
    aim: float | None = None


def in_turn(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time each contender once a round, after a first round that does not count; seconds by name."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            gc.collect()
            start = time.perf_counter()
            contenders[name]()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def compared(what: str, ours: list[float], against: str, theirs: list[float], aim: float | None = None) -> Measured:
    """Return the ratio of two contenders that were timed in turn."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return Measured(
        what,
        against,
        round(statistics.median(ours), 4),
        round(statistics.median(theirs), 4),
        round(statistics.median(ratios), 2),
        round(min(ratios), 2),
        round(max(ratios), 2),
        len(ratios),
        aim,
    )


def absolute(what: str, seconds: list[float], aim: float | None = None) -> Measured:
    """Return a figure in seconds that is compared with nothing."""
    middle = round(statistics.median(seconds), 2)
    return Measured(what, "", middle, None, middle, round(min(seconds), 2), round(max(seconds), 2), len(seconds), aim)


def tell(measured: list[Measured], notes: Mapping[str, Any]) -> None:
    """Print the lines, and what the reader should know of the data, as one JSON object."""
    json.dump({"measured": [asdict(one) for one in measured], "notes": notes}, sys.stdout, indent=2)
    print()
