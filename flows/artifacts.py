"""What a person finds on a run's page: what became of it, the figures, the plots, and where the files are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from flows.plan import Plan
from recsys_cl.evaluation.facts import EvaluationReport
from recsys_cl.evaluation.findings import headline, label, metric_label, number
from recsys_cl.evaluation.picture import data_uri, standalone
from recsys_cl.evaluation.plots import all_plots
from recsys_cl.evaluation.report import HTML_NAME, MARKDOWN_NAME, read_report
from recsys_cl.interactions.snapshot import open_snapshot
from recsys_cl.registry.reach import shown

_METRICS = ("recall", "ndcg", "hit_rate", "mrr", "coverage")
_TITLES = {
    "recall": "Recall by length of the list",
    "history_length": "Recall by length of the user's history",
    "item_popularity": "Recall by popularity of the item",
    "catalogue": "How much of the catalogue is shown, and how popular it is",
    "training": "Training",
}
_BY_PATH = (
    "Open it by its path, on the machine that made it; browsers do not follow links from a server's page to files."
)
_PUBLISHED: dict[str, Any] = {
    "task_run_name": "publish",
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "result_serializer": "json",
    "retries": 2,
    "retry_delay_seconds": 5,
}


@task(**_PUBLISHED)
def publish_training(plan: Plan, outcome: dict[str, Any]) -> None:
    """Show what became of a new version: verdict and report, figures, plots, links."""
    registry, page = outcome["registry"], Path(outcome["report"])
    log = get_run_logger()
    (log.info if registry["promoted"] else log.warning)("%s. %s", verdict(registry), registry["reason"])
    uri = plan.job().tracking_uri
    if uri.startswith("http"):
        server = re.sub("//[^/@]*@", "//", uri.rstrip("/"))  # without name and password
        address, text = (
            f"{server}/#/models/{plan.name}/versions/{registry['version']}",
            f"version {registry['version']}",
        )
        create_link_artifact(address, text, key=key(plan, "mlflow"), description=f"{text} of {plan.name} in MLflow")
        where = f"[{text}]({address})"
    else:
        where = f"`mlflow ui --backend-store-uri {shown(uri)}`"
    opening = f"{registry['reason']}\n\n- Report: `{page}`\n- MLflow: {where}"
    _publish_report(plan, "retrain", verdict(registry), opening, page.parent)


@task(**_PUBLISHED)
def publish_evaluation(plan: Plan, outcome: dict[str, Any]) -> None:
    """Show how the champion does now: report, figures, plots, links."""
    page, snapshot = Path(outcome["report"]), outcome["snapshot"]["digest"][:16]
    title = f"The champion of {plan.name} on snapshot {snapshot}"
    _publish_report(plan, "evaluate", title, f"- Report: `{page}`", page.parent)


@task(**_PUBLISHED)
def publish_study(plan: Plan, outcome: dict[str, Any]) -> None:
    """Show which settings were found best: the settings, all trials, the path of the page."""
    tuning, page = outcome["tuning"], Path(outcome["report"])
    best, given, metric = tuning["best"], tuning["given"], metric_label(tuning["metric"])
    title = f"{metric} {number(best['figure'])} on validation, by trial {best['number']} of {len(tuning['trials'])}"
    if given["figure"] is not None:
        title += f"; {number(given['figure'])} as given"
    settings = Path(tuning["settings"])
    told = f"```yaml\n{settings.read_text(encoding='utf-8')}```\n\n- Settings: `{settings}`\n- Report: `{page}`"
    create_markdown_artifact(told, key=key(plan, "tune"), description=f"**{title}**")
    table = [
        {"trial": str(one["number"]), metric: number(one["figure"] or 0.0), "state": one["state"]}
        | {name: str(value) for name, value in one["settings"].items()}
        for one in sorted(tuning["trials"], key=lambda one: (one["state"] != "complete", -(one["figure"] or 0.0)))
    ]
    create_table_artifact(table, key=key(plan, "tune-trials"), description=f"All trials, {tuning['seconds']:,g} s")
    create_link_artifact(page.as_uri(), str(page), key=key(plan, "tune-report"), description=_BY_PATH)


@task(**_PUBLISHED)
def publish_snapshot(plan: Plan, folder: str) -> None:
    """Show what became of the rows of a log."""
    counts = open_snapshot(Path(folder)).counts
    rows = [("read", counts.read), ("kept", counts.kept)]
    for fate, total in (("filtered", counts.filtered), ("quarantined", counts.quarantined)):
        rows.append((fate, total))
        rows += [(f"{fate}: {why.replace('_', ' ')}", count) for why, count in counts.reasons.get(fate, {}).items()]
    table = [{"rows": name, "count": f"{count:,}"} for name, count in rows]
    create_table_artifact(table, key=key(plan, "rows"), description=f"Snapshot `{folder}`")


@task(**_PUBLISHED)
def publish_candidates(plan: Plan, written: dict[str, Any]) -> None:
    """Show where candidates are, of which version, and for how many."""
    title = f"{written['rows']:,} rows for {written['users']:,} users from version {written['version']} of {plan.name}"
    told = f"- File: `{written['path']}`"
    if written["fallback_users"]:
        told += f"\n- {written['fallback_users']:,} users of whom nothing is known were given what is popular."
    if folded := written.get("folded_in"):
        told += (
            f"\n- Folded in: {folded['interactions']:,} interactions of {folded['users']:,} users, "
            f"{folded['new_users']:,} of them new; {folded['unknown_interactions']:,} interactions left out, since the "
            f"model does not know their items ({folded['unknown_items']:,})."
        )
        told += "".join(f"\n- {note}" for note in folded["notes"])
    create_markdown_artifact(told, key=key(plan, "candidates"), description=title)


def verdict(registry: dict[str, Any]) -> str:
    """Tell in a few words what became of a version."""
    name, version, champion = registry["name"], registry["version"], registry["champion"]
    if registry["promoted"]:
        return f"Version {version} of {name} is champion"
    rest = f"version {champion} stays champion" if champion else "there is no champion yet"
    return f"Version {version} of {name} was not promoted; {rest}"


def key(plan: Plan, what: str) -> str:
    """Return an artifact's key, in the letters Prefect allows."""
    return re.sub(r"[^a-z0-9]+", "-", f"{plan.name}-{what}".lower()).strip("-")


