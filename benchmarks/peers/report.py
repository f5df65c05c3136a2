"""The results as tables: for each log who found what and what it took, then where we lose, settings and the check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.peers.marks import K
from benchmarks.peers.settings import CONTENDERS

_RECALL, _NDCG = f"recall_at_{K}", f"ndcg_at_{K}"
_COLUMNS = [
    f"recall@{K}",
    "95% interval",
    f"NDCG@{K}",
    "CPU s, training",
    "wall s, training",
    "CPU s, recommending",
    "peak, MiB",
    "bytes an item",
]
_INTRODUCTION = f"""\
Made by `make bench-peers`. Every log is split once, by our pipeline. Everyone learns from the same interactions (train
and validation) in a process of its own, on one thread, and recommends 100 items to the same test users over the whole
catalogue, what they have seen left out. One evaluator, ours, marks all lists. Recall@{K} is hits over all relevant
items, in the catalogue or not; its interval is a bootstrap over test users. CPU seconds count user and system; they
too grow, up to twofold, while others use the same cores and caches, so read no difference into less than that; wall
seconds on a shared machine mean less still. Loading libraries and reading the log are not counted. Peak memory is of
the whole process, libraries and all. Bytes an item are what must be in memory for every item to serve it: vectors of
float32, or rows of a matrix of items.

Our seconds hold a search for settings on validation, the fits it ends with, and one more on all. The others are fitted
once, with fixed settings, the same on every log (below), which were not searched for; with a search on validation some
would do better, at the price of as many fits. SASRec,
LightGCN and XSimGCL are trained for fewer steps than in their papers, which had GPUs."""


def markdown(results: Mapping[str, dict[str, Any]]) -> str:
    """Lay the results out."""
    parts = ["# Side by side with what people use", _INTRODUCTION, "![recall against CPU seconds](peers.png)"]
    parts += [_log_table(name, log) for name, log in results.items()]
    parts += [_losses(results), _settings(results), _checks(results), _machines(results)]
    return "\n\n".join(parts) + "\n"


def best(log: Mapping[str, Any], figure: str, *, ours: bool | None = None) -> tuple[str, float] | None:
    """Return who is best by ``figure`` and how good: of all, of ours or of the others."""
    marks = {
        name: run[figure]
        for name, run in log["contenders"].items()
        if figure in run and (ours is None or run["ours"] == ours)
    }
    return max(marks.items(), key=lambda mark: mark[1]) if marks else None


def _log_table(name: str, log: Mapping[str, Any]) -> str:
    facts = (
        f"{log['users']:,} users, {log['items']:,} items, {log['interactions']:,} interactions to learn from; "
        f"{log['test_users']:,} test users, recall at most {log['ceiling']:.3f}."
    )
    highest = {figure: best(log, figure) for figure in (_RECALL, _NDCG)}
    rows = [
        [f"**{who}** (ours)" if run["ours"] else who, *_cells(run, highest)] for who, run in log["contenders"].items()
    ]
    missing = [who for who in CONTENDERS if who not in log["contenders"]]
    facts += f" Not run yet: {'; '.join(missing)}." if missing else ""
    return f"## {name}\n\n{facts}\n\n{_table(['', *_COLUMNS], rows)}"


def _cells(run: Mapping[str, Any], highest: Mapping[str, tuple[str, float] | None]) -> list[str]:
    if _RECALL not in run:
        return [_excuse(run), *[""] * (len(_COLUMNS) - 1)]
    low, high = run["recall_interval"]
    bold = {
        figure: f"**{run[figure]:.4f}**" if found and run[figure] == found[1] else f"{run[figure]:.4f}"
        for figure, found in highest.items()
    }
    seconds = [f"{run[f'{what}_seconds']:,.1f}" for what in ("train_cpu", "train_wall", "recommend_cpu")]
    sizes = [f"{run['peak_mib']:,}", f"{run['bytes_per_item']:,.0f}"]
    return [bold[_RECALL], f"{low:.3f} to {high:.3f}", bold[_NDCG], *seconds, *sizes]


def _excuse(run: Mapping[str, Any]) -> str:
    if "left_out" in run:
        return f"left out: {run['left_out']}"
    return f"stopped at the limit of {run['stopped_after_cpu_seconds'] / 60:g} CPU minutes"


def _losses(results: Mapping[str, dict[str, Any]]) -> str:
    lines = []
    for name, log in results.items():
        for figure, label in ((_RECALL, f"recall@{K}"), (_NDCG, f"NDCG@{K}")):
            if mine := best(log, figure, ours=True):
                lines.append(f"- {name}, {label}: {_ahead(log, figure, mine[1])}; ours {mine[1]:.4f} ({mine[0]})")
    return "## Who is ahead of us\n\nAmong those that have run:\n\n" + "\n".join(lines)


def _ahead(log: Mapping[str, Any], figure: str, mine: float) -> str:
    marks = {who: run.get(figure, 0.0) for who, run in log["contenders"].items() if not run["ours"]}
    ahead = sorted(((mark, who) for who, mark in marks.items() if mark > mine), reverse=True)
    return ", ".join(f"{who} {mark:.4f}" for mark, who in ahead) or "nobody"


def _settings(results: Mapping[str, dict[str, Any]]) -> str:
    runs = {who: run for log in results.values() for who, run in log["contenders"].items()}
    rows = [
        [
            who,
            ", ".join(f"{name} {value}" for name, value in run["settings"].items()) or "defaults",
            run["source"],
            ", ".join(f"{name} {version}" for name, version in run.get("libraries", {}).items()),
        ]
        for who, run in runs.items()
    ]
    return "## Who takes part\n\n" + _table(["", "settings", "from", "libraries in use"], rows, texts=4)


def _checks(results: Mapping[str, dict[str, Any]]) -> str:
    rows = []
    for name, log in results.items():
        if check := log.get("check"):
            ours = log["contenders"][check["of"]]
            figures = ours[_RECALL], check["rectools"][_RECALL], ours[_NDCG], check["rectools"][_NDCG]
            rows.append([name, check["of"], *(f"{value:.6f}" for value in (*figures, check["implicit"][_NDCG]))])
    columns = ["", "lists of", "recall, ours", "recall, RecTools", "NDCG, ours", "NDCG, RecTools", "NDCG, implicit"]
    told = "The same lists, marked by our evaluator and by those of two peers (k = 20)."
    return f"## The check the other way round\n\n{told}\n\n{_table(columns, rows, texts=2)}"


def _machines(results: Mapping[str, dict[str, Any]]) -> str:
    runs = [run for log in results.values() for run in log["contenders"].values()]
    days = sorted({run["measured_at"][:10] for run in runs})
    return f"Measured on {', '.join(sorted({run['machine'] for run in runs}))}, {', '.join(days)}, one thread each."


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]], *, texts: int = 1) -> str:
    columns = list(columns)
    rule = ["---"] * texts + ["---:"] * (len(columns) - texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))
