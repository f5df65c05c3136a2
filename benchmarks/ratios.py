"""Run the benchmarks one after another, each in its own process, and write down what they gave.

    python -m benchmarks.ratios [--only NAME ...] [--threads N] [--rounds N]

The figures go to `benchmarks/results/ratios.json`, and as a table into `benchmarks/README.md`. With ``--only`` the
others keep the figures they have, each with the instant and the machine at which it was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recsys_cl.machine import description

BENCHMARKS = ("ingest", "training_step", "spectral", "evaluation", "candidates", "orchestration")
_FOLDER = Path(__file__).resolve().parent
_RESULTS = _FOLDER / "results" / "ratios.json"
_README = _FOLDER / "README.md"
_START, _END = "<!-- figures: start -->", "<!-- figures: end -->"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def run(name: str, now: datetime, threads: int | None, rounds: int | None) -> dict[str, Any]:
    """Run one benchmark in its own process; return its figures with when, where and how they were measured."""
    arguments = ["-m", f"benchmarks.{name}", *(["--rounds", str(rounds)] if rounds else [])]
    limited = dict.fromkeys(_THREADS, str(threads)) if threads else {}
    machine = description()
    done = subprocess.run(
        [sys.executable, *arguments], check=True, cwd=_FOLDER.parent, env=os.environ | limited, stdout=subprocess.PIPE
    )
    facts = {
        "measured_at": now.isoformat(timespec="minutes"),
        "machine": machine,
        "threads": threads or "default",
        "command": " ".join([*(f"{one}={threads}" for one in limited), "python", *arguments]),
    }
    return facts | json.loads(done.stdout)


def markdown(results: dict[str, dict[str, Any]]) -> str:
    """Lay all figures out, a table a benchmark."""
    parts = []
    for name, result in results.items():
        machine, notes = result["machine"], result["notes"]
        rows = [_row(one) for one in result["measured"]]
        parts.append(
            f"### {name.replace('_', ' ').capitalize()}\n\n"
            f"`{result['command']}`, {result['measured_at']}, load before {machine['load at the start']}, "
            f"threads: {result['threads']}{_told(notes)}.\n\n"
            "| what | against | ours, s | theirs, s | ratio | rounds from, to | aim |\n"
            "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n" + "\n".join(rows)
        )
    return "\n\n".join([_machines(results), *parts])


def _row(one: dict[str, Any]) -> str:
    alone = one["baseline_seconds"] is None
    figure = f"{one['ratio']:.1f} s" if alone else f"{one['ratio']:.2f}"
    theirs = "" if alone else f"{one['baseline_seconds']:.3f}"
    aim = "" if one["aim"] is None else f"{one['aim']:g}{' s' if alone else ''} {_verdict(one)}"
    return (
        f"| {one['what']} | {one['against']} | {one['seconds']:.3f} | {theirs} | **{figure}** "
        f"| {one['low']:.2f}, {one['high']:.2f} of {one['rounds']} | {aim} |"
    )


def _verdict(one: dict[str, Any]) -> str:
    return "met" if one["ratio"] <= one["aim"] else "missed"


def _told(notes: dict[str, Any]) -> str:
    return f"; {notes['log']}" if "log" in notes else ""


def _machines(results: dict[str, dict[str, Any]]) -> str:
    told = {
        f"- {name}: {value}"
        for result in results.values()
        for name, value in result["machine"].items()
        if name != "load at the start"
    }
    return "Measured on\n\n" + "\n".join(sorted(told))


def write(results: dict[str, dict[str, Any]]) -> None:
    """Keep the results, and put the tables between the marks in the README."""
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    before, _, rest = _README.read_text(encoding="utf-8").partition(_START)
    after = rest.partition(_END)[2]
    _README.write_text(f"{before}{_START}\n\n{markdown(results)}\n\n{_END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS)
    parser.add_argument("--threads", type=int, help="of torch, FAISS and polars alike; by default what each takes")
    parser.add_argument("--rounds", type=int, help="rounds of each; by default as many as the benchmark finds right")
    arguments = parser.parse_args()
    results = json.loads(_RESULTS.read_text(encoding="utf-8")) if _RESULTS.exists() else {}
    for name in arguments.only:
        print(name, file=sys.stderr)
        results[name] = run(name, datetime.now(UTC), arguments.threads, arguments.rounds)
        results = {one: results[one] for one in BENCHMARKS if one in results}
        write(results)
    print(markdown(results))


if __name__ == "__main__":
    main()
