"""``kill -9`` in every stage, and the same command again: as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys_cl.stages.run import STAGES

SCRIPT = Path(__file__).with_name("killed_runs.py")
OF_THE_MOMENT = {"seconds", "pairs_per_second", "ms_per_query", "reused", "resumed"}


@pytest.fixture(scope="module")
def runs(tiny_log: Path, laid_out: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A home with a run left in peace and one killed at every point, and what the script told."""
    home = tmp_path_factory.mktemp("runs")
    done = subprocess.run(
        [sys.executable, SCRIPT, tiny_log, laid_out, home], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return home, json.loads(done.stdout.splitlines()[-1])


def lasting(value: Any, home: Path) -> Any:
    """Return a result without what two equal runs need not share: times, and where they took place."""
    if isinstance(value, dict):
        return {name: lasting(inner, home) for name, inner in value.items() if name not in OF_THE_MOMENT}
    if isinstance(value, list):
        return [lasting(inner, home) for inner in value]
    return value.replace(str(home), "HOME") if isinstance(value, str) else value


def test_a_run_that_is_killed_everywhere_ends_like_one_left_in_peace(runs):
    home, told = runs
    assert told["codes"] == [0, 0]
    peace, killed = (
        lasting(json.loads((home / name / "result.json").read_text()), home / name) for name in ("peace", "killed")
    )
    assert killed == peace
    assert killed["registry"]["version"] == 1
    assert killed["registry"]["promoted"]
    tables = [pl.read_parquet(home / name / "data/candidates/tiny/candidates.parquet") for name in ("peace", "killed")]
    assert tables[0].equals(tables[1])


def test_every_stage_was_killed(runs):
    _, told = runs
    stages = {point.split(":")[0] for point in told["points"]}
    assert stages >= set(STAGES)
    assert len(told["points"]) > 20


def test_nothing_half_written_is_left(runs):
    home, _ = runs
    left = [path for path in (home / "killed" / "data").rglob(".*") if path.name != ".lock"]
    assert left == []
