"""How well and how fast the pipeline does on six real logs, each run in its own process.

    python -m benchmarks.quality --home DIR [--only LOG ...] [--until evaluate]

Writes `benchmarks/results/quality.json` and, from it, `benchmarks/quality.md`. A log that was run before in the same
home is found, not run again: its seconds are then those of finding it, so measure in a fresh home.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.real_log import SHARED
from recsys_cl.config import load_config
from recsys_cl.evaluation.report import read_report
from recsys_cl.files import write_json
from recsys_cl.machine import description
from recsys_cl.stages.ingest import Source
from recsys_cl.stages.job import Job
from recsys_cl.stages.run import STAGES, run
from recsys_cl.workspace import Workspace

_FOLDER = Path(__file__).resolve().parent
_TABLE = _FOLDER / "quality.md"
_RESULTS = _FOLDER / "results" / "quality.json"  # of all logs, so that one can be run again without the others
_FIGURES = ("recall_at_20", "ndcg_at_20")


@dataclass(frozen=True)
class Log:
    """A real log: its file, the test part where it is given, and the settings it needs."""

    file: str
    test: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


LOGS = {
    "ml-100k": Log("ml-100k/u.data"),
    "ml-100k-recbole": Log("ml-100k/ml-100k.inter"),
    "ml-latest-small": Log("ml-latest-small/ratings.csv", settings={"min_value": 4.0}),
    "ml-1m": Log("ml-1m/ratings_ge4.csv"),
    "online-retail": Log("online-retail/online_retail.parquet", settings={"item_col": "Description"}),
    "gowalla": Log("gowalla/train.txt", test="gowalla/test.txt"),
    "gowalla-in-order": Log("gowalla/train.txt", test="gowalla/test.txt", settings={"ordered": True}),
    "amazon-beauty": Log("amazon-beauty/Beauty.txt"),
}


def run_one(name: str, home: Path, until: str, settings: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """Run the stages on one log in this process, with such settings beside its own; return what the table needs."""
    log, workspace = LOGS[name], Workspace.at(home)
    config = load_config(None, {**log.settings, **settings})
    job = Job(workspace, name, config, workspace.tracking_uri, datetime.now(UTC))
    source = Source((SHARED / log.file,), test=SHARED / log.test if log.test else None)
    with workspace.held():
        result = run(job, source, until=until)
    report = read_report(Path(result["report"]).parent)
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "rows": result["rows"],
        "metrics": result["metrics"],
        "skipped": report.skipped,
        "split": report.split.kind,
        "users": report.examined.headline,
        "ceiling": report.examined.recall_ceiling,
        "seconds": result["seconds"],
        "method": result["training"].get("kept", result["training"]["method"]),
        "dim": result["training"]["dim"],
        "epochs": result["training"]["best_epoch"],
        "registry": result.get("registry"),
        "peak_mib": kibibytes / (1 if sys.platform != "darwin" else 1024) / 1024,
    }


def run_apart(name: str, home: Path, until: str) -> dict[str, Any]:
    """Run one log; return what the table needs."""
    return answer_of("benchmarks.quality", "--home", str(home), "--until", until, "--one", name)


def answer_of(module: str, *arguments: str) -> dict[str, Any]:
    """Return the JSON that a module prints, run in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, check=True, cwd=_FOLDER.parent, env=os.environ, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def markdown(results: Mapping[str, dict[str, Any]], command: str, now: datetime) -> str:
    """Lay the results out: figures of everyone, then rows, seconds and memory."""
    machine = description()
    told = f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}; {machine['system']}"
    return (
        "\n\n".join(
            [
                "# Quality on real logs",
                f"Made by `{command}` on {now:%Y-%m-%d}, on {told}; {machine['versions']}.",
                "Full ranking of the whole catalogue, seen items left out; recall is hits over all relevant items, and "
                "its ceiling is what a perfect ranking would reach. The best of each log in bold.",
                *(_comparison(results, figure) for figure in _FIGURES),
                *_skipped(results),
                _rows(results),
                _costs(results),
            ]
        )
        + "\n"
    )


