"""Is this machine fit to run, and is everything where it should be?"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

from recsys_cl.errors import RecsysError
from recsys_cl.stages.job import Job

_LIBRARIES = ("torch", "faiss-cpu", "polars", "pandas", "mlflow", "prefect")
_LEAST_DISK = 1 << 30  # bytes


def examine(job: Job) -> dict[str, Any]:
    """Return ``{"ok": bool, "checks": [{"name", "ok", "detail"}, …]}``; a check that fails says what to do."""
    checks = [_checked(name, check, job) for name, check in _checks()]
    return {"ok": all(check["ok"] for check in checks), "checks": checks}


def _checks() -> Iterator[tuple[str, Callable[[Job], str]]]:
    yield "python", lambda _job: f"{platform.python_version()} on {platform.platform()}"
    yield "libraries", lambda _job: ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    yield "compute", _compute
    yield "search", _search
    yield "workspace", _workspace
    yield "registry", _registry


def _checked(name: str, check: Callable[[Job], str], job: Job) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, "detail": check(job)}
    except (RecsysError, OSError, ImportError, RuntimeError) as error:
        return {"name": name, "ok": False, "detail": f"{error}"}


def _compute(_job: Job) -> str:
    import torch  # noqa: PLC0415 - a missing or broken torch is what this check is for

    cuda = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no CUDA device"
    return f"{os.cpu_count()} cores, {torch.get_num_threads()} torch threads, {cuda}"


def _search(_job: Job) -> str:
    import numpy as np  # noqa: PLC0415 - as above

    from recsys_cl.retrieval.exact import rank_exact  # noqa: PLC0415 - as above

    vectors = np.eye(8, dtype=np.float32)
    found = rank_exact(vectors, vectors, None, 1).item_nums[:, 0]
    if found.tolist() != list(range(8)):
        raise RuntimeError(f"exact search found {found.tolist()}; reinstall torch")
    return "every vector finds itself"


def _workspace(job: Job) -> str:
    home = job.workspace.home
    probe = home / "data" / f".probe-{os.getpid()}"
    probe.parent.mkdir(parents=True, exist_ok=True)
    probe.touch()
    probe.unlink()
    free = shutil.disk_usage(home).free
    if free < _LEAST_DISK:
        raise OSError(f"only {free / 2**30:.1f} GiB free at {home}; make room or choose another --home")
    return f"{home} is writable, {free / 2**30:.0f} GiB free"


def _registry(job: Job) -> str:
    from recsys_cl.registry.reach import shown  # noqa: PLC0415 - as above
    from recsys_cl.registry.store import Store  # noqa: PLC0415 - as above

    models = len(Store(job.tracking_uri, job.workspace.artifacts).names())
    return f"{shown(job.tracking_uri)} answers, with {models} model{'' if models == 1 else 's'}"
