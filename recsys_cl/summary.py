"""Results as a person reads them in a terminal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts
from recsys_cl.evaluation.facts import TrainingFacts
from recsys_cl.evaluation.findings import headline_k, how_made, kept_fit, measured_ks, metric_label, size
from recsys_cl.evaluation.space_findings import drawn_from, what_is_seen
from recsys_cl.evaluation.space_tables import side_table
from recsys_cl.terminal import columns as _columns
from recsys_cl.terminal import entry as _entry


def show(verb: str, result: dict[str, Any], console: Console) -> None:
    """Print the result of ``verb``: stages section by section, the others as a table or as keys and values."""
    if "seconds" in result and "rows" in result:
        _show_stages(result, console)
    else:
        _SHOWN.get(verb, _show_keys)(result, console)


def _show_stages(result: dict[str, Any], console: Console) -> None:
    _show_snapshot(result, console)
    for section, print_section in _SECTIONS.items():
        if section in result:
            print_section(result[section], console)
    if "report" in result:
        _entry(console, "Report", str(result["report"]))
    spent = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in result["seconds"].items())
    _entry(console, "Seconds", spent, style="dim")


def _show_snapshot(result: dict[str, Any], console: Console) -> None:
    snapshot = result["snapshot"]
    found = ", found as it was left" if snapshot["reused"] else ""
    _entry(console, "Log", f"{result['name']}, from {snapshot['source']}{found}")
    span = ""
    if snapshot["time_range"]:
        first, last = (_instant(instant) for instant in snapshot["time_range"])
        span = f", {first} to {last}"
    _entry(console, "", f"{snapshot['users']:,} users, {snapshot['items']:,} items{span}")


def _show_rows(rows: dict[str, Any], console: Console) -> None:
    text = (
        f"{rows['read']:,} read = {rows['kept']:,} kept + {rows['filtered']:,} filtered"
        f" + {rows['quarantined']:,} quarantined"
    )
    _entry(console, "Rows", text)
    for fate, reasons in rows["reasons"].items():
        for reason, count in reasons.items():
            _entry(console, "", f"{count:,} {fate}: {reason.replace('_', ' ')}", style="dim")


def _show_split(split: dict[str, Any], console: Console) -> None:
    parts = ", ".join(f"{count:,} {part}" for part, count in split["rows"].items())
    cut = f"; cut at {' and '.join(map(_instant, split['cutoffs']))}" if split["cutoffs"] else ""
    _entry(console, "Split", f"{_KINDS.get(split['split'], split['split'])}: {parts}{cut}")


def _show_pairs(pairs: dict[str, Any], console: Console) -> None:
    lengths = pairs["history_length"]
    _entry(
        console,
        "Pairs",
        f"{pairs['pairs']:,} of {pairs['users']:,} users and {pairs['items']:,} items, {size(pairs['bytes'])}; "
        f"histories of {lengths['shortest']:,} to {lengths['longest']:,} items, {lengths['mean']:g} on average",
    )


def _show_training(training: dict[str, Any], console: Console) -> None:
    facts, epochs = TrainingFacts.model_validate(training), len(training["curve"])
    kept = kept_fit(facts)
    best = training["best_validation"] if kept is None else kept.validation
    told = [how_made(facts)]
    if best is not None:
        told.append(f"validation {metric_label(facts.validation_metric)} {best:.4f}")
    if len(facts.tried) > 1:
        told.append(f"kept of {len(facts.tried)} that were fitted")
    if epochs:
        told.append(f"{epochs} epoch{'' if epochs == 1 else 's'}, the best was {training['best_epoch']}")
    told.append(f"the registered towers are fitted on {_FITTED_ON[training['registered']]}")
    _entry(console, "Training", "; ".join(told))
    if len(facts.tried) > 1:
        _show_fits(facts, console)


def _show_fits(training: TrainingFacts, console: Console) -> None:
    best = max(fit.validation or 0.0 for fit in training.tried)
    rows = []
    for fit in training.tried:
        figure = "" if fit.validation is None else f"{fit.validation:.4f}"
        style = "bold" if fit.validation == best else ""
        mark = Text("kept" if fit.name == training.kept else "")
        rows.append([Text(fit.name), Text(f"{fit.dim:,}"), Text(figure, style), mark])
    console.print()
    _columns(console, ["", "dimensions", "validation", ""], rows, left={""})
    console.print()


def _show_tuning(tuning: dict[str, Any], console: Console) -> None:
    best, given, trials, metric = tuning["best"], tuning["given"], tuning["trials"], metric_label(tuning["metric"])
    counts = [(state, sum(one["state"] == state for one in trials)) for state in ("complete", "given up", "diverged")]
    told = ", ".join(f"{count} {state}" for state, count in counts if count)
    _entry(
        console, "Tuning", f"{len(trials)} trial{'' if len(trials) == 1 else 's'} in {tuning['seconds']:,g} s: {told}"
    )
    if best["number"] == given["number"]:
        found = f"validation {metric} {best['figure']:.4f} with the settings given, which nothing beat"
    else:
        before = "" if given["figure"] is None else f", {given['figure']:.4f} with those given"
        found = f"validation {metric} {best['figure']:.4f} with the settings of trial {best['number']}{before}"
    _entry(console, "", f"{found}; {best['best_epoch']} epochs, recall@20 {best['recall']:.4f}")
    rows = []
    for name, searched in tuning["searched"].items():
        where = ", ".join(map(str, searched["choices"])) if "choices" in searched else _range(searched)
        share = f"{tuning['importances'][name]:.0%}" if name in tuning["importances"] else ""
        cells = [_plain(given["settings"][name]), _plain(best["settings"][name]), where, share]
        rows.append([Text(name), Text(cells[0]), Text(cells[1], "bold"), *map(Text, cells[2:])])
    heads = ["", "first", "best", "searched", *(["importance"] if tuning["importances"] else [])]
    console.print()
    _columns(console, heads, [row[: len(heads)] for row in rows])
    console.print()
    _entry(console, "Settings", tuning["settings"])


def _range(searched: dict[str, Any]) -> str:
    return f"{searched['low']:,g} to {searched['high']:,g}{', log' if searched['log'] else ''}"


def _plain(value: Any) -> str:  # noqa: ANN401 - settings are of all kinds
    return f"{value:,g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _show_comparison(result: dict[str, Any], console: Console) -> None:
    for name, log in result["logs"].items():
        popularity = [f"{log['popularity'][figure]:.4f}" for figure in ("recall_at_20", "ndcg_at_20")]
        rows = [[Text("popularity"), *map(Text, popularity), *[Text()] * 3]]
        for place, row in enumerate(log["rows"]):
            figures = [_spread(row["recall_at_20"]), _spread(row["ndcg_at_20"])]
            published = row["published"] or {}
            told = " / ".join(f"{published[key]:.4f}" for key in ("recall_at_20", "ndcg_at_20") if published.get(key))
            cells = [row["method"], *figures, told, f"{row['seconds']['mean']:,.1f}", f"{row['peak_mib']['mean']:,.0f}"]
            rows.append([Text(cell, "" if place else "bold") for cell in cells])
        console.print(Text(f"{name}, {log['popularity']['users']:,} test users", "bold"))
        _columns(console, ["", "recall@20", "NDCG@20", "published", "training, CPU s", "peak, MiB"], rows)
        console.print()
    for one in result["failures"]:
        _entry(console, "Failed", f"{one['log']}, {one['method']}: {one['reason']}", style="red")
    _entry(console, "Table", result["table"])


def _spread(measured: dict[str, Any]) -> str:
    spread = f" \N{PLUS-MINUS SIGN} {measured['spread']:.4f}" if len(measured["runs"]) > 1 else ""
    return f"{measured['mean']:.4f}{spread}"


def _show_index(index: dict[str, Any], console: Console) -> None:
    _entry(
        console,
        "Index",
        f"{index['kind']}, {size(index['bytes'])}, recall {index['recall']:.3f} against exact search, "
        f"{index['ms_per_query']:.3f} ms a query",
    )


def _show_registry(registry: dict[str, Any], console: Console) -> None:
    state, style = ("champion", "green") if registry["promoted"] else ("not promoted", "yellow")
    _entry(console, "Registry", f"{registry['name']} version {registry['version']}: {state}", style=style)
    _entry(console, "", registry["reason"])


def _show_candidates(candidates: dict[str, Any], console: Console) -> None:
    if candidates["path"] is None:
        _entry(console, "Candidates", candidates["note"])
        return
    fallback = candidates["fallback_users"]
    popular = f" ({fallback:,} of them unknown, given popular items)" if fallback else ""
    text = f"{candidates['rows']:,} for {candidates['users']:,} users{popular}, by version {candidates['version']}"
    _entry(console, "Candidates", text)
    _entry(console, "", str(candidates["path"]))


def _show_folded_in(folded: dict[str, Any], console: Console) -> None:
    text = f"{folded['interactions']:,} interactions of {folded['users']:,} users, {folded['new_users']:,} of them new"
    _entry(console, "Folded in", text)
    if folded["unknown_interactions"]:
        left_out = (
            f"{folded['unknown_interactions']:,} interactions left out: the model does not know their items "
            f"({folded['unknown_items']:,}), which need the next training"
        )
        _entry(console, "", left_out)
    for note in folded["notes"]:
        _entry(console, "", note, style="dim")


def _show_written(result: dict[str, Any], console: Console) -> None:
    if "folded_in" in result:
        _show_snapshot(result, console)
        _show_rows(result["rows"], console)
        _show_folded_in(result["folded_in"], console)
    _show_candidates(result["candidates"], console)


def _show_evaluation(result: dict[str, Any], console: Console) -> None:
    _show_snapshot(result, console)
    _show_rows(result["rows"], console)
    _show_examined(result["examined"], console)
    _show_metrics(result["metrics"], console)
    _entry(console, "Report", str(result["report"]))


def _show_examined(examined: dict[str, Any], console: Console) -> None:
    ceiling = examined["recall_ceiling"]
    limit = f"; items unknown to training limit recall to {ceiling:.4f}" if ceiling < 1 else ""
    _entry(console, "Examined", f"{examined['headline']:,} of {examined['users']:,} test users{limit}")


def _show_metrics(metrics: dict[str, Any], console: Console) -> None:
    measured = {name: line for name, line in metrics["baselines"].items() if "skipped" not in line}
    lines = {"model": metrics["model"], **measured}
    k = headline_k(measured_ks(metrics["model"]))
    names = [f"{metric}_at_{k}" for metric in ("recall", "ndcg", "mrr", "coverage")]
    best = [max((line.get(name, 0.0) for line in lines.values()), default=0.0) for name in names]
    rows = []
    for label, line in lines.items():
        figures = [line.get(name, 0.0) for name in names]
        styles = ["bold" if figure == highest else "" for figure, highest in zip(figures, best, strict=True)]
        rows.append([Text(label), *(Text(f"{f:.4f}", s) for f, s in zip(figures, styles, strict=True))])
    console.print()
    _columns(console, ["", *names], rows)
    for label, line in metrics["baselines"].items():
        if "skipped" in line:
            _entry(console, label, f"left out: {line['skipped']}", style="dim", width=max(map(len, lines)) + 2)
    console.print()


def _show_versions(result: dict[str, Any], console: Console) -> None:
    versions = result["versions"]
    k = headline_k(measured_ks(versions[0]["metrics"]))
    names = [f"recall_at_{k}", f"ndcg_at_{k}"]
    rows = []
    for line in versions:
        style = "bold green" if "champion" in line["aliases"] else ""
        figures = [f"{line['metrics'][name]:.4f}" if name in line["metrics"] else "-" for name in names]
        cells = [str(line["version"]), ", ".join(line["aliases"]) or "-", _instant(line["created"]), *figures]
        rows.append([Text(cell, style) for cell in cells])
    heads = ["version", "alias", "created (UTC)", *names]
    notes = [line["reason"] or "" for line in versions]
    _columns(console, heads, rows, left={"alias", "created (UTC)"}, notes=notes)


def _show_crowned(result: dict[str, Any], console: Console) -> None:
    previous = f"; until now it was version {result['previous']}" if result["previous"] else ""
    _entry(console, "Champion", f"{result['name']} version {result['version']}{previous}", style="green")
    _entry(console, "", result["reason"])


def _show_recommendations(result: dict[str, Any], console: Console) -> None:
    rows = result["recommendations"]
    if not rows:
        console.print("Nothing is left to recommend: all that may be recommended was seen before.", soft_wrap=True)
        return
    cells = [
        [Text(f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)) for value in line]
        for line in (row.values() for row in rows)
    ]
    _columns(console, list(rows[0]), cells, left={"title", "source", *(name for name in rows[0] if "_id" in name)})


def _show_checks(result: dict[str, Any], console: Console) -> None:
    for check in result["checks"]:
        mark = Text("ok    ", "green") if check["ok"] else Text("fails ", "red")
        _entry(console, check["name"], check["detail"], before=mark)


def _show_methods(result: dict[str, Any], console: Console) -> None:
    for flag, found in result["methods"].items():
        console.print(Text(flag, "bold"))
        width = max(len(method["name"]) for method in found) + 2
        for method in found:
            _entry(console, method["name"], method["about"], before=Text("  "), width=width)
            for setting in method["settings"]:
                told = f"{setting['name']}={setting['default']}  {setting['about']}"
                _entry(console, "", told, before=Text("  "), width=width, style="dim")


def _show_diagnosis(result: dict[str, Any], console: Console) -> None:
    diagnostics = DiagnosticFacts.model_validate(result["diagnostics"])
    _entry(console, "Space", f"{result['name']} version {result['version']}; {drawn_from(diagnostics)}")
    for alarm in result["alarms"]:
        _entry(console, "Alarm", alarm, style="red")
    for sentence in what_is_seen(diagnostics):
        _entry(console, "", sentence)
    _show_sides(diagnostics, console)
    _entry(console, "Page", str(result["page"]))


def _show_sides(diagnostics: DiagnosticFacts, console: Console) -> None:
    table = side_table(diagnostics)
    rows = [[Text(row.name), *(Text(cell.text) for cell in row.cells)] for row in table.rows]
    console.print()
    _columns(console, [table.corner, *table.columns], rows, left={table.columns[-1]})
    console.print()


def _show_keys(result: dict[str, Any], console: Console) -> None:
    flat = {
        name: ", ".join(f"{inner:,} {of.replace('_', ' ')}" for of, inner in value.items())
        if isinstance(value, dict)
        else value
        for name, value in result.items()
    }
    for name, value in flat.items():
        shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
        _entry(console, name.capitalize(), f"{shown:,}" if type(shown) is int else str(shown))


def _instant(iso: str) -> str:
    """Return an instant to the minute, as short as that can be said."""
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M")


_KINDS = {"time": "by time", "last": "leave last out", "random": "at random", "given": "as given"}
_FITTED_ON = {"train_and_validation": "training and validation parts", "all": "all data, the test part included"}

_SECTIONS = {
    "rows": _show_rows,
    "split": _show_split,
    "pairs": _show_pairs,
    "training": _show_training,
    "tuning": _show_tuning,
    "examined": _show_examined,
    "metrics": _show_metrics,
    "index": _show_index,
    "registry": _show_registry,
    "candidates": _show_candidates,
}

_SHOWN = {
    "evaluate": _show_evaluation,
    "compare": _show_comparison,
    "versions": _show_versions,
    "promote": _show_crowned,
    "rollback": _show_crowned,
    "candidates": _show_written,
    "recommend": _show_recommendations,
    "methods": _show_methods,
    "diagnose": _show_diagnosis,
    "doctor": _show_checks,
}
