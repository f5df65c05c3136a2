"""What Prefect and MLflow add to a run, in seconds.

The stages up to the index are done beforehand, so that training does not blur the picture; each round starts from a
copy of that workspace. Timed are whole processes, from start to exit:

- the stages up to the index, called directly: everything is found, which leaves the start of the process;
- the same and registration, which is what MLflow adds (with the judgement of the gate);
- the flow `retrain` with no server running: Prefect starts one for the process, and most of what it adds is that;
- the same flow with a server running, as it does where flows are scheduled.

"First" is with a new MLflow store and a new Prefect database, "later" with those of the first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.interleaved import Measured, absolute, tell

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_ROOT = Path(__file__).resolve().parents[1]
_SEEDS = (0, 1)  # another seed is another model, so there is something to register the second time
_CONTENDERS = (  # name, what the process does, whether it speaks to a running server
    ("index", "index", False),
    ("register", "register", False),
    ("flow", "flow", False),
    ("flow with server", "flow", True),
)
_SILENT = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}


def run_directly(home: Path, seed: int, until: str) -> None:
    from recsys_cl.config import RunConfig  # noqa: PLC0415 - each process pays for what it uses
    from recsys_cl.stages.ingest import Source  # noqa: PLC0415
    from recsys_cl.stages.job import Job  # noqa: PLC0415
    from recsys_cl.stages.run import run  # noqa: PLC0415
    from recsys_cl.workspace import Workspace  # noqa: PLC0415

    workspace = Workspace.at(home)
    run(Job(workspace, "sample", RunConfig(seed=seed), workspace.tracking_uri, NOW), Source(sample=True), until=until)


def run_flow(home: Path, seed: int) -> None:
    from flows.plan import Plan  # noqa: PLC0415
    from flows.retrain import retrain  # noqa: PLC0415

    retrain(Plan(name="sample", sample=True, home=home, settings={"seed": seed}))


def timed_process(what: str, home: Path, seed: int, api: str = "") -> float:
    """Run this file once more, to do one thing; return the seconds it took from start to exit."""
    environment = _environment(home) | ({"PREFECT_API_URL": api} if api else {})
    command = [sys.executable, "-m", "benchmarks.orchestration", "--do", what, str(home), str(seed)]
    start = time.perf_counter()
    subprocess.run(command, check=True, cwd=_ROOT, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


@contextmanager
def server(home: Path) -> Iterator[str]:
    """Run a Prefect server on a free port for the block; give the address of its API."""
    home.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port), "--no-ui"]
    process = subprocess.Popen(command, env=_environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        api = f"http://127.0.0.1:{port}/api"
        _wait_for(f"{api}/health", process)
        yield api
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 180
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own server
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if process.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.5)


def _environment(home: Path) -> dict[str, str]:
    return os.environ | _SILENT | {"PREFECT_HOME": str(home / "prefect"), "PREFECT_LOGGING_LEVEL": "ERROR"}


def measure(folder: Path, rounds: int) -> list[Measured]:
    before = folder / "before"
    for seed in _SEEDS:
        timed_process("index", before, seed)
    seconds: dict[tuple[str, int], list[float]] = {}
    with server(folder / "server") as api:
        for number in range(rounds):
            for what, do, address in _CONTENDERS:
                home = folder / f"{what}-{number}"
                shutil.copytree(before, home)
                for seed in _SEEDS:
                    took = timed_process(do, home, seed, api if address else "")
                    seconds.setdefault((what, seed), []).append(took)
                shutil.rmtree(home)
    return [line for seed, when in zip(_SEEDS, ("first", "later"), strict=True) for line in _lines(seconds, seed, when)]


def _lines(seconds: dict[tuple[str, int], list[float]], seed: int, when: str) -> list[Measured]:
    found, registered, flow, served = (seconds[what, seed] for what, _, _ in _CONTENDERS)
    return [
        absolute(f"{when} run: Prefect and MLflow together, no server running", _less(flow, found), aim=15),
        absolute(f"{when} run: Prefect and MLflow together, a server running", _less(served, found), aim=15),
        absolute(f"{when} run: MLflow and the gate alone", _less(registered, found)),
        absolute(f"{when} run: a process that finds all stages done, with neither", found),
    ]


def _less(these: list[float], those: list[float]) -> list[float]:
    return [one - other for one, other in zip(these, those, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--do", nargs=3, metavar=("WHAT", "HOME", "SEED"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.do:
        what, home, seed = arguments.do[0], Path(arguments.do[1]), int(arguments.do[2])
        if what == "flow":
            run_flow(home, seed)
        else:
            run_directly(home, seed, what)
        return
    with tempfile.TemporaryDirectory(prefix="recsys-cl-orchestration-") as folder:
        tell(measure(Path(folder), arguments.rounds), {"log": "the built-in synthetic sample"})


if __name__ == "__main__":
    main()
