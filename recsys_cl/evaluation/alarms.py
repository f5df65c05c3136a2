"""When a space has collapsed: vectors or lists that are nearly one and the same.

A contrastive loss can end there (Jing et al. 2022, arXiv 2110.09348), and the marks of a log on which popularity does
well need not show it. What sounds the alarm is far from all that healthy models do, trained or in closed form: those
measured in `docs/diagnostics.md` had half of a random matrix's effective rank and more.
"""

from __future__ import annotations

from collections.abc import Iterator

from recsys_cl.config import GateConfig
from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts, ListFacts, SideFacts
from recsys_cl.evaluation.facts import EvaluationReport

NOT_COLLAPSED = "not collapsed"  # the gate's check of them
_FEW = 10  # vectors that say nothing about a space


def alarms(diagnostics: DiagnosticFacts, config: GateConfig) -> tuple[str, ...]:
    """Return a sentence for each sign of collapse; none where all is well.

    Args:
        diagnostics: of the space.
        config: ``min_rank_share``, ``max_mean_cosine`` and ``min_list_spread``.
    """
    sides = (("users", diagnostics.users), ("items", diagnostics.items))
    told = [sentence for name, side in sides for sentence in _of_a_side(name, side, config)]
    if diagnostics.lists is not None:
        told += _of_lists(diagnostics.lists, config)
    return tuple(told)


def alarms_of(report: EvaluationReport) -> tuple[str, ...]:
    """Return the alarms of a report's space: as the gate judged them, or by its defaults where it has not yet."""
    checks = () if report.gate is None else report.gate.checks
    check = next((check for check in checks if check.name == NOT_COLLAPSED), None)
    if check is not None:
        return () if check.passed else (check.detail,)
    return () if report.diagnostics is None else alarms(report.diagnostics, GateConfig())


def rank_share(side: SideFacts) -> float | None:
    """Return where the effective rank lies between 1, nought, and that of a random matrix of this size, one."""
    if side.effective_rank is None or side.random_rank is None or side.random_rank <= 1:
        return None
    return (side.effective_rank - 1) / (side.random_rank - 1)


def _of_a_side(name: str, side: SideFacts, config: GateConfig) -> Iterator[str]:
    if side.not_finite:
        yield f"Vectors of {name} that are not finite: {side.not_finite:,}."
    if side.drawn and side.zero == 1:
        yield f"All vectors of {name} are zero."
    if side.drawn < _FEW or side.effective_rank is None:
        return
    share = rank_share(side)
    if share is not None and share < config.min_rank_share:
        yield (
            f"The vectors of {name} have collapsed: of {side.dim:,} dimensions they use {side.effective_rank:.1f} and "
            f"random ones would use {side.random_rank:,.1f} (effective rank). That is {share:.1%} of the way from one "
            f"to there, below the {config.min_rank_share:.1%} asked for."
        )
    if side.mean_cosine is not None and side.mean_cosine > config.max_mean_cosine:
        yield (
            f"The vectors of {name} all point the same way: the mean cosine of two of them is {side.mean_cosine:.3f}, "
            f"above the {config.max_mean_cosine:g} allowed."
        )


def _of_lists(lists: ListFacts, config: GateConfig) -> Iterator[str]:
    if lists.users < _FEW or lists.spread is None or lists.effective_items is None:
        return
    if lists.spread < config.min_list_spread:
        yield (
            f"All users are given nearly the same list: {lists.users:,} lists of {lists.k} are as varied as "
            f"{lists.effective_items:,.0f} items of {lists.items:,} given equally often. That is {lists.spread:.1%} of "
            f"the way from one list for all to an even spread, below the {config.min_list_spread:.1%} asked for."
        )
