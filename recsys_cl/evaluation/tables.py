"""The tables of a report, as rows of cells that Markdown and HTML lay out alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

from recsys_cl.evaluation.facts import EvaluationReport, IndexFacts, Marks, TrainingFacts
from recsys_cl.evaluation.findings import headline, how_fitted, ks_of, label, metric_label, number, signed

_ACCURACY = ("recall", "capped_recall", "ndcg", "hit_rate", "mrr", "map", "precision")
_BEYOND = ("coverage", "gini", "popularity", "popularity_lift", "novelty")


@dataclass(frozen=True)
class Cell:
    """One cell: the text, a small addition such as an interval, and whether it is the best of its column."""

    text: str
    note: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """One row: its name, its cells, and whether it is the model's."""

    name: str
    cells: tuple[Cell, ...]
    model: bool = False


@dataclass(frozen=True)
class Table:
    """A table: what the first column holds, the other columns' names, and the rows."""

    corner: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def headline_table(report: EvaluationReport) -> Table:
    """All accuracy metrics at the headline k, with intervals, the best of each column marked."""
    k = headline(report)
    return _metrics_table(report, [f"{metric}_at_{k}" for metric in _ACCURACY])


def metric_by_k_table(report: EvaluationReport, metric: str) -> Table:
    """One accuracy metric at every k."""
    return _metrics_table(report, [f"{metric}_at_{k}" for k in ks_of(report)])


def catalogue_table(report: EvaluationReport) -> Table:
    """What recommendations do to the catalogue, at the headline k; no value of these is best as such."""
    names = [f"{metric}_at_{headline(report)}" for metric in _BEYOND]
    rows = []
    for marks in report.marks:
        coverage, gini, popularity, lift, bits = (marks.metrics[name] for name in names)
        texts = (f"{coverage:.1%}", f"{gini:.3f}", f"{popularity:,.1f}", f"{lift:.2f}\N{MULTIPLICATION SIGN}")
        cells = tuple(Cell(text) for text in (*texts, f"{bits:.2f}"))
        rows.append(Row(label(marks.name), cells, marks.role == "model"))
    return Table("", tuple(metric_label(name) for name in names), tuple(rows))


def difference_table(report: EvaluationReport) -> Table:
    """The model less each baseline in the metrics compared, with paired intervals."""
    metrics = list(dict.fromkeys(difference.metric for difference in report.differences))
    found = {(d.baseline, d.metric): d for d in report.differences}
    rows = []
    for baseline in dict.fromkeys(difference.baseline for difference in report.differences):
        cells = []
        for metric in metrics:
            d = found[baseline, metric]
            cells += [Cell(signed(d.difference), f"{signed(d.low)} to {signed(d.high)}"), Cell(f"{d.probability:.0%}")]
        rows.append(Row(f"over {label(baseline)}", tuple(cells)))
    columns = [name for metric in metrics for name in (metric_label(metric), "better in")]
    return Table("The model", tuple(columns), tuple(rows))


def slice_table(report: EvaluationReport, by: str) -> Table:
    """Headline recall of each part, parts being rows and recommenders columns."""
    metric = f"recall_at_{headline(report)}"
    parts = [[part for part in marks.slices if part.by == by] for marks in report.marks]
    rows = []
    for same in zip(*parts, strict=True):
        best = max(part.metrics.get(metric, 0.0) for part in same)
        cells = [_cell(part.metrics.get(metric), best) for part in same]
        rows.append(Row(same[0].label, (Cell(f"{same[0].users:,}"), *cells)))
    corner = "Items in the history" if by == "history_length" else "Popularity of the item"
    return Table(corner, ("Users", *(label(marks.name) for marks in report.marks)), tuple(rows))


def cold_table(report: EvaluationReport) -> Table | None:
    """Headline recall and NDCG of cold users; None where there were none."""
    k = headline(report)
    names = (f"recall_at_{k}", f"ndcg_at_{k}")
    groups = [
        g for g in ("with_history", "without_history") if any(m.cold.get(g) and m.cold[g].users for m in report.marks)
    ]
    if not groups:
        return None
    columns = tuple(f"{metric_label(name)}, {group.replace('_', ' ')}" for group in groups for name in names)
    best = {
        (group, name): max(marks.cold[group].metrics.get(name, 0.0) for marks in report.marks)
        for group in groups
        for name in names
    }
    rows = tuple(
        Row(
            label(marks.name),
            tuple(_cell(marks.cold[g].metrics.get(name), best[g, name]) for g in groups for name in names),
            marks.role == "model",
        )
        for marks in report.marks
    )
    return Table("", columns, rows)


def fit_table(training: TrainingFacts | None) -> Table | None:
    """What was fitted, the best first, and what of it was kept; None where there was nothing to choose from."""
    if training is None or len(training.tried) < 2:
        return None
    best = max(fit.validation or 0.0 for fit in training.tried)
    rows = []
    for fit in training.tried:
        kept, made = fit.name == training.kept, how_fitted(fit, training.tried)
        figure = replace(_cell(fit.validation, best), note="kept" if kept else "")
        rows.append(Row(made[0].upper() + made[1:], (Cell(f"{fit.dim:,}"), figure), kept))
    metric = f"{metric_label(training.validation_metric)} on validation"
    return Table("What was fitted", ("Dimensions", metric), tuple(rows))


def trial_table(index: IndexFacts) -> Table:
    """What was measured before the index was chosen, the recall that each loses against exact search included."""
    rows = []
    for trial in index.tried:
        settings = ", ".join(f"{name} {value}" for name, value in trial.parameters.items())
        chosen = trial.kind == index.kind and trial.parameters == index.parameters
        size = "" if trial.bytes_per_item is None else f"{trial.bytes_per_item:,.0f}"
        texts = (settings, number(trial.recall), number(1 - trial.recall), f"{trial.ms_per_query:.3f}", size)
        rows.append(Row(trial.kind, tuple(Cell(text) for text in texts), chosen))
    return Table("Kind", ("Search parameters", "Recall", "Lost", "ms a query", "Bytes an item"), tuple(rows))


def _metrics_table(report: EvaluationReport, names: list[str]) -> Table:
    names = [name for name in names if any(name in marks.metrics for marks in report.marks)]
    best = {name: max(marks.metrics.get(name, 0.0) for marks in report.marks) for name in names}
    rows = tuple(
        Row(label(m.name), tuple(_with_interval(m, name, best[name]) for name in names), m.role == "model")
        for m in report.marks
    )
    return Table("", tuple(metric_label(name) for name in names), rows)


def _with_interval(marks: Marks, name: str, best: float) -> Cell:
    cell = _cell(marks.metrics.get(name), best)
    if name not in marks.intervals:
        return cell
    low, high = marks.intervals[name]
    return Cell(cell.text, f"{number(low)} to {number(high)}", cell.best)


def _cell(value: float | None, best: float) -> Cell:
    return Cell("") if value is None else Cell(number(value), best=value == best and best > 0)
