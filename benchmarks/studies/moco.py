"""MoCo with a small batch and a queue, beside in-batch negatives with batches of all sizes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.studies.drawn import FAINT, OTHERS, OURS, panel, saved, sheet
from benchmarks.studies.trained import trained_apart

SEEDS = (0, 1, 2)
measured = partial(trained_apart, "amazon-beauty")
_BATCHES, _MOCO, _QUEUE = (256, 1024, 4096), 256, 4096
_ALIKE = {"targets": "one", "uniform_negatives": 0, "temperature": 0.2, "epochs": 8, "item_bias": False}
RUNS: dict[str, dict[str, Any]] = {
    f"batch {size}": _ALIKE | {"batch_size": size, "loss": "info_nce:two_sided=true"} for size in _BATCHES
} | {
    f"moco {_MOCO}": _ALIKE
    | {"batch_size": _MOCO, "loss": "none", "objective": [f"moco:queue_size={_QUEUE}:momentum=0.9"]}
}


def draw(found: Mapping[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw recall, and memory beyond what was held before, against the batch."""
    figure, (left, right) = sheet(2)
    for axes, key, label in (
        (left, "recall", "validation recall@20, best epoch"),
        (right, "peak_mib", "MiB for training"),
    ):
        panel(axes, label)
        axes.set_xscale("log", base=2)
        axes.set_xticks(_BATCHES, [f"{size:,}" for size in _BATCHES])
        axes.set_xlabel("queries in a batch", color=FAINT)
        for prefix, color, name in (
            ("batch", OTHERS, "negatives of the batch"),
            ("moco", OURS, f"MoCo, a queue of {_QUEUE:,}"),
        ):
            sizes = [size for size in _BATCHES if f"{prefix} {size}" in found]
            runs = [[_figure(run[key]) for run in found[f"{prefix} {size}"]] for size in sizes]
            means = [sum(some) / len(some) for some in runs]
            errors = [[mean - min(some) for mean, some in zip(means, runs, strict=True)]]
            errors.append([max(some) - mean for mean, some in zip(means, runs, strict=True)])
            places = [size * (1.06 if prefix == "moco" else 1) for size in sizes]  # beside each other, not behind
            axes.errorbar(places, means, errors, color=color, marker="o", capsize=3, label=name)
        axes.legend(frameon=False)
    saved(figure, path)


def _figure(value: float | list[float]) -> float:
    return max(value) if isinstance(value, list) else value
