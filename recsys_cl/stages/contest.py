"""What is done when methods are compared: each is tuned, then fitted with one seed; popularity is asked."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from recsys_cl.config import EvaluateConfig
from recsys_cl.evaluation.baselines import popularity
from recsys_cl.evaluation.protocol import Evaluation, Examination, evaluate, examine
from recsys_cl.files import read_json
from recsys_cl.machine import description
from recsys_cl.pairs.histories import histories_of
from recsys_cl.progress import Murmur
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.stages.apart import Task, job_of
from recsys_cl.stages.assemble import assemble
from recsys_cl.stages.choice import Recipe
from recsys_cl.stages.evaluate import EXACT, MODEL
from recsys_cl.stages.fit import Fitter
from recsys_cl.stages.geometry import geometry
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import FittedOn, Prepared, open_prepared
from recsys_cl.stages.trial import metric_of
from recsys_cl.towers.two_tower import TwoTower

FIGURES = ("recall_at_20", "ndcg_at_20")
_EXAMINED = EvaluateConfig(ks=(20,), baselines=("popularity",), bootstrap_samples=100)
_LEARNED: FittedOn = "train_and_validation"


def tuned(order: Mapping[str, Any]) -> dict[str, Any]:
    """Search settings on validation.

    Returns:
        The best as a ``config``, its searched ``settings`` and ``figure``, how to fit ``like`` it, and what it took;
        the ``report`` as a path in the workspace.
    """
    from recsys_cl.stages.tune import PAGE, tune  # noqa: PLC0415 - Optuna, and what draws, is of no use to the others

    job = job_of(order)
    found = tune(job, open_prepared(Path(order["prepared"])))
    facts, best = found.facts, found.facts["best"]
    return {
        "config": found.config.model_dump(mode="json", include={"spectral", "train"}),
        "settings": best["settings"],
        "figure": best["figure"],
        "like": {"best_epoch": best["best_epoch"], "prior": best["prior"]},
        "metric": facts["metric"],
        "trials": len(facts["trials"]),
        "seconds": facts["seconds"],
        "report": str((found.folder / PAGE).relative_to(job.workspace.home)),
    }


def given(order: Mapping[str, Any]) -> dict[str, Any]:
    """Fit settings as they are given on the training part; return the same as `tuned`."""
    began, prepared = time.perf_counter(), open_prepared(Path(order["prepared"]))
    with _scratch(order) as (job, folder):
        metric, fitter = metric_of(job, prepared), Fitter(job, prepared, "train")
        fitter.fit(Recipe(job.config.train, job.config.spectral), folder)
        facts = read_json(folder / "training.json")
    return {
        "config": job.config.model_dump(mode="json", include={"spectral", "train"}),
        "settings": {},
        "figure": facts["prior"]["validation"],
        "like": {name: facts[name] for name in ("best_epoch", "prior")},
        "metric": metric,
        "trials": 1,
        "seconds": round(time.perf_counter() - began, 1),
    }


def fitted(order: Mapping[str, Any]) -> dict[str, Any]:
    """Fit settings with one seed on training and validation parts ``like`` before; examine once on the test part.

    Returns:
        `FIGURES`, ``seconds`` of the processor for training, of all threads together, ``peak_mib`` of the process,
        the ``processor``, ``epochs``, ``alignment``, ``uniformity``.
    """
    prepared = open_prepared(Path(order["prepared"]))
    with _scratch(order) as (job, folder):
        fitter = Fitter(job, prepared, _LEARNED)
        fitter.pairs  # noqa: B018 - laid out before the clock runs
        began = time.process_time()
        fitter.fit(Recipe(job.config.train, job.config.spectral), folder, like=order["like"])
        seconds = time.process_time() - began
        towers = TwoTower.load(folder)
    bundle = assemble(job, prepared, towers, _LEARNED, EXACT)
    examination = _examination(prepared)
    marks = _figures(evaluate(Retriever(bundle, MODEL), examination, _EXAMINED, seed=job.config.seed))
    cost = {"seconds": round(seconds, 2), "peak_mib": round(_peak_mib(), 1), "processor": description()["processor"]}
    lie = geometry(towers, examination, job.config.seed)
    return marks | lie | cost | {"epochs": order["like"]["best_epoch"]}


def popularity_of(prepared: Prepared, seed: int) -> dict[str, Any]:
    """Examine popularity; return `FIGURES`, how many ``users`` they are of, and the ``ceiling`` of recall."""
    examination = _examination(prepared)
    histories = histories_of(prepared.seen(_LEARNED), prepared.vocabulary(_LEARNED))
    baseline = popularity.fit(histories, seed=seed, config=_EXAMINED)
    marks = _figures(evaluate(baseline, examination, _EXAMINED, seed=seed))
    return marks | {"users": int(examination.headline.sum()), "ceiling": examination.recall_ceiling}


TASKS: dict[str, Task] = {"tune": tuned, "given": given, "fit": fitted}


@contextmanager
def _scratch(order: Mapping[str, Any]) -> Iterator[tuple[Job, Path]]:
    """Give a job and a folder to fit in; seconds and memory count, so what a killed fit left is not gone on from."""
    job, scratch = job_of(order), Path(order["scratch"])
    shutil.rmtree(scratch, ignore_errors=True)
    yield replace(job, reporter=Murmur(job.reporter, order["label"])), scratch / "towers"
    shutil.rmtree(scratch, ignore_errors=True)


def _examination(prepared: Prepared) -> Examination:
    return examine(prepared.seen(_LEARNED), prepared.part("test"), prepared.vocabulary(_LEARNED))


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    return {name: evaluation.metrics[name] for name in FIGURES}


def _peak_mib() -> float:
    """Return the most memory this process held; what `getrusage` says counts whoever started it, too."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
