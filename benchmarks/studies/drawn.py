"""How the plots of studies look."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, OTHERS, INK, FAINT, RULE = "#c2410c", "#64748b", "#1e293b", "#64748b", "#e2e8f0"
COLORS = (OURS, "#0f766e", "#4f46e5", "#a16207")
_INCHES = 4.8, 3.6  # of a panel


def sheet(panels: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels side by side."""
    figure = Figure(figsize=(_INCHES[0] * max(panels, 1.6), _INCHES[1]), layout="constrained", dpi=160)
    return figure, [figure.add_subplot(1, panels, number) for number in range(1, panels + 1)]


def panel(axes: Axes, title: str) -> None:
    """Give a panel its title and a quiet frame."""
    axes.set_title(title, loc="left", fontsize=10.5, color=INK)
    axes.grid(axis="y", color=RULE)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(RULE)


def saved(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG."""
    figure.savefig(path, metadata={"Software": None})
