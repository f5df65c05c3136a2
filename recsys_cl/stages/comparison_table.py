"""Methods side by side as a table in Markdown."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from recsys_cl.evaluation.findings import metric_label
from recsys_cl.machine import description
from recsys_cl.stages.contenders import Contender
from recsys_cl.stages.contest import FIGURES

Answer = dict[str, Any]

_MEASURED = (*FIGURES, "seconds", "peak_mib", "alignment", "uniformity", "epochs")
_HEADS = ("method", "recall@20", "NDCG@20", "published", "training, CPU s", "peak, MiB", "alignment", "uniformity")


def row_of(name: str, key: str, best: Answer, runs: Sequence[Answer]) -> Answer:
    """Return the row of one method, JSON-ready.

    Args:
        name: of the method.
        key: digest of data and settings.
        best: what was found on validation.
        runs: what each seed gave.

    Returns:
        Of each thing that was measured its ``mean``, ``spread`` (half the distance from lowest to highest) and
        ``runs``; the ``processor``, or processors, of the runs; what was found on ``validation``.
    """
    return {
        "method": name,
        "key": key,
        **{key: _spread([run[key] for run in runs]) for key in _MEASURED},
        "processor": " and ".join(sorted({run["processor"] for run in runs})),
        "validation": {key: value for key, value in best.items() if key not in ("config", "like")},
    }


def told_of(row: Answer, contender: Contender, log: str) -> Answer:
    """Return a row with what the file of methods tells of it now: ``about``, and ``published`` figures or None."""
    published = contender.published.get(log)
    return row | {"about": contender.about, "published": None if published is None else published.model_dump()}


def as_markdown(result: Answer, made: str, now: datetime, contenders: Mapping[str, Contender]) -> str:
    """Lay all out: how it was ``made``, a table a log, then what tuning found, then what the methods are."""
    machine = description()
    cores = f"{machine['cores']} core{'' if machine['cores'] == '1' else 's'}"
    told = f"{machine['processor']}, {cores}, {machine['memory']}; {machine['versions']}"
    parts = [
        "# Methods side by side",
        f"{made} on {now:%Y-%m-%d}, on {told}.",
        f"Every method was tuned with {result['budget']} on the training and validation parts, or fitted there as it "
        "is given, which tells epochs and popularity prior too. Then it was fitted to both with "
        f"{result['seeds']} seed{'' if result['seeds'] == 1 else 's'}. The test part was looked at once a fit.",
        "Behind \N{PLUS-MINUS SIGN} stands half the distance from the lowest to the highest. Seconds are those of the "
        "processor for one such fit, of all threads together; memory is the most that the process of one fit held. "
        "Alignment is the mean squared distance of users and items of the test part that belong together, uniformity "
        "the log of the mean of e^(-2 d\N{SUPERSCRIPT TWO}) over the distances d of users among themselves and of "
        "items, all vectors of length one; both are good if low.",
    ]
    for name, log in result["logs"].items():
        parts += [f"## {name}", _about(log), _figures(log), *_sources(log), *_found(log)]
    if result["failures"]:
        parts += ["## What failed", "\n".join(_failures(result["failures"]))]
    parts += ["## The methods", "\n".join(f"- `{name}`: {one.about}" for name, one in contenders.items())]
    return "\n\n".join(parts) + "\n"


def _about(log: Answer) -> str:
    popularity, parts = log["popularity"], log["parts"]
    rows = ", ".join(f"{count:,} {part}" for part, count in parts.items())
    ceiling = f"; recall can be {popularity['ceiling']:.3f} at most" if popularity["ceiling"] < 1 else ""
    processors = Counter(row["processor"] for row in log["rows"])
    told = "; ".join(f"{count} on {name}" for name, count in sorted(processors.items()))
    mixed = f" Seconds compare among rows of one processor: {told}." if len(processors) > 1 else ""
    return f"Split {log['split']}: {rows} interactions; {popularity['users']:,} test users{ceiling}.{mixed}"


def _figures(log: Answer) -> str:
    rows, popularity = log["rows"], log["popularity"]
    best = {name: max((row[name]["mean"] for row in rows), default=0.0) for name in FIGURES}
    lines = [_line(_HEADS), _line(["---", *["---:"] * (len(_HEADS) - 1)])]
    lines.append(_line(["popularity", *(f"{popularity[name]:.4f}" for name in FIGURES), *[""] * (len(_HEADS) - 3)]))
    for row in rows:
        figures = [_marked(shown(row[name], 4), bold=row[name]["mean"] == best[name]) for name in FIGURES]
        cost = [f"{row['seconds']['mean']:,.1f}", f"{row['peak_mib']['mean']:,.0f}"]
        lie = [_signed(row[name]["mean"]) for name in ("alignment", "uniformity")]
        lines.append(_line([row["method"], *figures, _published(row["published"]), *cost, *lie]))
    return "\n".join(lines)


def _found(log: Answer) -> Iterator[str]:
    if not log["rows"]:
        return
    metric = metric_label(log["rows"][0]["validation"]["metric"])
    lines = [_line(["method", f"validation {metric}", "trials", "epochs", "settings found"])]
    lines.append(_line(["---", "---:", "---:", "---:", "---"]))
    for row in log["rows"]:
        found = row["validation"]
        settings = ", ".join(f"{name} {value}" for name, value in found["settings"].items()) or "as given"
        figures = [f"{found['figure']:.4f}", str(found["trials"]), f"{row['epochs']['mean']:.0f}"]
        lines.append(_line([row["method"], *figures, settings]))
    yield "\n".join(lines)


def _sources(log: Answer) -> Iterator[str]:
    told = [row["published"] for row in log["rows"] if row["published"]]
    if told:
        yield "Published, recall@20 / NDCG@20: " + "; ".join(f"{one['what']} ({one['source']})" for one in told) + "."


def _failures(failures: Sequence[Answer]) -> Iterator[str]:
    for one in failures:
        yield f"- {one['log']}, `{one['method']}`: {one['reason']}"


def _published(published: Answer | None) -> str:
    if published is None:
        return ""
    return " / ".join("" if published[name] is None else f"{published[name]:.4f}" for name in FIGURES)


def shown(measured: Answer, digits: int) -> str:
    """Return a mean with its spread, where there is one."""
    spread = f" \N{PLUS-MINUS SIGN} {measured['spread']:.{digits}f}" if len(measured["runs"]) > 1 else ""
    return f"{measured['mean']:.{digits}f}{spread}"


def _spread(values: Sequence[float | None]) -> Answer:
    """Return mean and spread; None for both where a run has no such figure."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return {"mean": None, "spread": None, "runs": list(values)}
    return {"mean": statistics.mean(known), "spread": (max(known) - min(known)) / 2, "runs": list(values)}


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def _marked(text: str, *, bold: bool) -> str:
    return f"**{text}**" if bold else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
