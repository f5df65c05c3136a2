"""A report as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from recsys_cl.evaluation import findings, tables
from recsys_cl.evaluation.alarms import alarms_of
from recsys_cl.evaluation.facts import EvaluationReport
from recsys_cl.evaluation.space_findings import drawn_from, what_is_seen
from recsys_cl.evaluation.space_tables import information_table, side_table
from recsys_cl.evaluation.tables import Cell, Table


def as_markdown(report: EvaluationReport) -> str:
    """Lay out ``report`` as Markdown (GitHub's tables)."""
    sections = [
        _opening(report),
        _section("Accuracy", _table(tables.headline_table(report)), _skipped(report)),
        _section("Against the baselines", _against(report)),
        _section("Recall by length of the list", _table(tables.metric_by_k_table(report, "recall"))),
        _section("The catalogue", _table(tables.catalogue_table(report))),
        *_slices(report),
        _cold(report),
        _section("Training", *_training(report)),
        _section("The space", *_space(report)),
        _section("Index", _index(report)),
        _section("Gate", _gate(report)),
        _section("Data", _data(report)),
        _section("Seconds", _seconds(report)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _opening(report: EvaluationReport) -> str:
    when = report.created.strftime("%Y-%m-%d %H:%M UTC")
    told = findings.verdicts(report) + findings.provenance(report) + findings.who_was_asked(report)
    return f"# Evaluation of {_escaped(report.name)}\n\n{_escaped(report.data.source)}, {when}.\n\n{_bullets(told)}"


def _section(title: str, *parts: str) -> str:
    body = "\n\n".join(part for part in parts if part)
    return f"## {title}\n\n{body}" if body else ""


def _table(table: Table) -> str:
    lines = [_line(table.corner, table.columns), "| --- |" + " ---: |" * len(table.columns)]
    for row in table.rows:
        name = f"**{_escaped(row.name)}**" if row.model else _escaped(row.name)
        lines.append(_line(name, map(_cell, row.cells)))
    return "\n".join(lines)


def _line(first: str, cells: Iterable[str]) -> str:
    return f"| {' | '.join((first, *cells))} |"


def _cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    return f"{text} ({cell.note})" if cell.note else text


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _skipped(report: EvaluationReport) -> str:
    return _bullets(f"{findings.label(name)} was left out: {reason}." for name, reason in report.skipped.items())


def _against(report: EvaluationReport) -> str:
    return _table(tables.difference_table(report)) if report.differences else ""


def _slices(report: EvaluationReport) -> list[str]:
    titles = {"history_length": "Users by length of history", "item_popularity": "Items by popularity"}
    return [_section(title, _table(tables.slice_table(report, by))) for by, title in titles.items()]


def _cold(report: EvaluationReport) -> str:
    table = tables.cold_table(report)
    return _section("Cold users", _table(table)) if table else ""


def _training(report: EvaluationReport) -> list[str]:
    if report.training is None:
        return []
    fits = tables.fit_table(report.training)
    return [_bullets(findings.how_chosen(report.training)), _table(fits) if fits else ""]


def _space(report: EvaluationReport) -> list[str]:
    space = report.diagnostics
    if space is None:
        return []
    told = [*(f"**{_escaped(alarm)}**" for alarm in alarms_of(report)), *map(_escaped, what_is_seen(space))]
    bounds = [] if space.information is None else [_table(information_table(space.information))]
    return [_bullets(told), _table(side_table(space)), *bounds, drawn_from(space)]


def _index(report: EvaluationReport) -> str:
    index = report.index
    if index is None:
        return ""
    share = "" if index.bytes_per_item is None else f", {index.bytes_per_item:,.0f} an item"
    told = (
        f"{index.kind}: recall {index.recall:.4f} against exact search ({1 - index.recall:.4f} lost), "
        f"{index.ms_per_query:.3f} ms a query, {index.bytes:,} bytes{share}. {index.note}".strip()
    )
    return f"{told}\n\n{_table(tables.trial_table(index))}" if index.tried else told


def _gate(report: EvaluationReport) -> str:
    gate = report.gate
    if gate is None:
        return ""
    state = "Promoted to champion" if gate.promoted else "Not promoted"
    checks = (
        f"{check.name}: {'passed' if check.passed else 'failed'}{check.detail and f', {check.detail}'}"
        for check in gate.checks
    )
    return f"{state}. {gate.reason}\n\n{_bullets(checks)}".strip()


def _data(report: EvaluationReport) -> str:
    data, split = report.data, report.split
    lines = []
    if data.interactions is not None:
        lines.append(f"{data.interactions:,} interactions of {data.users or 0:,} users with {data.items or 0:,} items.")
    if data.rows is not None:
        rows = data.rows
        lines.append(
            f"{rows.read:,} rows read = {rows.kept:,} kept + {rows.filtered:,} filtered "
            f"+ {rows.quarantined:,} quarantined."
        )
        lines += [f"Quarantined, {reason.replace('_', ' ')}: {count:,}" for reason, count in rows.reasons.items()]
    if split is not None:
        parts = ", ".join(f"{name} {count:,}" for name, count in split.rows.items())
        cuts = "".join(f", cut at {instant:%Y-%m-%d %H:%M} UTC" for instant in split.cutoffs)
        lines.append(f"Split: {split.kind}{cuts}; rows: {parts}.")
    if data.digest:
        lines.append(f"Digest: `{data.digest}`")
    return _bullets(lines)


def _seconds(report: EvaluationReport) -> str:
    return ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in report.seconds.items())


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
