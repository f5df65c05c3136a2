"""From an evaluated run to a bundle: the towers to be registered, with the index that serves them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_cl.evaluation.facts import EvaluationReport, IndexFacts
from recsys_cl.files import read_json
from recsys_cl.retrieval.bundle import REPORT, Origin, write_bundle
from recsys_cl.retrieval.tuning import IndexReport
from recsys_cl.stages.assemble import assemble
from recsys_cl.stages.evaluate import Evaluated, open_evaluated
from recsys_cl.stages.job import Job


@dataclass(frozen=True)
class Bundled:
    """A bundle on disk.

    Attributes:
        folder: where it is, within the evaluation's.
        evaluated: the evaluation it carries.
    """

    folder: Path
    evaluated: Evaluated

    def index(self) -> IndexReport:
        """Return how the index was chosen."""
        return IndexReport.of(read_json(self.folder / "index.json"))

    def report(self) -> EvaluationReport:
        """Return the evaluation's report with what is known of the index."""
        return EvaluationReport.from_json((self.folder / REPORT).read_text(encoding="utf-8"))

    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know, JSON-ready."""
        return {"index": self.index().describe(), "bundle": str(self.folder)}


def index(job: Job, evaluated: Evaluated) -> Bundled:
    """Choose and build the index, and write the bundle, or find that this was done before."""
    trained = evaluated.trained
    key = job.key(evaluated.key, job.config.index, job.config.candidates)
    folder = evaluated.folder.with_name(f"{evaluated.folder.name}-bundle-{key[:16]}")
    if not folder.exists():
        fitted_on = trained.registered
        bundle = assemble(job, trained.prepared, trained.towers(fitted_on), fitted_on, job.config.index)
        report = evaluated.report().model_copy(update={"index": IndexFacts.model_validate(bundle.index.describe())})
        origin = Origin(job.name, fitted_on, trained.prepared.snapshot.digest, job.now)
        write_bundle(folder, bundle, origin, report=report.model_dump(mode="json"), per_user=evaluated.per_user())
    return Bundled(folder, evaluated)


def open_bundled(folder: Path) -> Bundled:
    """Open what `index` wrote."""
    evaluation = folder.with_name(folder.name.partition("-bundle-")[0])
    return Bundled(folder, open_evaluated(evaluation))
