"""What SimCLR and adversarial training do for users of short histories."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.studies.drawn import COLORS, FAINT, panel, saved, sheet
from benchmarks.studies.trained import trained_apart

SEEDS = (0, 1, 2)
measured = partial(trained_apart, "amazon-beauty")
_ALIKE = {"targets": "one", "uniform_negatives": 1024, "temperature": 0.1, "epochs": 4}
RUNS: dict[str, dict[str, Any]] = {
    "softmax alone": _ALIKE,
    "with SimCLR": _ALIKE | {"objective": ["simclr:views=crop+mask:weight=0.1"]},
    "with SimCLR by noise": _ALIKE | {"objective": ["simclr:views=embedding_noise:strength=0.1:weight=0.1"]},
    "with adversarial": _ALIKE | {"objective": ["adversarial:epsilon=0.1:weight=0.5"]},
}
_LABELS = ("1 to 5", "6 to 10", "11 to 20", "21 to 50", "over 50")
_FEWEST = 500  # users; the recall of fewer moves by more than what is looked for


def draw(found: Mapping[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw recall by length of history as a ratio to that of softmax alone with the same seed: mean and range."""
    figure, (axes,) = sheet(1)
    panel(axes, "validation recall@20 over that of softmax alone, by length of history")
    names = [name for name in found if name != "softmax alone"]
    base = [[part[1] for part in run["by_history"]] for run in found["softmax alone"]]
    users = [part[0] for part in found["softmax alone"][0]["by_history"]]
    shown = [place for place, count in enumerate(users) if count >= _FEWEST]
    for number, (name, color) in enumerate(zip(names, COLORS[1:], strict=False)):
        runs = [[part[1] for part in run["by_history"]] for run in found[name]]
        for place in shown:
            ratios = [run[place] / first[place] for run, first in zip(runs, base, strict=True)]
            where = place + 0.18 * (number - (len(names) - 1) / 2)
            mean = sum(ratios) / len(ratios)
            spread = [[mean - min(ratios)], [max(ratios) - mean]]
            axes.errorbar(
                [where], [mean], spread, color=color, marker="o", capsize=3, label=name if place == shown[0] else None
            )
    axes.axhline(1, color=FAINT, linewidth=1)
    axes.set_xticks(shown, [f"{_LABELS[place]}\n{users[place]:,} users" for place in shown])
    axes.legend(frameon=False)
    saved(figure, path)
