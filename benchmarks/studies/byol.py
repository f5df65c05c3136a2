"""BYOL with and without what keeps its vectors from becoming all alike."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.studies.drawn import COLORS, FAINT, panel, saved, sheet
from benchmarks.studies.trained import trained_apart

SEEDS = (0, 1, 2)
measured = partial(trained_apart, "ml-1m")
_ALIKE = {
    "loss": "none",
    "item_bias": False,
    "popularity_prior": False,
    "epochs": 30,
    "uniform_negatives": 0,
    "learning_rate": 0.003,
}
RUNS: dict[str, dict[str, Any]] = {
    "BYOL": _ALIKE | {"objective": ["byol:momentum=0.9"]},
    "without predictor": _ALIKE | {"objective": ["byol:momentum=0.9:predictor=false"]},
    "without stop-gradient": _ALIKE | {"objective": ["byol:momentum=0.9:stop_gradient=false"]},
    "without both": _ALIKE | {"objective": ["byol:momentum=0.9:predictor=false:stop_gradient=false"]},
}


def draw(found: Mapping[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw, epoch by epoch, recall, the mean cosine between items, and how many dimensions they use."""
    figure, places = sheet(3)
    labels = (
        ("recall", "validation recall@20"),
        ("cosine", "mean cosine between items: 1 is collapse"),
        ("rank", "effective rank of item vectors, of 64"),
    )
    for axes, (key, label) in zip(places, labels, strict=True):
        panel(axes, label)
        axes.set_xlabel("epoch", color=FAINT)
        for (name, runs), color in zip(found.items(), COLORS, strict=False):
            curves = [run[key] for run in runs]
            epochs = range(1, len(curves[0]) + 1)
            axes.plot(epochs, [sum(some) / len(some) for some in zip(*curves, strict=True)], color=color, label=name)
            axes.fill_between(epochs, *_range(curves), color=color, alpha=0.15, linewidth=0)
    places[0].legend(frameon=False)
    saved(figure, path)


def _range(curves: list[list[float]]) -> tuple[list[float], list[float]]:
    together = list(zip(*curves, strict=True))
    return [min(some) for some in together], [max(some) for some in together]
