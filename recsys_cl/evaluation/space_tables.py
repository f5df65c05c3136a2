"""The tables of diagnostics, as rows of cells that Markdown and HTML lay out alike."""

from __future__ import annotations

from collections.abc import Callable

from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts, InformationFacts, NormalityFacts, SideFacts
from recsys_cl.evaluation.tables import Cell, Row, Table

_MINUS, _DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


Figure = Callable[[SideFacts], str | None]


def side_table(diagnostics: DiagnosticFacts) -> Table:
    """Every figure of users' and of items' vectors, and what to compare it with."""
    items = diagnostics.items
    random = None if items.random_rank is None else f"{items.random_rank:.1f}, random"
    even = None if items.sphere_uniformity is None else f"{_plain(items.sphere_uniformity)}, even"
    chance = None if items.normality is None else f"{items.normality.chance:.3f}, Gaussian"
    figures: list[tuple[str, Figure, str | None]] = [
        ("Looked at", lambda side: f"{side.drawn:,} of {side.there_are:,}", None),
        ("Effective rank", lambda side: _number(side.effective_rank, 1), random),
        ("Uniformity", lambda side: _number(side.uniformity, 2), even),
        ("Mean cosine", lambda side: _number(side.mean_cosine, 3), "1, all one"),
        ("Isotropy", lambda side: _number(side.isotropy, 2), "0.14, all one"),
        ("Length", _length, None),
        ("Length, popularity", lambda side: _number(side.length_correlation, 2), "rank correlation"),
        *_normality("Rejected as normal", lambda found: f"{found.rejected:.0%}", "5%, Gaussian"),
        *_normality("Distance from normal", lambda found: f"{found.distance:.3f}", chance),
        *_normality("Excess kurtosis", lambda found: _plain(found.kurtosis), "0, Gaussian"),
        ("Zero vectors", lambda side: f"{side.zero:.1%}" if side.zero else None, None),
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


def _normality(
    name: str, shown: Callable[[NormalityFacts], str], against: str | None
) -> list[tuple[str, Figure, str | None]]:
    """Return a figure of projections of the vectors, and of the vectors brought to length one."""

    def of(found: NormalityFacts | None) -> str | None:
        return None if found is None else shown(found)

    return [
        (name, lambda side: of(side.normality), against),
        ("... at length one", lambda side: of(side.direction_normality), against),
    ]


def _length(side: SideFacts) -> str | None:
    length = side.length
    if length is None:
        return None
    return f"{length.mean:.2f}" + ("" if length.constant else f" ({length.low:.2f}{_DASH}{length.high:.2f})")


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", _MINUS)


def _plain(value: float) -> str:
    return _number(value, 2) or ""
