"""A report as one page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from recsys_cl.evaluation import findings, tables
from recsys_cl.evaluation.alarms import alarms_of
from recsys_cl.evaluation.facts import EvaluationReport
from recsys_cl.evaluation.plots import all_plots
from recsys_cl.evaluation.templates import SpaceSection, drawn, environment, space_section

_TEMPLATE = "report.html"


def as_html(report: EvaluationReport) -> str:
    """Lay out ``report`` as a page; text from the log is escaped."""
    k = findings.headline(report)
    slowest = max(report.seconds.values(), default=0.0) or 1.0
    return (
        environment()
        .get_template(_TEMPLATE)
        .render(
            report=report,
            plots=drawn(all_plots(report)),
            space=_space(report),
            k=k,
            tiles=_tiles(report, k),
            verdicts=findings.verdicts(report),
            beaten_by=findings.beaten_by(report),
            provenance=findings.provenance(report),
            asked=findings.who_was_asked(report),
            chosen=findings.how_chosen(report.training) if report.training else [],
            fits=tables.fit_table(report.training),
            headline=tables.headline_table(report),
            by_k=[tables.metric_by_k_table(report, metric) for metric in ("recall", "ndcg")],
            differences=tables.difference_table(report) if report.differences else None,
            catalogue=tables.catalogue_table(report),
            by_history=tables.slice_table(report, "history_length"),
            by_popularity=tables.slice_table(report, "item_popularity"),
            cold=tables.cold_table(report),
            trials=tables.trial_table(report.index) if report.index and report.index.tried else None,
            shares={stage: 100 * seconds / slowest for stage, seconds in report.seconds.items()},
        )
    )


def _space(report: EvaluationReport) -> SpaceSection | None:
    return None if report.diagnostics is None else space_section(report.diagnostics, alarms_of(report))


def _tiles(report: EvaluationReport, k: int) -> list[tuple[str, str, str]]:
    """Return the few figures to see first: name, figure, and a note beneath it."""
    model = findings.model_of(report)
    tiles = []
    if model is not None:
        for name in (f"recall_at_{k}", f"ndcg_at_{k}"):
            low, high = model.intervals.get(name, (model.metrics[name], model.metrics[name]))
            note = f"{findings.number(low)} to {findings.number(high)}"
            tiles.append((findings.metric_label(name), findings.number(model.metrics[name]), note))
        tiles.append((f"Coverage@{k}", f"{model.metrics[f'coverage_at_{k}']:.1%}", "of the catalogue"))
    tiles.append(("Users asked", f"{report.examined.headline:,}", f"of {report.examined.users:,} in the test"))
    tiles.append(("Catalogue", f"{report.examined.catalogue:,}", "items, all of them ranked"))
    return tiles
