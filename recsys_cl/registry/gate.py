"""Whether a challenger becomes champion: plain facts in, a verdict with its reasons out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from recsys_cl.config import GateConfig
from recsys_cl.errors import ConfigError, nearest
from recsys_cl.evaluation.alarms import NOT_COLLAPSED, alarms
from recsys_cl.evaluation.bootstrap import PairedDifference, paired_bootstrap
from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts
from recsys_cl.retrieval.tuning import IndexReport


@dataclass(frozen=True)
class Challenger:
    """What is known of a model that asks to become champion.

    Attributes:
        metrics: its figures on the test users, such as `recall_at_20` and `coverage_at_20`.
        per_user: the same for each test user (`Evaluation.per_user`).
        popularity: the figures of the popularity baseline on the same users; None if it was not measured.
        vectors_finite: whether every vector of every user and item is finite.
        diagnostics: how the space of its vectors looks.
        index: how the index was chosen and what was measured.
    """

    metrics: Mapping[str, float]
    per_user: pl.DataFrame
    popularity: Mapping[str, float] | None
    vectors_finite: bool
    diagnostics: DiagnosticFacts
    index: IndexReport


@dataclass(frozen=True)
class Check:
    """One condition.

    Attributes:
        name: in a few words.
        passed: whether it holds.
        detail: one sentence with the figures.
    """

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Comparison:
    """Challenger against champion on the test users whom both know.

    Attributes:
        metric: what is compared.
        users: how many users.
        challenger: mean of the challenger.
        champion: mean of the champion.
        difference: challenger less champion.
        low: lower end of the interval of that difference.
        high: upper end.
    """

    metric: str
    users: int
    challenger: float
    champion: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Attributes:
        promoted: whether the challenger becomes champion.
        reason: one sentence for people.
        checks: every condition looked at.
        comparison: the figures against the champion; None where there is none.
    """

    promoted: bool
    reason: str
    checks: tuple[Check, ...]
    comparison: Comparison | None

    def describe(self) -> dict[str, Any]:
        """Return the verdict JSON-ready."""
        return asdict(self)


def judge(
    challenger: Challenger,
    champion: pl.DataFrame | None,
    config: GateConfig,
    *,
    samples: int = 1000,
    seed: int = 0,
) -> Verdict:
    """Decide whether a challenger becomes champion.

    It does if it is sane and, with confidence ``config.gate_confidence``, not worse than the champion by more than
    ``config.tolerance`` of the champion's figure (a one-sided paired bootstrap over users). Without a champion
    being sane is enough.

    Args:
        challenger: what is known of it.
        champion: the champion's `Evaluation.per_user` on the same examination; None where there is no champion.
        config: the metric, the tolerance and the floors.
        samples: resamples of the users.
        seed: of the resampling.

    Raises:
        ConfigError: the metric was not measured.
    """
    _require_measured(challenger, config)
    checks = list(_sanity(challenger, config))
    comparison = None
    if champion is not None:
        check, comparison = _against(challenger, champion, config, samples, seed)
        checks.append(check)
    failed = [check.detail for check in checks if not check.passed]
    if failed:
        return Verdict(False, " ".join(failed), tuple(checks), comparison)
    reason = checks[-1].detail if champion is not None else "The first version, and every check passed."
    return Verdict(True, reason, tuple(checks), comparison)


def _sanity(challenger: Challenger, config: GateConfig) -> Iterator[Check]:
    finite = challenger.vectors_finite
    yield Check("vectors finite", finite, "Every vector is finite." if finite else "Some vectors are not finite.")
    yield _varied(challenger.diagnostics, config)
    name = f"coverage_at_{config.gate_metric.rpartition('_')[2]}"
    coverage = challenger.metrics.get(name, 0.0)
    yield _floor("coverage", f"{name} is {coverage:.2%}", coverage, config.min_coverage, f"{config.min_coverage:.2%}")
    if config.beat_popularity:
        yield _beats_popularity(challenger, config.gate_metric)
    index = challenger.index
    what = f"The {index.kind} index finds {index.recall:.2%} of exact search"
    yield _floor("index recall", what, index.recall, index.target, f"{index.target:.2%}")


