"""Run the studies and draw them."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import benchmarks.studies
from recsys_cl.files import write_json

_ROOT = Path(__file__).resolve().parents[2]
_RESULTS, _PLOTS = _ROOT / "benchmarks" / "results" / "studies.json", _ROOT / "docs" / "contrastive" / "figures"
_STUDIES = ("moco", "byol", "sparse_users", "cold_items")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=benchmarks.studies.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, required=True, help="workspace")
    parser.add_argument("--only", nargs="+", choices=_STUDIES, default=list(_STUDIES))
    arguments = parser.parse_args()
    results: dict[str, Any] = json.loads(_RESULTS.read_text(encoding="utf-8")) if _RESULTS.exists() else {}
    for name in arguments.only:
        study = importlib.import_module(f"benchmarks.studies.{name}")
        kept = results.setdefault(name, {})
        for run, settings in study.RUNS.items():
            for seed in study.SEEDS:
                key = f"{run}, seed {seed}"
                if kept.get(key, {}).get("settings") != settings:
                    print(f"{name}: {key}", file=sys.stderr)
                    kept[key] = {"settings": settings, **study.measured(arguments.home, settings, seed)}
                    write_json(_RESULTS, results)
        _PLOTS.mkdir(parents=True, exist_ok=True)
        found = {run: [kept[f"{run}, seed {seed}"] for seed in study.SEEDS] for run in study.RUNS}
        study.draw(found, _PLOTS / f"{name}.png")


if __name__ == "__main__":
    main()
