"""Results as a person reads them in a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def show(verb: str, result: dict[str, Any], console: Console) -> None:
    """Print the result of ``verb`` as tables; results without a table of their own as keys and values."""
    _SHOWN.get(verb, _show_keys)(result, console)


def _show_run(result: dict[str, Any], console: Console) -> None:
    console.print(f"[bold]{result['name']}[/bold]: {result['source']}")
    _show_rows(result["rows"], console)
    _show_metrics(result["metrics"], console)
    index, registry, candidates = result["index"], result["registry"], result["candidates"]
    console.print(
        f"Index: {index['kind']}, recall {index['recall']:.3f} against exact search, {_bytes(index['bytes'])}"
    )
    state = "[green]promoted to champion[/green]" if registry["promoted"] else "[yellow]not promoted[/yellow]"
    console.print(f"Registry: {registry['name']} version {registry['version']}, {state}. {registry['reason']}")
    console.print(f"Candidates: {candidates['rows']:,} rows in {candidates['path']}")
    console.print(f"Report: {result['report']}")
    spent = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result["seconds"].items())
    console.print(f"[dim]Seconds: {spent}[/dim]")


def _show_ingest(result: dict[str, Any], console: Console) -> None:
    console.print(f"[bold]{result['name']}[/bold]: {result['source']}")
    _show_rows(result["rows"], console)
    for note in result["notes"]:
        console.print(f"  {note}", highlight=False)
    console.print(f"Snapshot {result['digest'][:16]}{' (nothing new)' if result['reused'] else ''}: {result['path']}")


def _show_rows(rows: dict[str, Any], console: Console) -> None:
    console.print(
        f"Rows: {rows['read']:,} read = {rows['kept']:,} kept + {rows['filtered']:,} filtered"
        f" + {rows['quarantined']:,} quarantined"
    )
    for reason, count in rows["reasons"].items():
        console.print(f"  {reason.replace('_', ' ')}: {count:,}")


def _show_evaluation(result: dict[str, Any], console: Console) -> None:
    console.print(f"[bold]{result['name']}[/bold]: {result['source']}")
    _show_metrics(result["metrics"], console)
    console.print(f"Report: {result['report']}")


def _show_metrics(metrics: dict[str, Any], console: Console) -> None:
    columns = ["recall_at_20", "ndcg_at_20", "hit_rate_at_20", "mrr_at_20", "coverage_at_20"]
    table = Table("", *columns, box=None, header_style="bold", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
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


_SHOWN = {
    "run": _show_run,
    "ingest": _show_ingest,
    "evaluate": _show_evaluation,
    "versions": _show_versions,
    "recommend": _show_recommendations,
    "doctor": _show_checks,
}