def _comparison(results: Mapping[str, dict[str, Any]], figure: str) -> str:
    names = list(dict.fromkeys(name for one in results.values() for name in one["metrics"]["baselines"]))
    lines = [
        f"## {figure}",
        "",
        table_row(["log", "two towers", *names]),
        table_row(["---", *["---:"] * (len(names) + 1)]),
    ]
    for log, one in results.items():
        measured = {name: marks for name, marks in one["metrics"]["baselines"].items() if figure in marks}
        everyone = {"": one["metrics"]["model"], **measured}
        best = max(marks[figure] for marks in everyone.values())
        shown = [_marked(everyone.get(name), figure, best) for name in ("", *names)]
        lines.append(table_row([log, *shown]))
    return "\n".join(lines)


def _marked(marks: Mapping[str, float] | None, figure: str, best: float) -> str:
    if marks is None:
        return "skipped"
    return f"**{marks[figure]:.4f}**" if marks[figure] == best else f"{marks[figure]:.4f}"


def _skipped(results: Mapping[str, dict[str, Any]]) -> list[str]:
    return [f"{log}, {name}: {why}" for log, one in results.items() for name, why in one["skipped"].items()]


def _rows(results: Mapping[str, dict[str, Any]]) -> str:
    lines = [
        "## Rows",
        "",
        "| log | split | test users | ceiling | read | kept | filtered | quarantined |",
        "| --- | --- " + "| ---: " * 6 + "|",
    ]
    for log, one in results.items():
        rows = one["rows"]
        fates = [_reasons(rows[fate], rows["reasons"].get(fate, {})) for fate in ("filtered", "quarantined")]
        cells = [
            log,
            one["split"],
            f"{one['users']:,}",
            f"{one['ceiling']:.3f}",
            f"{rows['read']:,}",
            f"{rows['kept']:,}",
            *fates,
        ]
        lines.append(table_row(cells))
    return "\n".join(lines)


def _reasons(count: int, reasons: Mapping[str, int]) -> str:
    told = ", ".join(f"{reason.replace('_', ' ')} {number:,}" for reason, number in reasons.items())
    return f"{count:,}" + (f" ({told})" if told else "")


def _costs(results: Mapping[str, dict[str, Any]]) -> str:
    stages = [stage for stage in STAGES if any(stage in one["seconds"] for one in results.values())]
    lines = ["## Seconds a stage, and peak memory", ""]
    lines += [
        table_row(["log", *stages, "all", "method", "dimensions", "epochs", "peak, MiB"]),
        table_row(["---", *["---:"] * (len(stages) + 5)]),
    ]
    for log, one in results.items():
        seconds = one["seconds"]
        cells = [f"{seconds[stage]:.1f}" if stage in seconds else "" for stage in stages]
        lines.append(table_row([log, *cells, f"{sum(seconds.values()):.1f}", *_chosen(one), f"{one['peak_mib']:,.0f}"]))
    return "\n".join(lines)


def _chosen(one: Mapping[str, Any]) -> list[str]:
    return [one["method"], str(one["dim"]), str(one["epochs"])]


def table_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="workspace for all logs")
    parser.add_argument("--only", nargs="+", choices=list(LOGS), default=list(LOGS))
    parser.add_argument("--until", choices=STAGES[STAGES.index("evaluate") :], default=STAGES[-1])
    parser.add_argument("--out", type=Path, default=_TABLE, help="the table to write")
    parser.add_argument("--one", choices=list(LOGS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        json.dump(run_one(arguments.one, arguments.home, arguments.until), sys.stdout)
        return
    results = json.loads(_RESULTS.read_text(encoding="utf-8")) if _RESULTS.exists() else {}
    for name in arguments.only:
        print(name, file=sys.stderr)
        results[name] = run_apart(name, arguments.home, arguments.until)
        in_order = {log: results[log] for log in LOGS if log in results}
        write_json(_RESULTS, in_order)
        told = markdown(in_order, "python -m benchmarks.quality --home DIR", datetime.now(UTC))
        arguments.out.write_text(told, encoding="utf-8")
    print(told)


if __name__ == "__main__":
    main()