def _varied(diagnostics: DiagnosticFacts, config: GateConfig) -> Check:
    told = alarms(diagnostics, config)
    if told:
        return Check(NOT_COLLAPSED, False, " ".join(told))
    users, items, lists = diagnostics.users, diagnostics.items, diagnostics.lists
    ranks = (f"{side.effective_rank or 0:.1f}" for side in (users, items))
    detail = f"Of {items.dim:,} dimensions users and items use {' and '.join(ranks)}"
    if lists is not None and lists.effective_items is not None:
        detail += f"; lists of {lists.k} are as varied as {lists.effective_items:,.0f} items given equally often"
    return Check(NOT_COLLAPSED, True, f"{detail}.")


def _floor(name: str, what: str, value: float, floor: float, shown: str) -> Check:
    passed = bool(value >= floor)  # NaN is never enough
    return Check(name, passed, f"{what}, {'at least' if passed else 'below'} the {shown} asked for.")


def _beats_popularity(challenger: Challenger, metric: str) -> Check:
    if challenger.popularity is None or metric not in challenger.popularity:
        detail = f"The {metric} of popularity was not measured; add popularity to the baselines."
        return Check("beats popularity", False, detail)
    ours, theirs = challenger.metrics[metric], challenger.popularity[metric]
    word = "beats" if ours > theirs else "does not beat"
    return Check("beats popularity", bool(ours > theirs), f"{metric} {ours:.4f} {word} popularity's {theirs:.4f}.")


def _against(
    challenger: Challenger, champion: pl.DataFrame, config: GateConfig, samples: int, seed: int
) -> tuple[Check, Comparison | None]:
    metric = config.gate_metric
    if metric not in champion.columns:
        detail = f"The champion's {metric} was not measured, so the two cannot be compared."
        return Check("not worse than the champion", False, detail), None
    both = _asked(challenger.per_user, metric).join(_asked(champion, metric), on="user_id").sort("user_id")
    if both.is_empty():
        detail = "Champion and challenger share no test user, so they cannot be compared."
        return Check("not worse than the champion", False, detail), None
    ours, theirs = both[metric].to_numpy(), both[f"{metric}_right"].to_numpy()
    # The lower end of a two-sided interval of this coverage leaves out 1 - gate_confidence of the resamples.
    coverage = 2 * config.gate_confidence - 1
    plain = paired_bootstrap(ours, theirs, samples=samples, seed=seed, confidence=coverage)
    within = paired_bootstrap(ours, theirs * (1 - config.tolerance), samples=samples, seed=seed, confidence=coverage)
    comparison = Comparison(
        metric, len(ours), float(np.mean(ours)), float(np.mean(theirs)), plain.difference, plain.low, plain.high
    )
    return Check("not worse than the champion", within.low >= 0, _sentence(comparison, within, config)), comparison


def _sentence(comparison: Comparison, within: PairedDifference, config: GateConfig) -> str:
    figures = f"{comparison.metric} {comparison.challenger:.4f} against the champion's {comparison.champion:.4f}"
    users = f"on {comparison.users:,} shared test users"
    sure = f"{config.gate_confidence:.0%} confidence"
    if within.low < 0:
        return f"{figures} {users}: not within {config.tolerance:.1%} of it with {sure}."
    word = "better" if comparison.low > 0 else f"not worse by more than {config.tolerance:.1%}"
    return f"{figures} {users}: {word} with {sure}."


def _asked(per_user: pl.DataFrame, metric: str) -> pl.DataFrame:
    return per_user.filter(pl.col("warm") & (pl.col("n_relevant") > 0)).select("user_id", metric)


def _require_measured(challenger: Challenger, config: GateConfig) -> None:
    known = [name for name in challenger.per_user.columns if name in challenger.metrics]
    if config.gate_metric not in known:
        raise ConfigError(
            f"The gate's metric {config.gate_metric!r} was not measured.{nearest(config.gate_metric, known)}"
        )
