"""The same code on CUDA and on the processors of the same machine: steps, the spectral solver, and whole trainings.

    python -m benchmarks.cuda --home DIR

Writes `benchmarks/results/cuda.json` and, from it, `benchmarks/cuda.md`. Whole trainings are runs of
`benchmarks.seeds` on Gowalla, in order, each in a process of its own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.interleaved import Measured, compared, in_turn
from benchmarks.quality import answer_of, table_row
from benchmarks.real_log import prepared_log
from benchmarks.spectral import normalised
from benchmarks.training_step import CASES, finished, measure
from recsys_cl.contrast.closed_form.solver import solve
from recsys_cl.files import write_json
from recsys_cl.machine import description
from recsys_cl.stages.pairs import Prepared

_FOLDER = Path(__file__).resolve().parent
_TABLE, _RESULTS = _FOLDER / "cuda.md", _FOLDER / "results" / "cuda.json"
_CUDA, _CPU = torch.device("cuda"), torch.device("cpu")
_DIMS = (256, 1024)
_BUDGETS = ("30s", "120s")


def spectral(prepared: Prepared, dim: int, rounds: int) -> Measured:
    """Measure the solver on both devices."""
    matrix = normalised(prepared.histories("train_and_validation").matrix())

    def on(device: torch.device) -> Callable[[], None]:
        return finished(lambda: solve(matrix, dim, tolerance=5e-3, max_rounds=20, seed=0, device=device), device)

    seconds = in_turn({"cuda": on(_CUDA), "cpu": on(_CPU)}, rounds)
    return compared(f"{dim:,} singular pairs of Gowalla on CUDA", seconds["cuda"], "on the processors", seconds["cpu"])


def trained(home: Path, device: str, budget: str) -> dict[str, Any]:
    """Run one training; return its figures and seconds."""
    arguments = ["--home", str(home / f"{device}-{budget}"), "--log", "gowalla-in-order", "--one", "0"]
    found = answer_of("benchmarks.seeds", *arguments, "--set", f"device={device}", f"budget={budget}")
    return {"device": device, "budget": budget} | found


def markdown(results: dict[str, Any]) -> str:
    """Lay the figures out."""
    machine = results["machine"]
    ratios = [table_row(["what", "against", "ours, s", "theirs, s", "ratio"]), table_row(["---"] * 2 + ["---:"] * 3)]
    for one in results["measured"]:
        figures = [f"{one[name]:.4f}" for name in ("seconds", "baseline_seconds")]
        ratios.append(table_row([one["what"], one["against"], *figures, f"{one['ratio']:.2f}"]))
    runs = [
        table_row(["device", "budget", "training, s", "recall@20", "NDCG@20", "what was served"]),
        table_row(["---"] * 2 + ["---:"] * 3 + ["---"]),
    ]
    for one in results["trained"]:
        figures = [f"{one['seconds']:.0f}", f"{one['recall_at_20']:.4f}", f"{one['ndcg_at_20']:.4f}"]
        runs.append(table_row([one["device"], one["budget"], *figures, f"{one['method']}, {one['dim']} dimensions"]))
    return (
        "\n\n".join(
            [
                "# On CUDA",
                f"Made by `python -m benchmarks.cuda --home DIR`, {results['measured_at']}, on {results['gpu']} "
                f"beside {machine['processor']}, {machine['cores']} cores, {machine['memory']}; {machine['system']}; "
                f"{machine['versions']}.",
                "## Steps and solutions",
                "\n".join(ratios),
                "## Whole trainings on Gowalla, in order, seed 0",
                "\n".join(runs),
            ]
        )
        + "\n"
    )


def write(results: dict[str, Any]) -> None:
    """Keep what there is so far."""
    write_json(_RESULTS, results)
    _TABLE.write_text(markdown(results), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="workspace of the trainings")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    results: dict[str, Any] = {
        "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
        "machine": description(),
        "gpu": torch.cuda.get_device_name(0),
        "measured": [],
        "trained": [],
    }
    with tempfile.TemporaryDirectory(prefix="recsys-cl-cuda-") as home:
        _, prepared = prepared_log(Path(home))
        pairs, n_users = prepared.pairs("train"), prepared.vocabulary("train").n_users
        measured = [one for config in CASES for one in measure(pairs, n_users, config, arguments.rounds, _CUDA)]
        measured += [spectral(prepared, dim, arguments.rounds) for dim in _DIMS]
    results["measured"] = [asdict(one) for one in measured]
    write(results)
    for budget in _BUDGETS:
        for device in ("cuda", "cpu"):
            results["trained"].append(trained(arguments.home, device, budget))
            write(results)
    print(markdown(results))


if __name__ == "__main__":
    main()
