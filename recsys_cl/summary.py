"""Results as a person reads them in a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def show(verb: str, result: dict[str, Any], console: Console) -> None:
    """Print the result of ``verb``: stages section by section, the others as a table or as keys and values."""
    if "seconds" in result and "rows" in result:
        _show_stages(result, console)
    else:
        _SHOWN.get(verb, _show_keys)(result, console)


def _show_stages(result: dict[str, Any], console: Console) -> None:
    snapshot = result["snapshot"]
    reused = " (nothing new)" if snapshot["reused"] else ""
    console.print(f"[bold]{result['name']}[/bold]: {snapshot['source']}, snapshot {snapshot['digest'][:16]}{reused}")
    for section, print_section in _SECTIONS.items():
        if section in result:
            print_section(result[section], console)
    if "report" in result:
        console.print(f"Report      {result['report']}", soft_wrap=True)
    spent = "  ".join(f"{stage} {seconds:.1f}" for stage, seconds in result["seconds"].items())
    console.print(f"[dim]Seconds     {spent}[/dim]")


def _show_rows(rows: dict[str, Any], console: Console) -> None:
    console.print(
        f"Rows        {rows['read']:,} read = {rows['kept']:,} kept + {rows['filtered']:,} filtered"
        f" + {rows['quarantined']:,} quarantined"
    )
    for fate, reasons in rows["reasons"].items():
        for reason, count in reasons.items():
            console.print(f"[dim]            {count:,} {fate}: {reason.replace('_', ' ')}[/dim]")


def _show_split(split: dict[str, Any], console: Console) -> None:
    parts = ", ".join(f"{count:,} {part}" for part, count in split["rows"].items())
    cutoffs = f", cut at {' and '.join(split['cutoffs'])}" if split["cutoffs"] else ""
    console.print(f"Split       {split['split']}: {parts}{cutoffs}")


def _show_pairs(pairs: dict[str, Any], console: Console) -> None:
    lengths = pairs["history_length"]
    console.print(
        f"Pairs       {pairs['pairs']:,} of {pairs['users']:,} users and {pairs['items']:,} items; "
        f"histories of {lengths['shortest']} to {lengths['longest']}, mean {lengths['mean']}; {_bytes(pairs['bytes'])}"
    )


def _show_training(training: dict[str, Any], console: Console) -> None:
    best = training["best_validation"]
    figure = "" if best is None else f", validation recall {best:.4f}"
    console.print(
        f"Training    {len(training['curve'])} epochs, best {training['best_epoch']}{figure};"
        f" registered towers fitted on {training['registered'].replace('_', ' ')}"
    )


def _show_index(index: dict[str, Any], console: Console) -> None:
    console.print(
        f"Index       {index['kind']}, recall {index['recall']:.3f} against exact search, {_bytes(index['bytes'])},"
        f" {index['ms_per_query']:.3f} ms a query"
    )


def _show_registry(registry: dict[str, Any], console: Console) -> None:
    state = "[green]champion[/green]" if registry["promoted"] else "[yellow]not promoted[/yellow]"
    console.print(f"Registry    {registry['name']} version {registry['version']}, {state}: {registry['reason']}")


def _show_candidates(candidates: dict[str, Any], console: Console) -> None:
    if candidates["path"] is None:
        console.print(f"Candidates  {candidates['note']}")
        return
    console.print(
        f"Candidates  {candidates['rows']:,} rows for {candidates['users']:,} users in {candidates['path']}",
        soft_wrap=True,
    )


def _show_evaluation(result: dict[str, Any], console: Console) -> None:
    _show_metrics(result["metrics"], console)
    console.print(f"Report: {result['report']}", soft_wrap=True)


def _show_metrics(metrics: dict[str, Any], console: Console) -> None:
    columns = ["recall_at_20", "ndcg_at_20", "mrr_at_20", "coverage_at_20"]
    table = Table("", *columns, box=None, header_style="bold", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
        column.no_wrap = True
    lines = {"model": metrics["model"], **metrics["baselines"]}
    best = {name: max(line.get(name, 0) for line in lines.values()) for name in columns}
    for label, line in lines.items():
        if "skipped" in line:
            table.add_row(label, f"[dim]skipped: {line['skipped']}[/dim]")
            continue
        cells = [f"{line[name]:.4f}" if name in line else "" for name in columns]
        marked = [f"[bold]{c}[/bold]" if line.get(n) == best[n] else c for n, c in zip(columns, cells, strict=True)]
        table.add_row(label, *marked)
    console.print(table)


def _show_versions(result: dict[str, Any], console: Console) -> None:
    table = Table("version", "alias", "created", "recall_at_20", "ndcg_at_20", "reason", box=None, header_style="bold")
    for line in result["versions"]:
        figures = [f"{line['metrics'][m]:.4f}" if m in line["metrics"] else "" for m in ("recall_at_20", "ndcg_at_20")]
        table.add_row(str(line["version"]), ", ".join(line["aliases"]), line["created"], *figures, line["reason"] or "")
    console.print(table)


def _show_recommendations(result: dict[str, Any], console: Console) -> None:
    rows = result["recommendations"]
    table = Table(*rows[0], box=None, header_style="bold") if rows else Table()
    for row in rows:
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)


def _show_checks(result: dict[str, Any], console: Console) -> None:
    for check in result["checks"]:
        mark = "[green]ok  [/green]" if check["ok"] else "[red]fail[/red]"
        console.print(f"{mark} {check['name']}: {check['detail']}", highlight=False)


def _show_keys(result: dict[str, Any], console: Console) -> None:
    for key, value in result.items():
        if isinstance(value, dict):
            console.print(f"{key.replace('_', ' ')}:")
            for name, inner in value.items():
                console.print(f"  {name.replace('_', ' ')}: {inner}", highlight=False)
        else:
            console.print(f"{key.replace('_', ' ')}: {value}", highlight=False)


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


_SECTIONS = {
    "rows": _show_rows,
    "split": _show_split,
    "pairs": _show_pairs,
    "training": _show_training,
    "metrics": _show_metrics,
    "index": _show_index,
    "registry": _show_registry,
    "candidates": _show_candidates,
}

_SHOWN = {
    "evaluate": _show_evaluation,
    "versions": _show_versions,
    "recommend": _show_recommendations,
    "doctor": _show_checks,
}
