"""How every plot is drawn: as SVG that takes its colours and type from the page it stands in.

Figures are drawn without any global state, and equal facts give equal bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Drawn in these, then replaced by variables of the page, so that one drawing suits a light and a dark page.
INK, MUTED, RULE = "#010101", "#020202", "#030303"
MODEL = "#040404"
BASELINES = ("#050505", "#060606", "#070707", "#080808", "#090909")
KINDS = ("#0a0a0a", "#0b0b0b", "#0c0c0c", "#0d0d0d", "#0e0e0e", "#0f0f0f")
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    RULE: "--rule",
    MODEL: "--model",
    **{color: f"--baseline-{number}" for number, color in enumerate(BASELINES, 1)},
    **{color: f"--kind-{number}" for number, color in enumerate(KINDS, 1)},
}
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "recsys_cl",
    "svg.fonttype": "none",
    "text.parse_math": False,  # titles from a log may hold any sign
    "font.size": 10,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.solid_capstyle": "round",
}
DASH = "\N{EN DASH}"
DASHED = (0, (4, 3))
WIDTH, HEIGHT = 5.6, 3.5  # inches; the page scales them


def svg(draw: Callable[[Figure], None], name: str, *, width: float = WIDTH, height: float = HEIGHT) -> str:
    """Return what ``draw`` draws, on a figure of so many inches, as an SVG element; names must differ within a page."""
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the page's fonts have more signs than those here
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        stream = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    for color, variable in _VARIABLES.items():
        text = text.replace(color, f"var({variable})")
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\1{name}-", text)  # ids must differ within a page
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    return text.replace("<svg", '<svg role="img"', 1).strip()


def label_ends(axes: Axes, x: float, ends: Sequence[tuple[float, str, str, bool]]) -> None:
    """Write names where lines end, pushed apart so that none covers another."""
    gap = 0.068 * (axes.get_ylim()[1] - axes.get_ylim()[0])
    floor = -float("inf")
    for y, text, color, strong in sorted(ends):
        floor = max(y, floor + gap)
        axes.annotate(
            text,
            (x, floor),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=color,
            fontweight="bold" if strong else "normal",
            annotation_clip=False,
        )
