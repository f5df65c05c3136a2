"""Plots of a search: how it went, what mattered, which settings went together, and what was given up."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recsys_cl.evaluation.drawing import BASELINES, INK, MODEL, MUTED, RULE, svg
from recsys_cl.evaluation.findings import metric_label
from recsys_cl.registry.studies import Tried
from recsys_cl.stages.search_space import Dimension

_WIDE, _TALL = 11.4, 4.0  # inches
_FEW = 7  # axes whose names have room on one line
_GIVEN_UP = BASELINES[0]


def study_plots(
    trials: Sequence[Tried], space: Sequence[Dimension], importances: dict[str, float], metric: str
) -> dict[str, str]:
    """Return every plot that there are facts for, by name, as SVG elements."""
    complete = [one for one in trials if one.state == "complete"]
    label = f"validation {metric_label(metric)}"
    drawings: dict[str, Callable[[Figure], None]] = {
        "history": lambda figure: _history(figure, trials, label),
        "epochs": lambda figure: _epochs(figure, trials, label),
    }
    plots = {name: svg(draw, name) for name, draw in drawings.items()}
    if importances:
        height = 0.5 + 0.3 * len(importances)
        plots["importance"] = svg(
            lambda figure: _importance(figure, importances), "importance", width=_WIDE, height=height
        )
    if len(complete) > 1:
        plots["parallel"] = svg(
            lambda figure: _parallel(figure, complete, space, label), "parallel", width=_WIDE, height=_TALL
        )
    return plots


def _history(figure: Figure, trials: Sequence[Tried], label: str) -> None:
    axes = figure.add_subplot()
    complete = [one for one in trials if one.state == "complete"]
    given_up = [one for one in trials if one.state != "complete" and one.figure is not None]
    figures = [one.figure or 0.0 for one in complete]
    last = trials[-1].number
    axes.step(
        [*(one.number for one in complete), last],
        [*accumulate(figures, max), max(figures)],
        where="post",
        color=MODEL,
        linewidth=2.0,
    )
    axes.scatter([one.number for one in complete], figures, s=26, color=MODEL, zorder=3, linewidth=0)
    axes.scatter(
        [one.number for one in given_up],
        [one.figure or 0.0 for one in given_up],
        s=26,
        facecolor="none",
        edgecolor=_GIVEN_UP,
        zorder=2,
    )
    _frame(axes, [one.figure for one in trials if one.figure is not None])
    axes.set_xlim(0, last + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("trial; the first is of the settings given")
    axes.set_ylabel(label)


def _epochs(figure: Figure, trials: Sequence[Tried], label: str) -> None:
    axes = figure.add_subplot()
    best = max((one for one in trials if one.state == "complete"), key=lambda one: one.figure or 0.0)
    for trial in trials:
        complete = trial.state == "complete"
        color, width, depth = (MUTED, 1.0, 0.55) if complete else (_GIVEN_UP, 0.9, 0.8)
        if trial is best:
            color, width, depth = MODEL, 2.4, 1.0
        epochs = range(1, len(trial.curve) + 1)
        axes.plot(epochs, trial.curve, color=color, linewidth=width, alpha=depth, zorder=3 if trial is best else 2)
        if not complete and trial.curve:
            axes.scatter([len(trial.curve)], [trial.curve[-1]], s=12, color=color, zorder=3, linewidth=0)
    _frame(axes, [figure for trial in trials for figure in trial.curve])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)


def _importance(figure: Figure, importances: dict[str, float]) -> None:
    axes = figure.add_subplot()
    names = sorted(importances, key=lambda name: importances[name])
    shares = [importances[name] for name in names]
    axes.barh(range(len(names)), shares, color=MODEL, height=0.62)
    for place, share in enumerate(shares):
        axes.annotate(
            f"{share:.0%}", (share, place), xytext=(5, 0), textcoords="offset points", va="center", color=MUTED
        )
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_xlim(0, 1.14 * max(shares))
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)


def _parallel(figure: Figure, trials: Sequence[Tried], space: Sequence[Dimension], label: str) -> None:
    """Draw an axis for each setting, the figure first, and a line for each complete trial, the better the bolder."""
    axes = figure.add_subplot()
    ranked = sorted(trials, key=lambda one: one.figure or 0.0)
    figures = [one.figure or 0.0 for one in ranked]
    low, high = min(figures), max(figures)
    for place, trial in enumerate(ranked):
        heights = [_share(trial.figure or 0.0, low, high), *(_height(one, trial.settings[one.name]) for one in space)]
        merit = ((place + 1) / len(ranked)) ** 2
        is_best = trial is ranked[-1]
        axes.plot(
            range(len(heights)),
            heights,
            color=MODEL,
            linewidth=2.6 if is_best else 1.2,
            alpha=1.0 if is_best else 0.08 + 0.5 * merit,
            zorder=3,
        )
    columns = [(label, f"{low:.4f}", f"{high:.4f}"), *((one.name, *_ends(one)) for one in space)]
    for place, (_, bottom, top) in enumerate(columns):
        axes.axvline(place, color=RULE, linewidth=1.2, zorder=1)
        for text, height, side in ((bottom, 0, "top"), (top, 1, "bottom")):
            axes.annotate(
                text,
                (place, height),
                xytext=(0, -5 if side == "top" else 5),
                textcoords="offset points",
                ha="center",
                va=side,
                color=MUTED,
            )
    for place, dimension in enumerate(space, 1):
        for choice in dimension.choices[1:-1]:
            axes.annotate(
                str(choice), (place, _height(dimension, choice)), xytext=(5, 0), textcoords="offset points", color=MUTED
            )
    axes.set_xticks(range(len(columns)), [_in_lines(name, len(columns)) for name, *_ in columns])
    axes.tick_params(axis="x", labelcolor=INK, pad=18)
    axes.set_yticks([])
    axes.set_ylim(-0.02, 1.02)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)


def _in_lines(name: str, columns: int) -> str:
    """Return a name with a line for each of its words, where there are many to stand side by side."""
    return re.sub(r"([._])|\s", r"\1\n", name) if columns > _FEW else name


def _height(dimension: Dimension, value: object) -> float:
    """Return where on its axis a value stands, from 0 to 1."""
    if dimension.choices:
        return dimension.choices.index(value) / max(len(dimension.choices) - 1, 1)
    search, number = dimension.search, float(str(value))
    if search.log:
        return _share(math.log(number), math.log(search.low), math.log(search.high))
    return _share(number, search.low, search.high)


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _ends(dimension: Dimension) -> tuple[str, str]:
    if dimension.choices:
        return str(dimension.choices[0]), str(dimension.choices[-1])
    return f"{dimension.search.low:,g}", f"{dimension.search.high:,g}"


def _frame(axes: Axes, figures: Sequence[float]) -> None:
    """Let the better nine tenths fill the height; what is worse may lie below the edge."""
    low, high = float(np.quantile(figures, 0.1)), max(figures)
    room = max(0.08 * (high - low), 1e-4)
    axes.set_ylim(max(min(figures), low) - room, high + room)
