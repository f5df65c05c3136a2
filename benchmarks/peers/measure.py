"""Let one contender learn and recommend in this process, and tell what it took; started by `benchmarks.peers`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import time
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.exchange import Log, checked

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def measure(module: str, settings: dict[str, Any], log: Log, k: int, lists: Path) -> dict[str, Any]:
    """Fit the contender in ``module`` and write its lists (q, k) to ``lists``; return seconds, MiB and bytes."""
    fit = importlib.import_module(module).fit  # to import a library is no part of learning
    before = _clocks()
    fitted = fit(log, **settings)
    between = _clocks()
    given = fitted.recommend(k)
    after = _clocks()
    np.save(lists, checked(given, log, k), allow_pickle=False)
    return {
        "train_cpu_seconds": round(between[0] - before[0], 2),
        "train_wall_seconds": round(between[1] - before[1], 2),
        "recommend_cpu_seconds": round(after[0] - between[0], 2),
        "recommend_wall_seconds": round(after[1] - between[1], 2),
        "peak_mib": _peak_mib(),
        "bytes_per_item": round(fitted.bytes_per_item, 1),
        "threads": int(os.environ[THREADS[0]]),
        "libraries": _versions("implicit", "rectools", "recbole", "lightfm", "recsys_cl", "torch", "numpy"),
    }


def _clocks() -> tuple[float, float]:
    """Return CPU seconds (user and system, of this process and those it waited for) and wall seconds."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both), time.perf_counter()


def _peak_mib() -> int:
    """Return the most memory this process held, from Linux's own count: that of `resource` begins with the parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024)


def _versions(*modules: str) -> dict[str, str]:
    """Return the versions of those of the modules that are in use."""
    distributions = packages_distributions()
    return {name: version(distributions[name][0]) for name in modules if name in sys.modules}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--module", required=True)
    parser.add_argument("--settings", type=json.loads, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--k", type=int, required=True)
    parser.add_argument("--lists", type=Path, required=True)
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--limit", type=int, required=True, help="CPU seconds after which the system ends this process")
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CPU, (asked.limit, asked.limit + 60))
    sys.argv = sys.argv[:1]  # a library reads the command line as its own settings
    facts = measure(asked.module, asked.settings, Log.load(asked.log), asked.k, asked.lists)
    asked.facts.write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main()
