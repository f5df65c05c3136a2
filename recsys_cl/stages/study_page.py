"""A search as one page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recsys_cl import __version__
from recsys_cl.evaluation.findings import METHODS, metric_label, number, signed
from recsys_cl.evaluation.tables import Cell, Row, Table
from recsys_cl.evaluation.templates import drawn, environment
from recsys_cl.registry.studies import Tried
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import Prepared
from recsys_cl.stages.search_space import Dimension
from recsys_cl.stages.study_plots import study_plots

_TEMPLATE = "study.html"


def as_page(
    job: Job, prepared: Prepared, space: Sequence[Dimension], trials: Sequence[Tried], facts: dict[str, Any]
) -> str:
    """Lay out what `tune` found as a page; text from the log is escaped."""
    metric, best = facts["metric"], trials[facts["best"]["number"] - 1]
    plots = study_plots(trials, space, facts["importances"], metric)
    return (
        environment()
        .get_template(_TEMPLATE)
        .render(
            name=job.name,
            source=prepared.snapshot.manifest["source"],
            created=job.now,
            version=__version__,
            tiles=_tiles(trials, best, metric),
            sentences=_sentences(job, trials, best, metric),
            settings=_settings_table(space, trials[0], best, facts["importances"]),
            settings_file=facts["settings"],
            trials=_trials_table(space, trials, best, metric),
            plots=drawn(plots),
        )
    )


def _tiles(trials: Sequence[Tried], best: Tried, metric: str) -> list[tuple[str, str, str]]:
    given, complete = trials[0], sum(one.state == "complete" for one in trials)
    gain = "" if given.figure is None else f"{number(given.figure)} as given"
    recall = "" if given.recall is None else f"{number(given.recall)} as given"
    minutes = sum(one.seconds for one in trials) / 60
    return [
        (metric_label(metric), number(best.figure or 0.0), gain),
        ("Recall@20", number(best.recall or 0.0), recall),
        ("Trials", f"{len(trials):,}", f"{complete:,} complete, {len(trials) - complete:,} ended early"),
        ("Best trial", str(best.number), f"{best.best_epoch} epochs, {best.seconds:.0f} s"),
        ("Time", f"{minutes:.1f} min", "of all trials"),
    ]


def _sentences(job: Job, trials: Sequence[Tried], best: Tried, metric: str) -> list[str]:
    train, given = job.config.train, trials[0]
    told = [
        f"{METHODS[train.method].capitalize()}: {train.learned}; {train.dim} dimensions, similarity "
        f"{train.similarity}, at most {train.epochs} epochs."
    ]
    if best.number == given.number:
        told.append("No other settings did better than those given.")
    elif given.figure is not None and best.figure is not None:
        gain = best.figure - given.figure
        told.append(
            f"{metric_label(metric)} of the best is {signed(gain)} beside the settings given, "
            f"or {gain / max(given.figure, 1e-9):+.0%}."
        )
    diverged = [one for one in trials if one.state == "diverged"]
    if diverged:
        told.append(f"With {len(diverged)} settings nothing could be learned. {diverged[0].note}")
    return told


def _settings_table(space: Sequence[Dimension], given: Tried, best: Tried, importances: dict[str, float]) -> Table:
    rows = []
    for one in space:
        importance = f"{importances[one.name]:.0%}" if one.name in importances else ""
        where = ", ".join(map(str, one.choices)) or (
            f"{one.search.low:,g} to {one.search.high:,g}{', log' if one.search.log else ''}"
        )
        cells = (Cell(_shown(given, one)), Cell(_shown(best, one), best=True), Cell(where), Cell(importance))
        rows.append(Row(one.name, cells))
    return Table("setting", ("first", "best", "searched", "importance"), tuple(rows))


def _trials_table(space: Sequence[Dimension], trials: Sequence[Tried], best: Tried, metric: str) -> Table:
    ranked = sorted(trials, key=lambda one: (one.state != "complete", -(one.figure or 0.0)))
    rows = []
    for trial in ranked:
        figure = "" if trial.figure is None else number(trial.figure)
        recall = "" if trial.recall is None else number(trial.recall)
        outcome = (figure, recall, trial.state, f"{len(trial.curve)}", f"{trial.seconds:.1f}")
        settings = tuple(Cell(_shown(trial, one)) for one in space)
        rows.append(Row(str(trial.number), (*map(Cell, outcome), *settings), model=trial is best))
    columns = (metric_label(metric), "Recall@20", "state", "epochs", "seconds", *(one.name for one in space))
    return Table("trial", columns, tuple(rows))


def _shown(trial: Tried, dimension: Dimension) -> str:
    value = trial.settings[dimension.name]
    return f"{value:,g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
