"""Put measured results into the pages of `docs/contrastive`, so that nobody copies figures by hand.

    python -m benchmarks.quote_results

A line `<!-- result: METHOD -->` is followed by one that tells what `benchmarks/methods.json`, which stands beside the
table that `recsys-cl compare` makes, holds of METHOD.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGES = _ROOT / "benchmarks" / "methods.json", _ROOT / "docs" / "contrastive"
NOT_YET = "Measured: not yet."
_FIGURES = {"recall_at_20": "recall@20", "ndcg_at_20": "NDCG@20"}
_MARK = re.compile(r"^(<!-- result: (?P<method>.+?) -->)\n.*$", re.MULTILINE)

Results = Mapping[str, Any]
Runs = Sequence[Mapping[str, float]]


def stored() -> Results:
    """Return what was measured; nothing where nothing was yet."""
    found: Results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return found


def runs_of(results: Results, method: str) -> dict[str, Runs]:
    """Return the runs of a method by the log they were on: the one place that knows how the file is laid out.

    Args:
        results: as `recsys_cl.stages.compare` writes them.
        method: as it is named there.
    """
    found = {}
    for log, told_of in results.get("logs", {}).items():
        for row in told_of["rows"]:
            if row["method"] == method:
                columns = [row[name]["runs"] for name in _FIGURES]
                found[log] = [dict(zip(_FIGURES, run, strict=True)) for run in zip(*columns, strict=True)]
    return found


def told(runs: Mapping[str, Runs]) -> str:
    """Return the line that tells of a method's runs: means, and half the distance from the lowest to the highest."""
    if not runs:
        return NOT_YET
    logs = [f"{log} {' / '.join(_spread(some, name) for name in _FIGURES)}{_count(some)}" for log, some in runs.items()]
    return f"Measured, {' / '.join(_FIGURES.values())} on the test part: {'; '.join(logs)}."


def filled(page: str, results: Results) -> str:
    """Return a page with the line after each mark as `told` gives it."""
    return _MARK.sub(lambda mark: f"{mark[1]}\n{told(runs_of(results, mark['method']))}", page)


def marked(page: str) -> list[str]:
    """Return the methods that a page has marks for."""
    return [mark["method"] for mark in _MARK.finditer(page)]


def _spread(runs: Runs, name: str) -> str:
    values = [run[name] for run in runs]
    half = f" \N{PLUS-MINUS SIGN} {_short((max(values) - min(values)) / 2)}" if len(values) > 1 else ""
    return f"{_short(statistics.mean(values))}{half}"


def _short(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")


def _count(runs: Runs) -> str:
    return f" ({len(runs)} seeds)" if len(runs) > 1 else ""


def main() -> None:
    results = stored()
    for path in sorted(PAGES.rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        if (new := filled(page, results)) != page:
            path.write_text(new, encoding="utf-8")
            print(path.relative_to(_ROOT))


if __name__ == "__main__":
    main()
