"""A plot that stands alone, outside the page it was drawn for."""

from __future__ import annotations

import base64
import re

_COLORS = {
    "ink": "#1d2126",
    "muted": "#6a7078",
    "rule": "#e3e1da",
    "model": "#b3401f",
    "baseline-1": "#5b7a99",
    "baseline-2": "#8a7f5c",
    "baseline-3": "#3f8078",
    "baseline-4": "#7d5f96",
    "baseline-5": "#4d5560",
    "kind-1": "#2f6fb0",
    "kind-2": "#d08a1d",
    "kind-3": "#2c8f68",
    "kind-4": "#8a56b0",
    "kind-5": "#c8475c",
    "kind-6": "#7d7f1f",
}  # those of the report's light page
_MARGIN = 12  # in the plot's own units


def standalone(svg: str, width: int = 840) -> str:
    """Give a plot of `plots.all_plots` its own colours, a white ground and a size.

    Args:
        svg: the SVG element, with a viewBox.
        width: in pixels; the height follows.

    Returns:
        The element with a margin, to be shown by itself or as an image.

    Raises:
        ValueError: there is no viewBox.
    """
    for name, color in _COLORS.items():
        svg = svg.replace(f"var(--{name})", color)
    viewed = re.search(r'viewBox="0 0 (?P<across>[\d.]+) (?P<down>[\d.]+)"', svg)
    if viewed is None:
        raise ValueError("The plot has no viewBox that starts at 0 0.")
    across, down = (float(viewed[side]) + 2 * _MARGIN for side in ("across", "down"))
    svg = svg.replace(viewed[0], f'viewBox="-{_MARGIN} -{_MARGIN} {across:g} {down:g}"', 1)
    size = f'width="{width}" height="{round(width * down / across)}"'
    return svg.replace("<svg", f'<svg {size} style="background:#fff"', 1)


def data_uri(svg: str) -> str:
    """Return an SVG element as an address that holds the whole picture."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
