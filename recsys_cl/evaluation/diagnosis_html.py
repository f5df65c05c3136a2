"""One look into the space of a bundle: facts, and a page that needs nothing else."""

from __future__ import annotations

from datetime import datetime
from math import exp

from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts
from recsys_cl.evaluation.section import Facts
from recsys_cl.evaluation.space_findings import best_bound
from recsys_cl.evaluation.templates import environment, space_section

_TEMPLATE = "diagnosis.html"


class Diagnosis(Facts):
    """What was seen in a bundle.

    Attributes:
        name: of the model.
        version: registered, or the first digits of the bundle's digest.
        created: the instant it was looked at (UTC).
        package_version: of this package.
        diagnostics: the facts.
        alarms: signs of collapse, sentence by sentence.
    """

    name: str
    version: str
    created: datetime
    package_version: str
    diagnostics: DiagnosticFacts
    alarms: tuple[str, ...] = ()

    def as_html(self) -> str:
        """Lay out the page."""
        return (
            environment()
            .get_template(_TEMPLATE)
            .render(
                name=self.name,
                version=self.version,
                created=self.created,
                package_version=self.package_version,
                space=space_section(self.diagnostics, self.alarms),
                tiles=_tiles(self.diagnostics),
            )
        )


def _tiles(diagnostics: DiagnosticFacts) -> list[tuple[str, str, str]]:
    """Return the few figures to see first: name, figure, and a note beneath it."""
    users, items, lists, alignment = diagnostics.users, diagnostics.items, diagnostics.lists, diagnostics.alignment
    tiles = []
    if users.effective_rank is not None and items.effective_rank is not None:
        note = f"of items; users {users.effective_rank:,.0f}; of {items.dim:,}"
        tiles.append(("Effective rank", f"{items.effective_rank:,.0f}", note))
    if alignment.taken is not None and alignment.random is not None:
        tiles.append(("Alignment", f"{alignment.taken:.2f}", f"of any two: {alignment.random:.2f}"))
    if items.uniformity is not None and items.sphere_uniformity is not None:
        least = f"of items; the least is {items.sphere_uniformity:.2f}".replace("-", "\N{MINUS SIGN}")
        tiles.append(("Uniformity", f"{items.uniformity:.2f}".replace("-", "\N{MINUS SIGN}"), least))
    if lists is not None and lists.effective_items is not None and lists.one_list_entropy is not None:
        note = f"of {lists.items:,}; one list: {exp(lists.one_list_entropy):,.0f}"
        tiles.append(("Items in lists", f"{lists.effective_items:,.0f}", note))
    if diagnostics.information is not None:
        found, without = best_bound(diagnostics.information)
        tiles.append(("Information", f"{found:.2f}", f"nats; without vectors {without:.2f}"))
    return tiles
