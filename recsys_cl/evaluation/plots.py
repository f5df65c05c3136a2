"""The plots of a report's marks, and of the training that led to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recsys_cl.evaluation.drawing import BASELINES, DASH, DASHED, MODEL, MUTED, label_ends, svg
from recsys_cl.evaluation.facts import EvaluationReport, Marks, TrainingFacts
from recsys_cl.evaluation.findings import headline, ks_of, label, metric_label


def all_plots(report: EvaluationReport) -> dict[str, str]:
    """Return every plot that the report has facts for, by name, as SVG elements."""
    drawings: dict[str, Callable[[Figure], None]] = {}
    if len(ks_of(report)) > 1 and report.examined.headline:
        drawings["recall"] = lambda figure: _recall_curves(figure, report)
    for by in ("history_length", "item_popularity"):
        if any(part.by == by for marks in report.marks for part in marks.slices):
            drawings[by] = lambda figure, by=by: _slices(figure, report, by)  # type: ignore[misc]  # mypy does not see the default
    if report.examined.headline:
        drawings["catalogue"] = lambda figure: _catalogue(figure, report)
    if report.training is not None and report.training.curve:
        training = report.training
        drawings["training"] = lambda figure: _training(figure, training)
    return {name: svg(draw, name) for name, draw in drawings.items()}


def _styles(report: EvaluationReport) -> list[tuple[Marks, str, float]]:
    colors = iter(BASELINES * (1 + len(report.marks) // len(BASELINES)))
    return [(m, MODEL, 2.4) if m.role == "model" else (m, next(colors), 1.4) for m in report.marks]


def _recall_curves(figure: Figure, report: EvaluationReport) -> None:
    axes = figure.add_subplot()
    ks = ks_of(report)
    ends = []
    for marks, color, width in _styles(report):
        recalls = [marks.metrics[f"recall_at_{k}"] for k in ks]
        bands = [marks.intervals.get(f"recall_at_{k}", (r, r)) for k, r in zip(ks, recalls, strict=True)]
        axes.fill_between(
            ks, [b[0] for b in bands], [b[1] for b in bands], color=color, alpha=0.07 * width, linewidth=0
        )
        axes.plot(ks, recalls, color=color, linewidth=width, marker="o", markersize=width * 1.7)
        ends.append((recalls[-1], label(marks.name), color, marks.role == "model"))
    axes.set_xscale("log")
    axes.set_xticks(ks, [str(k) for k in ks])
    axes.minorticks_off()
    axes.set_xlabel("k, length of the list")
    axes.set_ylabel("recall")
    axes.set_ylim(bottom=0)
    label_ends(axes, ks[-1], ends)


def _slices(figure: Figure, report: EvaluationReport, by: str) -> None:
    axes = figure.add_subplot()
    metric = f"recall_at_{headline(report)}"
    first = [part for part in report.marks[0].slices if part.by == by]
    ends = []
    for marks, color, width in _styles(report):
        recalls = [part.metrics.get(metric, 0.0) for part in marks.slices if part.by == by]
        axes.plot(range(len(recalls)), recalls, color=color, linewidth=width, marker="o", markersize=width * 1.9)
        ends.append((recalls[-1], label(marks.name), color, marks.role == "model"))
    axes.set_xticks(range(len(first)), [f"{part.label.replace(' to ', DASH)}\n{part.users:,}" for part in first])
    axes.set_xlabel(
        "items in the history, and users" if by == "history_length" else "popularity of the item, and users"
    )
    axes.set_ylabel(metric_label(metric))
    axes.set_ylim(bottom=0)
    axes.margins(x=0.06)
    label_ends(axes, len(first) - 1, ends)


def _catalogue(figure: Figure, report: EvaluationReport) -> None:
    axes = figure.add_subplot()
    k = headline(report)
    points = []
    for marks, color, width in _styles(report):
        x, y = marks.metrics[f"coverage_at_{k}"], marks.metrics[f"popularity_lift_at_{k}"]
        axes.scatter([x], [y], s=34 * width, color=color, zorder=3, linewidth=0)
        points.append((y, x, label(marks.name), color, marks.role == "model"))
    axes.axhline(1.0, color=MUTED, linewidth=0.9, linestyle=DASHED)
    axes.set_xlim(0, max(1.12 * max(x for _, x, *_ in points), 0.02))
    axes.set_ylim(0, 1.12 * max(1.0, *(y for y, *_ in points)))
    _label_points(axes, points)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}%")
    axes.set_xlabel(f"share of the catalogue recommended to anyone, k = {k}")
    axes.set_ylabel("popularity lift")


def _label_points(axes: Axes, points: Sequence[tuple[float, float, str, str, bool]]) -> None:
    gap = 0.07 * axes.get_ylim()[1]
    placed: list[tuple[float, float]] = []
    for y, x, text, color, strong in sorted(points):
        level = y
        while any(abs(level - other) < gap and abs(x - beside) < 0.3 * axes.get_xlim()[1] for other, beside in placed):
            level += gap / 4
        placed.append((level, x))
        left = x > 0.72 * axes.get_xlim()[1]
        axes.annotate(
            text,
            (x, level),
            xytext=(-9 if left else 9, 0),
            textcoords="offset points",
            va="center",
            ha="right" if left else "left",
            color=color,
            fontweight="bold" if strong else "normal",
        )


def _training(figure: Figure, training: TrainingFacts) -> None:
    validated = [epoch for epoch in training.curve if epoch.validation is not None]
    panels = figure.subplots(2 if validated else 1, 1, sharex=True, squeeze=False)[:, 0]
    epochs = [epoch.epoch for epoch in training.curve]
    panels[0].plot(epochs, [epoch.loss for epoch in training.curve], color=MUTED, linewidth=1.8)
    panels[0].set_ylabel("loss, nats")
    if validated:
        figures = [epoch.validation for epoch in validated]
        panels[1].plot([epoch.epoch for epoch in validated], figures, color=MODEL, linewidth=2.2)
        panels[1].set_ylabel("validation " + metric_label(training.validation_metric))
        best = [e for e in validated if e.epoch == training.best_epoch]
        panels[1].scatter([e.epoch for e in best], [e.validation for e in best], s=50, color=MODEL, zorder=3)
    for axes in panels:
        axes.axvline(training.best_epoch, color=MUTED, linewidth=0.9, linestyle=DASHED)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.align_ylabels()
    panels[-1].set_xlabel("epoch; the dashed line marks the one that was kept")