def metrics_rows(report: EvaluationReport) -> list[dict[str, str]]:
    """Return a row of headline figures for the model and each baseline."""
    names = [f"{metric}_at_{headline(report)}" for metric in _METRICS]
    return [
        {"recommender": label(marks.name)}
        | {name: number(marks.metrics[name]) for name in names if name in marks.metrics}
        for marks in report.marks
    ]


def _publish_report(plan: Plan, what: str, title: str, opening: str, folder: Path) -> None:
    report, page = read_report(folder), folder / HTML_NAME
    told = (folder / MARKDOWN_NAME).read_text(encoding="utf-8")
    create_markdown_artifact(f"{opening}\n\n{told}", key=key(plan, what), description=f"**{title}**")
    users = f"Headline figures of the model and the baselines, over {report.examined.headline:,} test users"
    create_table_artifact(metrics_rows(report), key=key(plan, f"{what}-metrics"), description=users)
    create_link_artifact(page.as_uri(), str(page), key=key(plan, f"{what}-report"), description=_BY_PATH)
    # An image artifact would spell out its address, which here is the whole picture; Markdown shows just the picture.
    plots = all_plots(report).items()
    drawn = [f"## {_TITLES[name]}\n\n![{_TITLES[name]}]({data_uri(standalone(svg))})" for name, svg in plots]
    create_markdown_artifact("\n\n".join(drawn), key=key(plan, f"{what}-plots"), description="The report's plots")
