"""How the spectral solver's time and memory grow with the log.

    python -m benchmarks.scaling [--sizes N ...] [--threads N]

Each size is solved in a process of its own, on a synthetic log whose users and items grow with it: items are taken
as popularity and the user's cluster have it. Making the log is not counted. Memory is what the process takes at its
peak beyond what it held just before solving, when the matrix was there. Writes `results/scaling.json` and, from it,
`scaling.png`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.spectral import normalised
from recsys_cl.contrast.closed_form.solver import solve
from recsys_cl.files import read_json, write_json
from recsys_cl.machine import description

_FOLDER = Path(__file__).resolve().parent
_RESULTS = _FOLDER / "results" / "scaling.json"
_PLOT = _FOLDER / "scaling.png"
_SIZES = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000)
_DIM, _OVERSAMPLING, _TOLERANCE = 128, 12, 5e-3
_CLUSTERS = 50
_MIB = 2**20
_INK, _MUTED, _MODEL, _BASELINE = "#1d2126", "#6a7078", "#b3401f", "#5b7a99"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def synthetic(interactions: int, seed: int = 0) -> sp.csr_matrix:
    """Return a normalised matrix of that many interactions, less repeats.

    An item's popularity falls as the square root of its rank; seven in ten interactions are with items of the user's
    cluster, an item's cluster being its number modulo the number of clusters.
    """
    users, items = interactions // 30, min(interactions // 60, 500_000)
    random = np.random.default_rng(seed)
    rows = (users * random.random(interactions, dtype=np.float32) ** 1.5).astype(np.int32).clip(max=users - 1)
    columns = (items * random.random(interactions, dtype=np.float32) ** 2).astype(np.int32).clip(max=items - 1)
    own = random.random(interactions, dtype=np.float32) < 0.7
    columns[own] += rows[own] % _CLUSTERS - columns[own] % _CLUSTERS
    columns.clip(max=items - 1, out=columns)
    matrix = sp.csr_matrix((np.ones(interactions, np.float32), (rows, columns)), shape=(users, items))
    matrix.data[:] = 1
    return normalised(matrix)


def memory(field: str) -> int:
    """Return a figure of this process's memory in bytes: VmRSS, what it holds, or VmHWM, the most it held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(field)))


def solve_one(interactions: int) -> dict[str, Any]:
    matrix = synthetic(interactions)
    solve(synthetic(10_000), 8, tolerance=0.1, max_rounds=1, seed=0)  # loads what is loaded on first use
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    held, start = memory("VmRSS"), time.perf_counter()
    spectrum = solve(matrix, _DIM, tolerance=_TOLERANCE, max_rounds=20, seed=0, oversampling=_OVERSAMPLING)
    seconds = time.perf_counter() - start
    return {
        "interactions": matrix.nnz,
        "users": matrix.shape[0],
        "items": matrix.shape[1],
        "seconds": round(seconds, 3),
        "peak_mib": round((memory("VmHWM") - held) / _MIB, 1),
        "rounds": spectrum.rounds,
        "error": spectrum.error,
    }


def formula(interactions: int, users: int, items: int) -> int:
    """Return the bytes that `solve` says it holds beside the matrix."""
    rows = -(-users // max(1, round(users / items)))  # of a block
    return 8 * interactions + 6 * max(items, rows) * (_DIM + _OVERSAMPLING) * 4


def in_own_process(interactions: int, threads: int | None) -> dict[str, Any]:
    limited = dict.fromkeys(_THREADS, str(threads)) if threads else {}
    command = [sys.executable, "-m", "benchmarks.scaling", "--one", str(interactions)]
    done = subprocess.run(command, check=True, cwd=_FOLDER.parent, env=os.environ | limited, stdout=subprocess.PIPE)
    result: dict[str, Any] = json.loads(done.stdout)
    print(result, file=sys.stderr)
    return result


def draw(results: dict[str, Any]) -> None:
    """Draw seconds and memory against interactions, each beside what would grow in proportion."""
    rows = results["measured"]
    sizes = [row["interactions"] for row in rows]
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    seconds, peaks = ([row[name] for row in rows] for name in ("seconds", "peak_mib"))
    stated = [formula(row["interactions"], row["users"], row["items"]) / _MIB for row in rows]
    _panel(left, "Seconds to solve", sizes, seconds)
    _panel(right, "Peak memory beside the matrix, MiB", sizes, peaks)
    right.plot(sizes, stated, ":", color=_INK, linewidth=1.4, label="as stated in the docstring")
    for panel in (left, right):
        panel.legend(frameon=False, loc="lower right", labelcolor=_INK)
    for panel, values, form in ((left, seconds, "{:,.3g} s"), (right, peaks, "{:,.0f} MiB")):
        for which, offset, side in ((0, (0, 10), "center"), (-1, (-10, 2), "right")):
            text, place = form.format(values[which]), (sizes[which], values[which])
            panel.annotate(text, place, offset, textcoords="offset points", ha=side, color=_MODEL)
    figure.suptitle(
        f"The spectral solver from {sizes[0]:,} to {sizes[-1]:,} interactions, d = {_DIM}", color=_INK, fontsize=13
    )
    figure.savefig(_PLOT, dpi=150)


def _panel(panel: Axes, title: str, sizes: list[int], values: list[float]) -> None:
    panel.plot(sizes, values, "o-", color=_MODEL, linewidth=2, label="measured")
    proportional = [values[-1] * size / sizes[-1] for size in sizes]
    panel.plot(sizes, proportional, "--", color=_BASELINE, linewidth=1.2, label="in proportion (slope 1)")
    panel.set(xscale="log", yscale="log", xlabel="interactions")
    panel.set_title(title, loc="left", color=_INK, fontsize=11)
    panel.grid(color="#e3e1da", linewidth=0.7)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(colors=_MUTED)
    panel.xaxis.label.set_color(_MUTED)
    panel.margins(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES, help="interactions")
    parser.add_argument("--threads", type=int, help="of torch and numpy alike; by default what each takes")
    parser.add_argument("--one", type=int, help="solve this size here, and print what it took")
    parser.add_argument("--draw", action="store_true", help="only draw what was measured before")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(solve_one(arguments.one)))
        return
    if not arguments.draw:
        facts = {
            "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
            "machine": description(),
            "threads": arguments.threads or "default",
            "settings": {"dim": _DIM, "oversampling": _OVERSAMPLING, "tolerance": _TOLERANCE},
        }
        write_json(_RESULTS, facts | {"measured": [in_own_process(n, arguments.threads) for n in arguments.sizes]})
    draw(read_json(_RESULTS))


if __name__ == "__main__":
    main()
