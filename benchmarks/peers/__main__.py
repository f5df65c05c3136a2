"""Run every contender on every log, each in a process of its own, and write down what it gave and what it took.

    python -m benchmarks.peers --home DIR [--only-logs LOG ...] [--only CONTENDER ...] [--limit SECONDS] [--again]

Writes `benchmarks/results/peers.json` after every run and, from it, `benchmarks/peers.md` and `benchmarks/peers.png`.
What stands in the JSON with the same settings is not run again, unless ``--again`` says so: a killed run goes on where
it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.exchange import Log
from benchmarks.peers.logs import NAMES, split_log
from benchmarks.peers.marks import K, answers, marked
from benchmarks.peers.measure import THREADS
from benchmarks.peers.picture import draw
from benchmarks.peers.report import markdown
from benchmarks.peers.settings import CONTENDERS, LEFT_OUT, OURS, Contender
from recsys_cl.evaluation.protocol import Examination
from recsys_cl.files import read_json, write_json
from recsys_cl.machine import description

_FOLDER = Path(__file__).resolve().parents[1]
_ROOT = _FOLDER.parent
_RESULTS = _FOLDER / "results" / "peers.json"
_DEPTH = 100  # items each contender recommends


@dataclass(frozen=True)
class Bench:
    """Where one log's runs are kept, and by whom they are made.

    Attributes:
        name: the log.
        home: folder of its split, lists and workspace.
        peers_python: interpreter of the peers' environment.
        limit: CPU seconds that a contender may take; wall time says little on a machine that others use too.
    """

    name: str
    home: Path
    peers_python: Path
    limit: int

    @cached_property
    def split(self) -> tuple[Log, Examination]:
        """The log as it is handed out, which is written beside, and how lists are marked."""
        self.home.mkdir(parents=True, exist_ok=True)
        log, examination = split_log(self.name, self.home)
        log.save(self.home / "log.npz")
        np.savez(self.home / "answers.npz", **answers(examination))
        return log, examination

    def facts(self) -> dict[str, Any]:
        """Return the size of the log and of the examination."""
        log, examination = self.split
        return {
            "users": log.n_users,
            "items": log.n_items,
            "interactions": len(log.item_nums),
            "test_users": len(examination),
            "ceiling": examination.recall_ceiling,
        }

    def run(self, name: str, contender: Contender) -> dict[str, Any]:
        """Run one contender; return its marks and what it took, or that it was stopped."""
        _, examination = self.split
        told: dict[str, Any] = {
            "settings": dict(contender.settings),
            "source": contender.source,
            "ours": contender.ours,
            "measured_at": datetime.now(UTC).isoformat(timespec="minutes"),
            "machine": description()["processor"],
        }
        if (self.name, name) in LEFT_OUT:
            return told | {"left_out": LEFT_OUT[self.name, name]}
        place = {"log_name": self.name, "home": str(self.home)} if contender.ours else {}
        lists, facts = self._lists(name), self.home / "facts.json"
        asked = ["--module", contender.module, "--settings", json.dumps({**contender.settings, **place})]
        asked += ["--log", str(self.home / "log.npz"), "--k", str(_DEPTH)]
        asked += ["--lists", str(lists), "--facts", str(facts), "--limit", str(self.limit)]
        python = sys.executable if contender.ours else str(self.peers_python)
        try:
            self._python(python, "measure", asked)
        except subprocess.CalledProcessError as ended:
            if ended.returncode != -signal.SIGXCPU:
                raise
            return told | {"stopped_after_cpu_seconds": self.limit}
        return told | marked(np.load(lists, allow_pickle=False), examination) | read_json(facts)

    def check(self, name: str) -> dict[str, Any]:
        """Return what the peers' own evaluators say of a contender's lists."""
        asked = ["--lists", str(self._lists(name)), "--answers", str(self.home / "answers.npz"), "--k", str(K)]
        said: dict[str, Any] = json.loads(self._python(str(self.peers_python), "check", asked))
        return {"of": name, **said}

    def _lists(self, name: str) -> Path:
        return self.home / f"{name.replace(' ', '-')}.npy"

    def _python(self, python: str, module: str, arguments: list[str]) -> str:
        told = dict.fromkeys(THREADS, "1") | {"PYTHONPATH": str(_ROOT)}
        command = [python, "-m", f"benchmarks.peers.{module}", *arguments]
        done = subprocess.run(
            command,
            check=True,
            cwd=self.home,  # one library leaves a folder where it is started
            env=os.environ | told,
            stdout=subprocess.PIPE,
        )
        return done.stdout.decode().splitlines()[-1] if done.stdout else ""


def write(results: dict[str, Any]) -> None:
    """Keep the results; lay them out as tables and as a picture."""
    in_order = {name: results[name] for name in NAMES if name in results}
    for log in in_order.values():
        log["contenders"] = {name: log["contenders"][name] for name in CONTENDERS if name in log["contenders"]}
        if log.get("check", {}).get("of") not in log["contenders"]:
            log.pop("check", None)  # of somebody who no longer takes part
    write_json(_RESULTS, in_order)
    (_FOLDER / "peers.md").write_text(markdown(in_order), encoding="utf-8")
    draw(in_order, _FOLDER / "peers.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="folder for the split logs and the lists")
    parser.add_argument("--peers-python", type=Path, default=_ROOT / ".venv-peers" / "bin" / "python")
    parser.add_argument("--only-logs", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--limit", type=int, default=1800, help="CPU seconds that one run may take")
    parser.add_argument("--again", action="store_true", help="run what was run before, too")
    arguments = parser.parse_args()
    results = read_json(_RESULTS) if _RESULTS.exists() else {}
    benches = {
        name: Bench(name, arguments.home.resolve() / name, arguments.peers_python, arguments.limit)
        for name in arguments.only_logs
    }
    for name in arguments.only:  # the quick ones on all logs before the slow ones
        for log_name, bench in benches.items():
            log = results.setdefault(log_name, {"contenders": {}})
            known = log["contenders"].get(name, {})
            if known.get("settings") == CONTENDERS[name].settings and not arguments.again:
                continue
            print(f"{name} on {log_name}", file=sys.stderr)
            log |= bench.facts()
            log["contenders"][name] = bench.run(name, CONTENDERS[name])
            if name == next(iter(OURS)):
                log["check"] = bench.check(name)
            write(results)
    write(results)


if __name__ == "__main__":
    main()
