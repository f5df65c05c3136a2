"""The machine and the versions a measurement was made with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import distributions
from pathlib import Path

_VECTORS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")  # what products are computed with decides what they cost
_PACKAGES = ("recsys-cl", "torch", "polars", "pandas", "numpy", "faiss-cpu", "pyarrow", "prefect", "mlflow")


def description() -> dict[str, str]:
    """Return processor, cores, memory, load, system and versions of what is installed, each in words."""
    installed = {one.name.lower().replace("_", "-"): one.version for one in distributions()}
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "load at the start": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {installed[name]}" for name in _PACKAGES if name in installed),
    }


def _processor() -> str:
    """Return its name and, on Linux, the best of its vector instructions that is known here."""
    information = Path("/proc/cpuinfo")
    told = {}
    if information.exists():
        lines = (line.partition(":") for line in information.read_text().splitlines())
        told = {name.strip(): value.strip() for name, _, value in lines}
    able = set(told.get("flags", "").split())
    vectors = next((name for name in _VECTORS if name in able), None)
    name = told.get("model name") or platform.processor() or platform.machine()
    return f"{name} with {vectors}" if vectors else name
