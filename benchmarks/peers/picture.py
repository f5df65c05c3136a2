"""The results as a picture: how much is found, against the CPU seconds that learning took, a panel a log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.peers.marks import K

_OURS, _OTHERS, _INK, _FAINT, _RULE = "#c2410c", "#94a3b8", "#1e293b", "#64748b", "#e2e8f0"
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
        axes = figure.add_subplot(rows, columns, number)
        _panel(axes, name, points)
        if missing := [who for who, run in results[name]["contenders"].items() if "train_cpu_seconds" not in run]:
            told_below = f"no result: {', '.join(missing)}"
            axes.text(0.99, 0.02, told_below, transform=axes.transAxes, ha="right", fontsize=8.5, color=_FAINT)
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
    ratio = max(max(seconds) / min(seconds), 2)
    axes.set_xlim(min(seconds) / ratio**0.1, max(seconds) * ratio**0.4)  # room for names on the right
    span = max(recalls) - min(recalls) or max(recalls)
    axes.set_ylim(max(0.0, min(recalls) - 0.25 * span), max(recalls) + 0.12 * span)
    for x, y, _, ours in points:
        axes.scatter([x], [y], s=110 if ours else 45, color=_OURS if ours else _OTHERS, zorder=3 + ours, linewidth=0)
    _label(axes, points)
    axes.grid(visible=True, axis="y", color=_RULE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_RULE)
    axes.tick_params(colors=_FAINT, length=0, labelsize=9)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.minorticks_off()


def _label(axes: Axes, points: list[tuple[float, float, str, bool]]) -> None:
    """Write each name beside its point, or at the nearest place where it covers no other name and no point."""
    (first, last), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    width, height = math.log(last / first), 0.052 * (top - bottom)
    taken = [(math.log(x) - 0.012 * width, math.log(x) + 0.012 * width, y) for x, y, _, _ in points]
    for x, y, text, ours in sorted(points, key=lambda point: (not point[3], -point[1])):
        long = (0.027 if ours else 0.021) * width * len(text)
        right, left = math.log(x) + 0.022 * width, math.log(x) - 0.022 * width - long
        levels = (y + sign * number * height / 4 for number in range(80) for sign in (1, -1))
        spots = ((start, level) for level in levels if level > bottom + height / 2 for start in (right, left))
        start, level = next(
            (start, level)
            for start, level in spots
            if start > math.log(first) and _free(taken, start, start + long, level, height)
        )
        taken.append((start, start + long, level))
        moved = abs(level - y) > height / 2
        axes.annotate(
            text,
            (x, y),
            xytext=(math.exp(start if start == right else start + long), level),
            va="center",
            ha="left" if start == right else "right",
            fontsize=10.5 if ours else 9,
            fontweight="bold" if ours else "normal",
            color=_OURS if ours else _INK,
            arrowprops={"arrowstyle": "-", "color": _OTHERS, "linewidth": 0.6} if moved else None,
        )


def _free(taken: list[tuple[float, float, float]], left: float, right: float, level: float, height: float) -> bool:
    return not any(
        left < other_right and other_left < right and abs(level - other) < height
        for other_left, other_right, other in taken
    )
