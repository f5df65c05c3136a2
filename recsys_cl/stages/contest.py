"""What is done when methods are compared: one is tuned, or fitted with one seed, each apart; popularity is asked."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recsys_cl.config import EvaluateConfig
from recsys_cl.evaluation.baselines import popularity
from recsys_cl.evaluation.protocol import Evaluation, Examination, evaluate, examine
from recsys_cl.pairs.histories import histories_of
from recsys_cl.progress import Murmur
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.stages.apart import Task, job_of
from recsys_cl.stages.assemble import assemble
from recsys_cl.stages.evaluate import EXACT, MODEL
from recsys_cl.stages.geometry import geometry
from recsys_cl.stages.pairs import FittedOn, Prepared, open_prepared
from recsys_cl.stages.train import train
from recsys_cl.workspace import Workspace

FIGURES = ("recall_at_20", "ndcg_at_20")
_EXAMINED = EvaluateConfig(ks=(20,), baselines=("popularity",), bootstrap_samples=100)
_LEARNED: FittedOn = "train_and_validation"


def tuned(order: Mapping[str, Any]) -> dict[str, Any]:
    """Search settings; return the best as a ``config``, its searched ``settings`` and ``figure``, and what it took."""
    from recsys_cl.stages.tune import tune  # noqa: PLC0415 - Optuna, and what draws, is of no use to the others

    found = tune(job_of(order), open_prepared(Path(order["prepared"])))
    facts, best = found.facts, found.facts["best"]
    return {
        "config": found.config.model_dump(mode="json", include={"spectral", "train"}),
        "settings": best["settings"],
        "figure": best["figure"],
        "metric": facts["metric"],
        "trials": len(facts["trials"]),
        "seconds": facts["seconds"],
        "report": str(found.folder / "study.html"),
    }


def fitted(order: Mapping[str, Any]) -> dict[str, Any]:
    """Fit settings with one seed as the pipeline does, and examine them once on the test part.

    Seconds and memory are measured, so that what a killed fit left in ``scratch`` is not gone on from.

    Returns:
        `FIGURES`, ``seconds`` of training, ``peak_mib`` of the process, ``epochs``, ``alignment``, ``uniformity``.
    """
    job, scratch = job_of(order), Path(order["scratch"])
    shutil.rmtree(scratch, ignore_errors=True)
    prepared = open_prepared(Path(order["prepared"]))
    apart = replace(job, workspace=Workspace(scratch), reporter=Murmur(job.reporter, order["label"]))
    began = time.perf_counter()
    trained = train(apart, prepared)
    seconds = time.perf_counter() - began
    bundle = assemble(apart, trained, _LEARNED, EXACT)
    examination = _examination(prepared)
    marks = _figures(evaluate(Retriever(bundle, MODEL), examination, _EXAMINED, seed=job.config.seed))
    lie = geometry(trained.towers(_LEARNED), examination, job.config.seed)
    epochs = trained.training("train")["best_epoch"]
    shutil.rmtree(scratch, ignore_errors=True)
    return marks | lie | {"seconds": round(seconds, 2), "epochs": epochs, "peak_mib": round(_peak_mib(), 1)}


def popularity_of(prepared: Prepared, seed: int) -> dict[str, Any]:
    """Examine popularity; return `FIGURES`, how many ``users`` they are of, and the ``ceiling`` of recall."""
    examination = _examination(prepared)
    histories = histories_of(prepared.seen(_LEARNED), prepared.vocabulary(_LEARNED))
    baseline = popularity.fit(histories, seed=seed, config=_EXAMINED)
    marks = _figures(evaluate(baseline, examination, _EXAMINED, seed=seed))
    return marks | {"users": int(examination.headline.sum()), "ceiling": examination.recall_ceiling}


TASKS: dict[str, Task] = {"tune": tuned, "fit": fitted}


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
