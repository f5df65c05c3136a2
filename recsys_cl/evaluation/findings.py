"""What a report says in words, the same on every page it is shown on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from recsys_cl.evaluation.facts import (
    Difference,
    EvaluationReport,
    FitFacts,
    FittedOn,
    Marks,
    PriorFacts,
    TrainingFacts,
)

_LABELS = {"als": "ALS", "ease": "EASE", "item_knn": "Item-kNN"}
_METRICS = {"ndcg": "NDCG", "mrr": "MRR", "map": "MAP", "capped_recall": "Capped recall", "gini": "Gini"}
FITTED_ON: dict[FittedOn, str] = {
    "train": "the training part",
    "train_and_validation": "the training and validation parts",
    "all": "all data, the test part included",
}
METHODS = {
    "spectral": "closed form",
    "gradient": "gradient descent from random weights",
    "hybrid": "gradient descent from the closed form",
    "joined": "several towers side by side",
}


def label(name: str) -> str:
    """Return a recommender's name as people write it: ``item_knn`` is Item-kNN."""
    return _LABELS.get(name, name.replace("_", " ").capitalize())


def metric_label(name: str) -> str:
    """Return a metric's name as people write it: ``ndcg_at_20`` is NDCG@20."""
    metric, _, k = name.partition("_at_")
    return _METRICS.get(metric, metric.replace("_", " ").capitalize()) + (f"@{k}" if k else "")


def number(value: float) -> str:
    """Return a metric with four decimals, and a proper minus sign."""
    return f"{_rounded(value):.4f}".replace("-", "\N{MINUS SIGN}")


def signed(value: float) -> str:
    """Return a difference with its sign and four decimals."""
    return f"{_rounded(value):+.4f}".replace("-", "\N{MINUS SIGN}")


def size(count: float) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def measured_ks(metrics: Iterable[str]) -> list[int]:
    """Return the list lengths at which recall is among the ``metrics``, ascending."""
    return sorted(int(match[1]) for name in metrics if (match := re.fullmatch(r"recall_at_(\d+)", name)))


def headline_k(ks: Iterable[int]) -> int:
    """Return the list length that stands for all: 20, or of those measured the nearest to it."""
    return min(ks, key=lambda k: (abs(k - 20), k), default=20)


def ks_of(report: EvaluationReport) -> list[int]:
    """Return the list lengths that were measured, ascending."""
    return measured_ks(report.marks[0].metrics if report.marks else ())


def headline(report: EvaluationReport) -> int:
    """Return the list length that stands for all."""
    return headline_k(ks_of(report))


def model_of(report: EvaluationReport) -> Marks | None:
    """Return the model's marks; None in a report of baselines alone."""
    return next((marks for marks in report.marks if marks.role == "model"), None)


def verdict(difference: Difference, report: EvaluationReport) -> str:
    """Tell in one sentence who is better, by how much and how surely."""
    theirs = next(m.metrics.get(difference.metric, 0.0) for m in report.marks if m.name == difference.baseline)
    share = f", or {abs(difference.difference) / theirs:.0%}" if theirs else ""
    low, high = sorted((abs(difference.low), abs(difference.high)))
    margin = f"by {abs(difference.difference):.4f} ({low:.4f} to {high:.4f}){share}"
    name, metric = label(difference.baseline), metric_label(difference.metric)
    if difference.low > 0:
        return f"The model beats {_inside(name)} in {metric} {margin}."
    if difference.high < 0:
        return f"{name} beats the model in {metric} {margin}."
    return (
        f"The model and {_inside(name)} cannot be told apart in {metric}: a difference of "
        f"{signed(difference.difference)} ({signed(difference.low)} to {signed(difference.high)})."
    )


def verdicts(report: EvaluationReport) -> list[str]:
    """Return a sentence for each baseline in the headline recall, those that beat the model first."""
    metric = f"recall_at_{headline(report)}"
    asked = sorted((d for d in report.differences if d.metric == metric), key=lambda d: d.difference)
    return [verdict(difference, report) for difference in asked]


def beaten_by(report: EvaluationReport) -> list[str]:
    """Return the names of the baselines that surely beat the model in the headline recall."""
    metric = f"recall_at_{headline(report)}"
    return [d.baseline for d in report.differences if d.metric == metric and d.high < 0]


def provenance(report: EvaluationReport) -> list[str]:
    """Tell which data the marked and the registered model have seen, and whether the log is made up."""
    told = []
    if report.data.synthetic:
        told.append("The log is synthetic: it was made by this package and says nothing about real people.")
    if report.evaluated_on is None:
        told.append("The marks are of a bundle as it was given, asked with the histories of this log.")
    else:
        told.append(f"The marks are of a model fitted on {FITTED_ON[report.evaluated_on]}.")
    if report.training is not None:
        told += _made(report.training)
    if report.registered_on is None:
        return told
    if report.registered_on == report.evaluated_on:
        told.append("That very model is the one registered.")
    else:
        told.append(
            f"The registered model was fitted once more on {FITTED_ON[report.registered_on]}, with the same settings; "
            "the marks are an estimate of how it does."
        )
    return told


