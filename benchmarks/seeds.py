"""One log and some settings, with several seeds: figures on the test part, their spread, and the seconds of training.

    python -m benchmarks.seeds --home DIR --log gowalla --seeds 0 1 2 [--set embedding_dim=64 budget=120s ...]

Adds a row to `benchmarks/results/seeds.json` and writes `benchmarks/seeds.md` anew from it. Each seed is a run in a
process of its own, which takes the settings that are named, finds all others on the validation part, and looks at the
test part once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.quality import LOGS, answer_of, run_one, table_row
from recsys_cl.files import write_json
from recsys_cl.machine import description

_FOLDER = Path(__file__).resolve().parent
_TABLE, _RESULTS = _FOLDER / "seeds.md", _FOLDER / "results" / "seeds.json"
_FIGURES = ("recall_at_20", "ndcg_at_20")


def run_apart(log: str, home: Path, seed: int, given: list[str]) -> dict[str, Any]:
    """Run one seed in a process of its own; return what the table needs."""
    settings = ["--set", *given] if given else []
    return answer_of("benchmarks.seeds", "--home", str(home), "--log", log, "--one", str(seed), *settings)


def markdown(rows: Mapping[str, dict[str, Any]]) -> str:
    """Lay the rows out, the mean of the seeds with half the distance between the best and the worst."""
    machine = description()
    told = f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}; {machine['versions']}"
    lines = [
        table_row(["log", "settings", "seeds", "recall@20", "NDCG@20", "training, s", "what was served"]),
        table_row(["---", "---", "---:", "---:", "---:", "---:", "---"]),
    ]
    for row in rows.values():
        runs = list(row["runs"].values())
        figures = [_spread([run[name] for run in runs]) for name in _FIGURES]
        seconds = ", ".join(f"{run['seconds']:.0f}" for run in runs)
        served = ", ".join(dict.fromkeys(f"{run['method']}, {run['dim']} dimensions" for run in runs))
        given = ", ".join(row["settings"]) or "default"
        lines.append(table_row([row["log"], given, ", ".join(row["runs"]), *figures, seconds, served]))
    return (
        "\n\n".join(
            [
                "# With several seeds",
                f"Made by `python -m benchmarks.seeds --home DIR --log LOG --seeds ... [--set ...]`, on {told}.",
                "Figures of the test part; settings that are not named were found on the validation part within the "
                "budget, which is 120 s if none is named. Behind \N{PLUS-MINUS SIGN} stands half the distance from the "
                "lowest to the highest.",
                "\n".join(lines),
            ]
        )
        + "\n"
    )


def _spread(values: list[float]) -> str:
    half = f" \N{PLUS-MINUS SIGN} {(max(values) - min(values)) / 2:.4f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.4f}{half}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="workspace")
    parser.add_argument("--log", choices=list(LOGS), required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--set", nargs="+", default=[], dest="given", metavar="NAME=VALUE", help="settings")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        settings = {name: yaml.safe_load(value) for name, _, value in (one.partition("=") for one in arguments.given)}
        alone = {"seed": arguments.one, "baselines": ("popularity",)}  # of which the others need no second look
        found = run_one(arguments.log, arguments.home, "evaluate", settings | alone)
        figures = {name: found["metrics"]["model"][name] for name in _FIGURES}
        json.dump(
            figures
            | {name: found[name] for name in ("method", "dim", "epochs", "peak_mib")}
            | {"seconds": found["seconds"]["train"], "made": datetime.now(UTC).isoformat(timespec="minutes")},
            sys.stdout,
        )
        return
    rows = json.loads(_RESULTS.read_text(encoding="utf-8")) if _RESULTS.exists() else {}
    row = {"log": arguments.log, "settings": arguments.given, "runs": dict[str, Any]()}
    for seed in arguments.seeds:
        row["runs"][str(seed)] = run_apart(arguments.log, arguments.home, seed, arguments.given)
        rows[" ".join([arguments.log, *arguments.given])] = row
        write_json(_RESULTS, rows)
        _TABLE.write_text(markdown(rows), encoding="utf-8")
    print(markdown(rows))


if __name__ == "__main__":
    main()
