"""The model and the baselines, examined alike, side by side."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from recsys_cl.config import EvaluateConfig
from recsys_cl.evaluation.bootstrap import compare
from recsys_cl.evaluation.facts import Difference, ExaminedFacts, Marks
from recsys_cl.evaluation.findings import headline_k
from recsys_cl.evaluation.protocol import Evaluation, Examination, evaluate
from recsys_cl.evaluation.recommender import NotApplicable, Recommender
from recsys_cl.families import member
from recsys_cl.pairs.histories import Histories
from recsys_cl.progress import SILENT, Reporter

BASELINES = "recsys_cl.evaluation.baselines"


@dataclass(frozen=True)
class Comparison:
    """Marks of the model and of each baseline.

    Attributes:
        model: the model's; None where only baselines were examined.
        baselines: those that suit the log, in the order of the settings.
        skipped: those that do not, and why.
    """

    model: Evaluation | None
    baselines: tuple[Evaluation, ...]
    skipped: dict[str, str] = field(default_factory=dict)

    def marks(self) -> tuple[Marks, ...]:
        """Return all marks for a report, the model's first."""
        model = () if self.model is None else (_marks(self.model, "model"),)
        return (*model, *(_marks(baseline, "baseline") for baseline in self.baselines))

    def metrics(self) -> dict[str, object]:
        """Return the figures of ``model`` and of each of ``baselines``; of one left out, the reason as ``skipped``."""
        skipped = {name: {"skipped": reason} for name, reason in self.skipped.items()}
        baselines = {baseline.name: baseline.metrics for baseline in self.baselines}
        return {"model": {} if self.model is None else self.model.metrics, "baselines": baselines | skipped}


def evaluate_all(
    model: Recommender | None,
    histories: Histories,
    examination: Examination,
    config: EvaluateConfig,
    *,
    seed: int,
    reporter: Reporter = SILENT,
) -> Comparison:
    """Examine the model, then fit and examine each baseline of ``config.baselines``.

    Args:
        model: what is compared; None examines the baselines alone.
        histories: the training part that the baselines learn from, which should be the model's.
        examination: users and right answers, the same for all.
        config: list lengths, baselines, bootstrap.
        seed: of the baselines and the bootstrap.
        reporter: shows the progress.

    Raises:
        ConfigError: a baseline is unknown; the nearest one is named.
    """
    modules = [member(BASELINES, name) for name in config.baselines]
    ours = None if model is None else evaluate(model, examination, config, seed=seed, reporter=reporter)
    found, skipped = [], {}
    for name, module in zip(config.baselines, modules, strict=True):
        try:
            baseline = module.fit(histories, seed=seed, config=config)
        except NotApplicable as reason:
            skipped[name] = str(reason)
            reporter.say(f"[dim]{name} is left out: {reason}[/dim]")
            continue
        found.append(evaluate(baseline, examination, config, seed=seed, reporter=reporter))
    return Comparison(ours, tuple(found), skipped)


def differences(comparison: Comparison, config: EvaluateConfig, *, seed: int) -> tuple[Difference, ...]:
    """Compare the model with each baseline, user by user, in recall and NDCG at the headline k."""
    if comparison.model is None or not comparison.model.intervals:
        return ()
    k = headline_k(config.ks)
    return tuple(
        Difference(
            baseline=baseline.name,
            metric=metric,
            **asdict(
                compare(
                    comparison.model.per_user,
                    baseline.per_user,
                    metric,
                    samples=config.bootstrap_samples,
                    seed=seed,
                    confidence=config.confidence,
                )
            ),
        )
        for metric in (f"recall_at_{k}", f"ndcg_at_{k}")
        for baseline in comparison.baselines
    )


def examined(examination: Examination) -> ExaminedFacts:
    """Count who was asked and what would have been right."""
    has_answer, cold = examination.n_relevant > 0, ~examination.warm
    with_history = examination.queries.histories.lengths > 0
    return ExaminedFacts(
        users=len(examination),
        headline=int(examination.headline.sum()),
        nothing_new=int((~has_answer).sum()),
        cold_with_history=int((cold & has_answer & with_history).sum()),
        cold_without_history=int((cold & has_answer & ~with_history).sum()),
        relevant=int(examination.n_relevant.sum()),
        unknown=int(examination.unknown.sum()),
        repeats=examination.repeats,
        catalogue=examination.n_items,
        recall_ceiling=examination.recall_ceiling,
    )


def _marks(evaluation: Evaluation, role: str) -> Marks:
    return Marks.model_validate(
        {
            "name": evaluation.name,
            "role": role,
            "metrics": evaluation.metrics,
            "intervals": evaluation.intervals,
            "cold": {name: asdict(group) for name, group in evaluation.cold.items()},
            "slices": [asdict(part) for part in evaluation.slices],
            "seconds": evaluation.seconds,
        }
    )
