"""The results as a picture: how much is found, against the CPU seconds that learning took, a panel a log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.peers.marks import K

_OURS, _OTHERS, _INK, _RULE = "#c2410c", "#94a3b8", "#1e293b", "#e2e8f0"
_COLUMNS = 3
_INCHES = 4.6, 3.9  # of a panel


def draw(results: Mapping[str, dict[str, Any]], path: Path) -> None:
    """Draw every log that anyone finished as a PNG."""
    told = {name: _points(log) for name, log in results.items()}
    told = {name: points for name, points in told.items() if points}
    columns = min(_COLUMNS, max(1, len(told)))
    rows = math.ceil(len(told) / columns)
    figure = Figure(figsize=(_INCHES[0] * columns, _INCHES[1] * rows + 0.7), layout="constrained", dpi=160)
    figure.suptitle(
        f"Found among the first {K}, against the CPU seconds that learning took",
        fontsize=15,
        fontweight="bold",
        color=_INK,
        x=0.01,
        ha="left",
    )
    for number, (name, points) in enumerate(told.items(), start=1):
        _panel(figure.add_subplot(rows, columns, number), name, points)
    figure.supxlabel("CPU seconds, one thread, log scale: further left is cheaper", color=_INK, fontsize=11)
    figure.supylabel(f"recall@{K}: higher is better", color=_INK, fontsize=11)
    figure.savefig(path, metadata={"Software": None})


def _points(log: Mapping[str, Any]) -> list[tuple[float, float, str, bool]]:
    """Return seconds, recall, name and whether it is ours, of each contender that finished."""
    return [
        (max(run["train_cpu_seconds"], 0.05), run[f"recall_at_{K}"], name, run["ours"])
        for name, run in log["contenders"].items()
        if "train_cpu_seconds" in run
    ]


def _panel(axes: Axes, name: str, points: list[tuple[float, float, str, bool]]) -> None:
    axes.set_title(name, loc="left", fontsize=12, color=_INK)
    axes.set_xscale("log")
    seconds, recalls = [point[0] for point in points], [point[1] for point in points]
    axes.set_xlim(min(seconds) / 2, max(seconds) * 6)
    axes.set_ylim(0, 1.12 * max(recalls))
    for x, y, _, ours in points:
        axes.scatter([x], [y], s=110 if ours else 45, color=_OURS if ours else _OTHERS, zorder=3 + ours, linewidth=0)
    _label(axes, points)
    axes.grid(visible=True, axis="y", color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_RULE)
    axes.tick_params(colors="#64748b", length=0, labelsize=9)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.minorticks_off()


def _label(axes: Axes, points: list[tuple[float, float, str, bool]]) -> None:
    """Write each name right of its point, moved up or down to the nearest place that is free."""
    height, width = 0.052 * axes.get_ylim()[1], math.log(axes.get_xlim()[1] / axes.get_xlim()[0])
    placed: list[tuple[float, float, float]] = []  # left, right (both log seconds) and level of each label
    for x, y, text, ours in sorted(points, key=lambda point: (not point[3], -point[1])):
        left = math.log(x) + 0.02 * width
        right = left + 0.024 * width * len(text)
        steps = (number * sign * height / 4 for number in range(60) for sign in (1, -1))
        level = next(y + step for step in steps if _free(placed, left, right, y + step, height))
        placed.append((left, right, level))
        axes.annotate(
            text,
            (x, y),
            xytext=(math.exp(left), level),
            va="center",
            fontsize=10.5 if ours else 9,
            fontweight="bold" if ours else "normal",
            color=_OURS if ours else _INK,
            arrowprops={"arrowstyle": "-", "color": _OTHERS, "linewidth": 0.6} if abs(level - y) > height / 2 else None,
        )


def _free(placed: list[tuple[float, float, float]], left: float, right: float, level: float, height: float) -> bool:
    return level > height / 2 and not any(
        left < other_right and other_left < right and abs(level - other) < height
        for other_left, other_right, other in placed
    )
