"""Draw the figures of the course.

    python docs/contrastive/figures/draw.py

What `pull.svg` shows is computed by the losses themselves; the other two are diagrams.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from recsys_cl.contrast.losses.bpr import bpr
from recsys_cl.contrast.losses.cosine_contrastive import cosine_contrastive
from recsys_cl.contrast.losses.hard_negatives import hard_negatives
from recsys_cl.contrast.losses.info_nce import info_nce
from recsys_cl.contrast.losses.spectral import spectral
from recsys_cl.contrast.scored import Scored

_FOLDER = Path(__file__).resolve().parent
_INK, _FAINT, _PAPER = "#222222", "#777777", "#ffffff"
_BLUE, _ORANGE, _GREEN, _GREY = "#3b6ea8", "#d1782b", "#4c9a5a", "#d9d9d9"
_PALE = {_BLUE: "#dce7f3", _ORANGE: "#f8e5d3", _GREEN: "#dff0e2", _GREY: "#f2f2f2"}


def box(axes: Axes, at: tuple[float, float], size: tuple[float, float], text: str, color: str = _BLUE) -> None:
    """Draw a box with its centre ``at``."""
    corner = at[0] - size[0] / 2, at[1] - size[1] / 2
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle=style, facecolor=_PALE[color], edgecolor=color))
    axes.text(*at, text, ha="center", va="center", color=_INK, fontsize=9)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], text: str = "", style: str = "-") -> None:
    """Draw an arrow, with words beside its middle."""
    look = {"arrowstyle": "-|>", "color": _FAINT, "linestyle": style, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=look)
    if text:
        middle = (start[0] + end[0]) / 2 + 0.08, (start[1] + end[1]) / 2
        axes.text(*middle, text, ha="left", va="center", color=_FAINT, fontsize=8)


def empty(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a sheet without axes, in units of an inch."""
    figure = Figure(figsize=(width, height), facecolor=_PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def batch() -> Figure:
    """Draw how a batch becomes a loss."""
    figure, axes = empty(10, 4.7)
    for row, (title, mapped, color) in enumerate(
        (
            ("histories,\ncut in two", "user tower,\nsimilarity.queries", _BLUE),
            ("what follows the cuts,\nand items drawn", "item tower,\nsimilarity.candidates", _ORANGE),
        )
    ):
        y = 3.7 - 2.5 * row
        box(axes, (1.05, y), (1.7, 0.8), title, color)
        arrow(axes, (1.9, y), (2.4, y))
        box(axes, (3.25, y), (1.7, 0.8), mapped, color)
        arrow(axes, (4.1, y), (4.55, 3.0 if row == 0 else 2.1))
    axes.text(4.15, 3.82, "queries (b, D)", color=_BLUE, fontsize=8)
    axes.text(4.15, 1.0, "candidates (n, D)", color=_ORANGE, fontsize=8)
    matrix(axes, (4.65, 1.55))
    arrow(axes, (7.05, 2.55), (7.5, 2.55))
    steps = ("÷ temperature", "less log q, negatives alone", "known items: gone", "loss: one number a positive")
    for number, step in enumerate(steps):
        y = 3.75 - 0.8 * number
        box(axes, (8.7, y), (2.4, 0.5), step, _GREEN)
        if number:
            arrow(axes, (8.7, y + 0.55), (8.7, y + 0.25))
    last = "gradients go back to the rows\nthat the batch used, a block at a time"
    axes.text(8.7, 0.62, last, ha="center", va="center", color=_FAINT, fontsize=8)
    return figure


def matrix(axes: Axes, corner: tuple[float, float]) -> None:
    """Draw a score matrix: positives, known items, negatives."""
    kinds = ("pn..n..n", "..pp..n.", "n.n..p..", ".p..n..p", "p..n...n")
    colors = {"p": _GREEN, "n": _GREY, ".": _PALE[_BLUE]}
    side = 0.29
    for row, kind in enumerate(kinds):
        for column, sign in enumerate(kind):
            place = corner[0] + column * side, corner[1] + (len(kinds) - 1 - row) * side + 0.3
            axes.add_patch(Rectangle(place, side * 0.92, side * 0.92, facecolor=colors[sign], edgecolor="none"))
    axes.text(corner[0] + 1.15, corner[1] + 1.92, "scores (b, n)", ha="center", color=_INK, fontsize=9)
    for number, (sign, name) in enumerate((("p", "positive"), (".", "negative"), ("n", "known: none"))):
        x = corner[0] + 0.78 * number - 0.02
        axes.add_patch(Rectangle((x, corner[1]), 0.13, 0.13, facecolor=colors[sign], edgecolor="none"))
        axes.text(x + 0.17, corner[1] + 0.06, name, va="center", color=_FAINT, fontsize=7.5)


def momentum() -> Figure:
    """Draw what is compared with what, and what takes gradients, in three frameworks."""
    figure, axes = empty(10, 3.9)
    for number, (title, draw) in enumerate(
        (("SimCLR: two views, one tower", _simclr), ("MoCo: a queue of keys", _moco), ("BYOL: no negatives", _byol))
    ):
        left = 0.1 + 3.3 * number
        axes.text(left + 1.55, 3.65, title, ha="center", color=_INK, fontsize=10, weight="bold")
        draw(axes, left)
    return figure


def _two(axes: Axes, left: float, names: tuple[str, str, str, str], second: str = _BLUE) -> None:
    """Draw two columns of two boxes each: what goes in, what encodes it."""
    for column, (given, tower, color) in enumerate(((names[0], names[1], _BLUE), (names[2], names[3], second))):
        x = left + 0.75 + 1.6 * column
        box(axes, (x, 0.4), (1.35, 0.5), given, _GREY)
        arrow(axes, (x, 0.65), (x, 1.05))
        box(axes, (x, 1.32), (1.35, 0.54), tower, color)


def _simclr(axes: Axes, left: float) -> None:
    _two(axes, left, ("a history, cropped", "tower", "the same, masked", "the same tower"))
    for column in (0, 1):
        x = left + 0.75 + 1.6 * column
        arrow(axes, (x, 1.6), (left + 1.1 + 0.9 * column, 2.75))
    box(axes, (left + 1.55, 3.05), (2.6, 0.56), "nearer than views of others", _GREEN)
    axes.text(left + 1.55, 2.0, "gradients\non both sides", ha="center", va="center", color=_FAINT, fontsize=8)


def _moco(axes: Axes, left: float) -> None:
    _two(axes, left, ("a user", "towers", "items they took", "slow towers"), _ORANGE)
    x = left + 0.75
    arrow(axes, (x, 1.6), (left + 1.0, 2.75), "")
    box(axes, (left + 2.35, 2.15), (1.35, 0.5), "queue of keys", _ORANGE)
    arrow(axes, (left + 2.35, 1.6), (left + 2.35, 1.9))
    arrow(axes, (left + 2.35, 2.4), (left + 2.1, 2.75))
    arrow(axes, (left + 1.44, 1.32), (left + 1.66, 1.32), "", "--")
    axes.text(left + 1.55, 1.75, "follow", ha="center", va="center", color=_FAINT, fontsize=8)
    box(axes, (left + 1.55, 3.05), (2.6, 0.56), "own key above those queued", _GREEN)
    axes.text(left + 0.45, 2.2, "gradients", ha="center", va="center", color=_FAINT, fontsize=8)


def _byol(axes: Axes, left: float) -> None:
    _two(axes, left, ("a user", "towers", "an item they took", "slow towers"), _ORANGE)
    box(axes, (left + 0.75, 2.15), (1.35, 0.5), "predictor", _BLUE)
    arrow(axes, (left + 0.75, 1.6), (left + 0.75, 1.9))
    arrow(axes, (left + 0.75, 2.4), (left + 1.0, 2.75))
    arrow(axes, (left + 2.35, 1.6), (left + 2.1, 2.75))
    axes.text(left + 2.42, 2.15, "no gradient", ha="left", va="center", color=_FAINT, fontsize=8)
    arrow(axes, (left + 1.44, 1.32), (left + 1.66, 1.32), "", "--")
    axes.text(left + 1.55, 1.75, "follow", ha="center", va="center", color=_FAINT, fontsize=8)
    box(axes, (left + 1.55, 3.05), (2.6, 0.56), "be what was predicted", _GREEN)


def pull() -> Figure:
    """Draw how strongly each loss pushes a negative away, by its similarity."""
    figure = Figure(figsize=(7.2, 3.9), facecolor=_PAPER, layout="constrained")
    axes = figure.add_subplot()
    cosines = torch.linspace(-0.6, 0.8, 281)
    each_once = partial(bpr, drawn=torch.arange(len(cosines)).unsqueeze(0))
    shown: list[tuple[str, Callable[[Scored], torch.Tensor], float, str]] = [
        ("InfoNCE, temperature .1", info_nce, 0.1, _BLUE),
        ("InfoNCE, temperature .3", info_nce, 0.3, "#9dbbdc"),
        ("hard negatives, β = 1, temperature .3", partial(hard_negatives, hardness=1.0), 0.3, _ORANGE),
        ("BPR, temperature .1", each_once, 0.1, _INK),
        ("cosine contrastive, margin .4", partial(cosine_contrastive, margin=0.4, negative_weight=150.0), 1.0, _GREEN),
        ("spectral", partial(spectral, scale=10.0), 1.0, "#a05195"),
    ]
    for name, loss, temperature, color in shown:
        pushes = _pushes(loss, cosines, temperature)
        axes.plot(cosines, pushes / np.abs(pushes).max(), color=color, label=name, linewidth=1.8)
    axes.axhline(0, color=_GREY, linewidth=1, zorder=0)
    axes.axvline(0.5, color=_GREY, linewidth=1, zorder=0)
    axes.text(0.49, -0.72, "the positive", rotation=90, ha="right", color=_FAINT, fontsize=8)
    axes.set_xlabel("cosine of a negative", color=_FAINT)
    axes.set_ylabel("push, over the strongest shown", color=_FAINT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def _pushes(loss: Callable[[Scored], torch.Tensor], cosines: torch.Tensor, temperature: float) -> np.ndarray:
    """Return the derivative of a loss by the cosine of each of a query's negatives, whose positive has .5.

    There are more negatives near nought than in the tail, as if cosines had a deviation of .2.
    """
    log_q = (cosines / 0.2).square() / 2
    leaf, own = cosines.clone().requires_grad_(), torch.full((1,), -torch.inf)
    scored = Scored(
        positive=torch.tensor([0.5 / temperature]),
        rows=torch.tensor([0]),
        columns=torch.tensor([len(cosines)]),
        place=slice(0, 1),
        negative=torch.cat([leaf / temperature - (log_q if temperature < 1 else 0), own])[None],
        log_q=torch.cat([log_q, torch.zeros(1)]),
        temperature=torch.full((1, 1), temperature),
    )
    (gradient,) = torch.autograd.grad(loss(scored).sum(), leaf)
    drawn = getattr(loss, "func", loss) is bpr  # each once, whatever the others
    return (gradient if drawn else gradient * log_q.exp()).numpy()  # of one negative, not of all that have its cosine


def main() -> None:
    """Write the figures beside this file."""
    mpl.rcParams.update({"svg.hashsalt": "recsys_cl", "font.family": "DejaVu Sans", "svg.fonttype": "path"})
    for draw in (batch, momentum, pull):
        draw().savefig(_FOLDER / f"{draw.__name__}.svg", metadata={"Date": None})


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
