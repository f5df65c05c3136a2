"""The tables of diagnostics, as rows of cells that Markdown and HTML lay out alike."""

from __future__ import annotations

from collections.abc import Callable

from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts, InformationFacts, NormalityFacts, SideFacts
from recsys_cl.evaluation.tables import Cell, Row, Table

_MINUS = "\N{MINUS SIGN}"


def side_table(diagnostics: DiagnosticFacts) -> Table:
    """Every figure of users' and of items' vectors, and what to compare it with."""
    items = diagnostics.items
    random = None if items.random_rank is None else f"{items.random_rank:.1f}, random vectors"
    even = None if items.sphere_uniformity is None else f"{_plain(items.sphere_uniformity)}, the least there is"
    chance = None if items.normality is None else f"{items.normality.chance:.3f}, by chance"
    figures: list[tuple[str, Callable[[SideFacts], str | None], str | None]] = [
        ("Effective rank", lambda side: _number(side.effective_rank, 1), random),
        ("Uniformity", lambda side: _number(side.uniformity, 2), even),
        ("Mean cosine", lambda side: _number(side.mean_cosine, 3), "0, no common direction; 1, all one"),
        ("Isotropy", lambda side: _number(side.isotropy, 2), "1, all directions alike; 0.14, all one"),
        ("Length", _length, None),
        ("Length and interactions", lambda side: _number(side.length_correlation, 2), "rank correlation"),
        ("Projections rejected", lambda side: _normal(side.normality, lambda n: f"{n.rejected:.0%}"), "5%, if normal"),
        ("Distance from normal", lambda side: _normal(side.normality, lambda n: f"{n.distance:.3f}"), chance),
        ("Excess kurtosis", lambda side: _normal(side.normality, lambda n: _plain(n.kurtosis)), "0, if normal"),
        *_at_length_one(chance),
        ("Zero vectors", lambda side: f"{side.zero:.1%}", None),
    ]
    rows = []
    for name, figure, against in figures:
        cells = [figure(side) for side in (diagnostics.users, items)]
        if any(cells):
            rows.append(Row(name, tuple(Cell(cell or "") for cell in (*cells, against))))
    return Table("", ("Users", "Items", "To compare with"), tuple(rows))


def information_table(information: InformationFacts) -> Table:
    """Bounds with more and more candidates, in nats."""
    columns = ("Ceiling", "By popularity", "... without vectors", "Evenly", "... without vectors")
    rows = []
    for bound in information.bounds:
        cells = (
            Cell(f"{bound.ceiling:.2f}"),
            Cell(_plain(bound.by_popularity), f"\N{PLUS-MINUS SIGN} {bound.by_popularity_error:.2f}"),
            Cell(_plain(bound.by_popularity_without_vectors)),
            Cell(_plain(bound.evenly), f"\N{PLUS-MINUS SIGN} {bound.evenly_error:.2f}"),
            Cell(_plain(bound.evenly_without_vectors)),
        )
        rows.append(Row(f"{bound.candidates:,}", cells))
    return Table("Candidates", columns, tuple(rows))


def _at_length_one(chance: str | None) -> list[tuple[str, Callable[[SideFacts], str | None], str | None]]:
    return [
        (
            "Projections rejected, at length one",
            lambda side: _normal(side.direction_normality, lambda n: f"{n.rejected:.0%}"),
            "5%, if normal",
        ),
        (
            "Distance from normal, at length one",
            lambda side: _normal(side.direction_normality, lambda n: f"{n.distance:.3f}"),
            chance,
        ),
    ]


def _length(side: SideFacts) -> str | None:
    if side.length is None:
        return None
    if side.length.constant:
        return f"{side.length.mean:.2f}"
    return f"{side.length.mean:.2f} ({side.length.low:.2f} to {side.length.high:.2f})"


def _normal(found: NormalityFacts | None, shown: Callable[[NormalityFacts], str]) -> str | None:
    return None if found is None else shown(found)


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", _MINUS)


def _plain(value: float) -> str:
    return _number(value, 2) or ""
