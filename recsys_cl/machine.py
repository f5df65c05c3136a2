"""The machine and the versions a measurement was made with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import distributions
from pathlib import Path

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
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
