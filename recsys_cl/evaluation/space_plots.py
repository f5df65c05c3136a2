"""The plots of diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recsys_cl.evaluation.diagnostic_facts import (
    AlignmentFacts,
    BoundFacts,
    DiagnosticFacts,
    InformationFacts,
    ListFacts,
    MapFacts,
    PopularityFacts,
)
from recsys_cl.evaluation.drawing import BASELINES, DASHED, INK, KINDS, MODEL, MUTED, label_ends, svg

_USERS, _ITEMS, _SCORES, _LATER = BASELINES[0], MODEL, BASELINES[2], BASELINES[3]
_MAP_WIDTH, _MAP_HEIGHT = 8.6, 5.4  # inches
_TITLE = 26  # characters of a title on the map


def space_plots(diagnostics: DiagnosticFacts) -> dict[str, str]:
    """Return every plot that there are facts for, by name, as SVG elements."""
    drawings: dict[str, Callable[[Figure], None]] = {}
    if diagnostics.alignment.edges:
        drawings["cosines"] = lambda figure: _cosines(figure, diagnostics.alignment)
    if len(diagnostics.items.spectrum) > 1 and len(diagnostics.users.spectrum) > 1:
        drawings["spectrum"] = lambda figure: _spectrum(figure, diagnostics)
    if len(set(diagnostics.popularity.interactions)) > 1:
        drawings["lengths"] = lambda figure: _lengths(figure, diagnostics)
    if diagnostics.items.normality is not None:
        drawings["normality"] = lambda figure: _normality(figure, diagnostics)
    if diagnostics.lists is not None and diagnostics.lists.curve:
        lists = diagnostics.lists
        drawings["lists"] = lambda figure: _lists(figure, lists)
    if diagnostics.information is not None and diagnostics.information.bounds:
        information = diagnostics.information
        drawings["information"] = lambda figure: _information(figure, information)
    plots = {name: svg(draw, f"space-{name}") for name, draw in drawings.items()}
    if diagnostics.map is not None:
        items = diagnostics.map
        plots["map"] = svg(lambda figure: _map(figure, items), "space-map", width=_MAP_WIDTH, height=_MAP_HEIGHT)
    return plots


def _cosines(figure: Figure, alignment: AlignmentFacts) -> None:
    axes = figure.add_subplot()
    shares = {
        "any item": (alignment.random_share, MUTED),
        "taken": (alignment.taken_share, _ITEMS),
        "taken later": (alignment.held_out_share, _LATER),
    }
    edges = np.array(alignment.edges)
    for name, (share, color) in shares.items():
        if not share:
            continue
        axes.stairs(share, edges, fill=True, color=color, alpha=0.13)
        axes.stairs(share, edges, color=color, linewidth=1.7, label=name)
    filled = np.flatnonzero(sum(np.array(share) for share, _ in shares.values() if share))
    if len(filled):
        axes.set_xlim(edges[max(filled[0] - 1, 0)], edges[min(filled[-1] + 2, len(edges) - 1)])
    axes.set_xlabel("cosine of a user and an item")
    axes.set_ylabel("share of pairs")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=0.9)


def _spectrum(figure: Figure, diagnostics: DiagnosticFacts) -> None:
    axes = figure.add_subplot()
    lines = [
        ("random", diagnostics.items.random_spectrum, MUTED, 1.2),
        ("scores", diagnostics.scores.spectrum, _SCORES, 1.6),
        ("users", diagnostics.users.spectrum, _USERS, 1.9),
        ("items", diagnostics.items.spectrum, _ITEMS, 2.3),
    ]
    lowest = 1.0
    for name, spectrum, color, width in lines:
        kept = [(place, share) for place, share in spectrum if share > 1e-4]
        if not kept:
            continue
        places, values = zip(*kept, strict=True)
        style = DASHED if name == "random" else "solid"
        axes.plot(places, values, color=color, linewidth=width, linestyle=style, label=name)
        lowest = min(lowest, values[-1])
    axes.set_yscale("log")
    axes.set_ylim(max(lowest / 1.6, 5e-5), 1.5)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.minorticks_off()
    axes.set_xlabel("place of the singular value")
    axes.set_ylabel("share of the largest")
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.6)


def _lengths(figure: Figure, diagnostics: DiagnosticFacts) -> None:
    axes = figure.add_subplot()
    popularity, length = diagnostics.popularity, diagnostics.items.length
    added = bool(popularity.offsets) and length is not None and length.constant
    values = popularity.offsets if added else popularity.lengths
    axes.scatter(popularity.interactions, values, s=9, color=_ITEMS, alpha=0.35, linewidth=0)
    _running_median(axes, popularity, values)
    axes.set_xscale("symlog" if min(popularity.interactions) == 0 else "log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.minorticks_off()
    axes.set_xlabel("interactions with the item")
    axes.set_ylabel("added to its score" if added else "length of its vector")
    if not added:
        axes.set_ylim(bottom=0)


def _running_median(axes: Axes, popularity: PopularityFacts, values: tuple[float, ...]) -> None:
    """Draw the median of items of like popularity, a tenth of all at a time."""
    order = np.argsort(popularity.interactions, kind="stable")
    if len(order) < 50:
        return
    parts = np.array_split(order, 10)
    xs = [float(np.median(np.array(popularity.interactions)[part])) for part in parts]
    ys = [float(np.median(np.array(values)[part])) for part in parts]
    axes.plot(xs, ys, color=INK, linewidth=1.6)


def _normality(figure: Figure, diagnostics: DiagnosticFacts) -> None:
    axes = figure.add_subplot()
    items, users = diagnostics.items, diagnostics.users
    lines = [
        ("users", users.normality, _USERS),
        ("items at length one", items.direction_normality, _SCORES),
        ("items", items.normality, _ITEMS),
    ]
    reach = 0.0
    for name, found, color in lines:
        if found is None:
            continue
        normal, middle, low, high = zip(*found.quantiles, strict=True)
        axes.fill_between(normal, low, high, color=color, alpha=0.12, linewidth=0)
        axes.plot(normal, middle, color=color, linewidth=1.9, label=name)
        reach = max(reach, *map(abs, low), *map(abs, high))
    edge = 2.7
    axes.plot([-edge, edge], [-edge, edge], color=MUTED, linewidth=0.9, linestyle=DASHED, label="normal")
    axes.set_ylim(-min(max(reach, edge), 6), min(max(reach, edge), 6))
    axes.set_xlabel("quantile of the normal distribution")
    axes.set_ylabel("quantile of projections")
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.6, loc="upper left")


def _lists(figure: Figure, lists: ListFacts) -> None:
    axes = figure.add_subplot()
    for name, curve, color, width in (
        ("one list for all", lists.one_list_curve, MUTED, 1.4),
        ("as given", lists.curve, _ITEMS, 2.3),
    ):
        if curve:
            xs, ys = zip(*curve, strict=True)
            axes.plot(xs, ys, color=color, linewidth=width, label=name)
    even = np.geomspace(lists.curve[0][0], 1, 64)
    axes.plot(even, even, color=MUTED, linewidth=0.9, linestyle=DASHED, label="evenly")
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("share of the catalogue, the most recommended first")
    axes.set_ylabel("share of recommendations")
    axes.legend(frameon=False, labelcolor="linecolor", handlelength=1.6)


def _information(figure: Figure, information: InformationFacts) -> None:
    axes, bounds = figure.add_subplot(), information.bounds
    candidates, ceilings = zip(*((bound.candidates, bound.ceiling) for bound in bounds), strict=True)
    axes.plot(candidates, ceilings, color=MUTED, linewidth=0.9, linestyle=DASHED)
    ends = _bounds(axes, bounds, "by_popularity", _ITEMS) + _bounds(axes, bounds, "evenly", _USERS)
    highest, lowest = max(end[0] for end in ends), min(end[0] for end in ends)
    top = 1.25 * max(highest, 0.5)
    axes.set_ylim(min(0.0, 1.1 * lowest), top)
    edge = min(0.97 * top, ceilings[-1])
    where: dict[str, Any] = {"xytext": (7, -3), "textcoords": "offset points", "va": "top"}
    axes.annotate("ceiling, log N", (exp(edge), edge), color=MUTED, **where)
    axes.set_xscale("log", base=2)
    ticks = candidates[1::2] or candidates
    axes.set_xticks(ticks, [f"{count:,}" for count in ticks])
    axes.minorticks_off()
    axes.set_xlabel("N, candidates of which one is right")
    axes.set_ylabel("nats")
    label_ends(axes, candidates[-1], ends)


def _bounds(
    axes: Axes, bounds: Sequence[BoundFacts], drawn: Literal["by_popularity", "evenly"], color: str
) -> list[tuple[float, str, str, bool]]:
    """Draw the bounds with others drawn so, with and without vectors; return where the lines end and their names."""
    candidates = [bound.candidates for bound in bounds]
    found, error, blind = (
        np.array([getattr(bound, f"{drawn}{which}") for bound in bounds])
        for which in ("", "_error", "_without_vectors")
    )
    axes.fill_between(candidates, found - 2 * error, found + 2 * error, color=color, alpha=0.14, linewidth=0)
    axes.plot(candidates, found, color=color, linewidth=2.1)
    axes.plot(candidates, blind, color=color, linewidth=1.2, linestyle=(0, (1, 1.6)))
    name = drawn.replace("_", " ")
    return [(float(found[-1]), name, color, True), (float(blind[-1]), "without vectors", color, False)]


def _map(figure: Figure, items: MapFacts) -> None:
    axes = figure.add_subplot()
    sizes = 8 + 150 * np.sqrt(np.array(items.interactions) / max(*items.interactions, 1)) ** 1.4
    places, kinds = np.array([items.x, items.y]), np.array(items.kind)
    for number in range(-1, len(items.kinds)):
        chosen = kinds == number
        color, name = (MUTED, "other") if number < 0 else (KINDS[number], items.kinds[number])
        if chosen.any():
            x, y = places[:, chosen]
            axes.scatter(x, y, s=sizes[chosen], color=color, alpha=0.62, linewidth=0, label=name)
    for number, title in items.titles.items():
        short = title if len(title) <= _TITLE else f"{title[: _TITLE - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"
        left = items.x[number] > 0.5
        axes.annotate(
            short,
            (items.x[number], items.y[number]),
            xytext=(-6 if left else 6, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=8,
        )
    axes.margins(x=0.02, y=0.03)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)
    legend = axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=7, handletextpad=0.1)
    for handle in filter(None, legend.legend_handles):
        handle.set(sizes=[30])
