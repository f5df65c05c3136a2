"""What a person finds on a run's page: the verdict, the figures, the plot, and where the files are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.cache_policies import NO_CACHE

from flows.plan import Plan
from recsys_cl.evaluation.facts import EvaluationReport
from recsys_cl.evaluation.findings import headline, label
from recsys_cl.evaluation.picture import data_uri, standalone
from recsys_cl.evaluation.plots import all_plots
from recsys_cl.evaluation.report import MARKDOWN_NAME, read_report
from recsys_cl.interactions.snapshot import open_snapshot

_METRICS = ("recall", "ndcg", "hit_rate", "mrr", "coverage")
_PUBLISHED: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False, "retries": 2, "retry_delay_seconds": 5}


@task(**_PUBLISHED)
def publish_training(plan: Plan, outcome: dict[str, Any]) -> None:
    """Show what became of a new version: verdict and report, figures, plot, links."""
    registry, folder = outcome["registry"], Path(outcome["report"]).parent
    _publish_report(plan, "retrain", f"# {verdict(registry)}\n\n{registry['reason']}", folder)
    if plan.job().tracking_uri.startswith("http"):
        page = f"{plan.job().tracking_uri.rstrip('/')}/#/models/{plan.name}/versions/{registry['version']}"
        create_link_artifact(page, f"{plan.name} version {registry['version']} in MLflow", key=key(plan, "version"))


@task(**_PUBLISHED)
def publish_evaluation(plan: Plan, outcome: dict[str, Any]) -> None:
    """Show how the champion does now: report, figures, plot, links."""
    snapshot = outcome["snapshot"]
    opening = f"# The champion of {plan.name} on the latest snapshot\n\nSnapshot `{snapshot['digest'][:16]}`."
    _publish_report(plan, "evaluate", opening, Path(outcome["report"]).parent)


@task(**_PUBLISHED)
def publish_snapshot(plan: Plan, folder: str) -> None:
    """Show what became of the rows of a log."""
    counts = open_snapshot(Path(folder)).counts
    rows = [{"rows": name, "count": getattr(counts, name)} for name in ("read", "kept", "filtered", "quarantined")]
    for fate, reasons in counts.reasons.items():
        rows += [{"rows": f"{fate}: {reason.replace('_', ' ')}", "count": n} for reason, n in reasons.items()]
    create_table_artifact(rows, key=key(plan, "rows"), description=f"Snapshot `{folder}`")


@task(**_PUBLISHED)
def publish_candidates(plan: Plan, written: dict[str, Any]) -> None:
    """Show where candidates are, and of which version."""
    lines = [f"- {name.replace('_', ' ')}: {value:,}" for name, value in written.items() if isinstance(value, int)]
    told = "\n".join(
        [f"# Candidates of {plan.name} version {written['version']}", "", f"`{written['path']}`", "", *lines]
    )
    create_markdown_artifact(told, key=key(plan, "candidates"), description=f"Candidates of {plan.name}")


def verdict(registry: dict[str, Any]) -> str:
    """Tell in a sentence what became of the version."""
    name, version, champion = registry["name"], registry["version"], registry["champion"]
    if registry["promoted"]:
        return f"{name} version {version} is champion"
    rest = f"version {champion} is champion still" if champion else "there is no champion yet"
    return f"{name} version {version} was not promoted; {rest}"


def key(plan: Plan, what: str) -> str:
    """Return an artifact's key, in the letters Prefect allows."""
    return re.sub(r"[^a-z0-9]+", "-", f"{plan.name}-{what}".lower()).strip("-")


def metrics_rows(report: EvaluationReport) -> list[dict[str, Any]]:
    """Return a row of headline figures for the model and each baseline."""
    names = [f"{metric}_at_{headline(report)}" for metric in _METRICS]
    return [
        {
            "recommender": label(marks.name),
            **{name: round(marks.metrics[name], 4) for name in names if name in marks.metrics},
        }
        for marks in report.marks
    ]


def _publish_report(plan: Plan, what: str, opening: str, folder: Path) -> None:
    report = read_report(folder)
    page = folder / "report.html"
    told = (folder / MARKDOWN_NAME).read_text(encoding="utf-8")
    create_markdown_artifact(f"{opening}\n\nThe page with all plots: `{page}`\n\n{told}", key=key(plan, what))
    create_table_artifact(metrics_rows(report), key=key(plan, f"{what}-metrics"))
    create_link_artifact(page.as_uri(), "report.html", key=key(plan, f"{what}-report"))
    plots = all_plots(report)
    if "recall" in plots:
        create_image_artifact(data_uri(standalone(plots["recall"])), key=key(plan, f"{what}-recall"))