def how_fitted(fit: FitFacts, tried: Sequence[FitFacts]) -> str:
    """Return in words what was fitted; the parts of what was joined are among those ``tried``."""
    if fit.method == "joined":
        parts = {one.name: how_fitted(one, tried) for one in tried if one.name in fit.parts}
        return " beside ".join(parts.get(name, name) for name in fit.parts) or METHODS["joined"]
    learned = f", by {fit.learned}" if fit.learned else ""
    if fit.method != "hybrid":
        return METHODS[fit.method] + (" of neighbours" if fit.positives == "item_item" else "") + learned
    way = "with a teacher" if fit.taught else "without a teacher"
    readings = "two" if fit.readings == 2 else str(fit.readings)
    return (
        f"gradient descent {way}" + (f", with {readings} readings of histories" if fit.readings > 1 else "") + learned
    )


def kept_fit(training: TrainingFacts) -> FitFacts | None:
    """Return which fit was kept; None where that was not written down."""
    return next((fit for fit in training.tried if fit.name == training.kept), None)


def how_made(training: TrainingFacts) -> str:
    """Return in words how towers were made, and how long their vectors are; nothing where that is not known."""
    if training.method is None or training.dim is None:
        return ""
    kept = kept_fit(training)
    made = METHODS[training.method] if kept is None else how_fitted(kept, training.tried)
    return f"{made}, {training.dim:,} dimensions"


def how_chosen(training: TrainingFacts) -> list[str]:
    """Tell how settings came about, what of all that was fitted was kept, and what popularity counts."""
    return [*training.told, *kept_of(training), _prior(training.prior)]


def kept_of(training: TrainingFacts) -> list[str]:
    """Tell what was kept and how far it was ahead on validation; nothing where there was nothing to choose from."""
    kept, others = kept_fit(training), [fit for fit in training.tried if fit.name != training.kept]
    if kept is None or kept.validation is None or not others:
        return []
    rival = max(others, key=lambda fit: fit.validation or 0.0)
    lead = kept.validation - (rival.validation or 0.0)
    ahead = "level with" if not _rounded(lead) else f"{abs(lead):.4f} {'ahead of' if lead > 0 else 'behind'}"
    return [
        f"Of {len(training.tried)} that were fitted this was kept: {how_fitted(kept, training.tried)}, "
        f"{metric_label(training.validation_metric)} {number(kept.validation)} on validation, {ahead} "
        f"{how_fitted(rival, training.tried)}."
    ]


def _made(training: TrainingFacts) -> list[str]:
    made = how_made(training)
    if not made:
        return []
    count = len(training.tried)
    return [f"Its towers were made so: {made}{f'; kept of {count} that were fitted' if count > 1 else ''}."]


def _prior(prior: PriorFacts) -> str:
    if prior.strength == 0:
        return "Popularity counts for nothing beside the towers."
    which = "Popularity"
    if prior.half_life is not None:
        which = f"Recent popularity (an interaction counts half after {prior.half_life:.1%} of the period)"
    return f"{which} counts beside the towers with strength {prior.strength:g}, as validation chose."


def who_was_asked(report: EvaluationReport) -> list[str]:
    """Tell in sentences which users the figures are of, and what limits them."""
    facts = report.examined
    told = [
        f"Headline figures are means over {facts.headline:,} users known from training with at least one relevant "
        f"item, each ranked against the whole catalogue of {facts.catalogue:,} items, seen items left out."
    ]
    cold = facts.cold_with_history + facts.cold_without_history
    if cold:
        told.append(
            f"{cold:,} cold users are marked apart: {facts.cold_with_history:,} with a history, "
            f"{facts.cold_without_history:,} without."
        )
    if facts.nothing_new:
        told.append(f"{facts.nothing_new:,} test users did nothing new in the test and are not marked.")
    if facts.repeats:
        told.append(f"{facts.repeats:,} test interactions repeat something the user already had and do not count.")
    if facts.unknown:
        told.append(
            f"{facts.unknown:,} of {facts.relevant:,} relevant items were never seen in training and count as misses, "
            f"so that no ranking could recall more than {facts.recall_ceiling:.4f}."
        )
    return told


def _rounded(value: float) -> float:
    return round(value, 4) + 0.0  # which makes -0.0 plain 0


def _inside(name: str) -> str:
    return name if name[1:2].isupper() or "-" in name else name.lower()
