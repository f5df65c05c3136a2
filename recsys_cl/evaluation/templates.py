"""The templates of pages, and the section that reports and diagnoses share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recsys_cl.evaluation import findings, space_findings, space_tables
from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts
from recsys_cl.evaluation.space_plots import space_plots
from recsys_cl.evaluation.tables import Table


@dataclass(frozen=True)
class SpaceSection:
    """What `space.html` lays out."""

    alarms: tuple[str, ...]
    told: list[str]
    plots: dict[str, Markup]
    lengths: str
    sides: Table
    bounds: Table | None
    drawn: str


def environment() -> Environment:
    """Return where templates are found; text from outside is escaped, and what a template lacks is an error."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "bytes": findings.size,
        "percent": _percent,
        "metric": findings.metric_label,
        "label": findings.label,
    }
    return found


def drawn(plots: dict[str, str]) -> dict[str, Markup]:
    """Return plots of ours as they may stand in a page."""
    return {name: Markup(svg) for name, svg in plots.items()}  # noqa: S704 - drawn here, text escaped


def space_section(diagnostics: DiagnosticFacts, alarms: tuple[str, ...]) -> SpaceSection:
    """Return what is shown of a space."""
    length, information = diagnostics.items.length, diagnostics.information
    added = length is not None and length.constant and diagnostics.popularity.offsets
    return SpaceSection(
        alarms,
        space_findings.what_is_seen(diagnostics),
        drawn(space_plots(diagnostics)),
        "What is added to an item's score whoever asks, against its popularity; the line is the running median."
        if added
        else "Length of items' vectors against their popularity; the line is the running median.",
        space_tables.side_table(diagnostics),
        None if information is None else space_tables.information_table(information),
        space_findings.drawn_from(diagnostics),
    )


def _percent(share: float) -> str:
    return f"{share:.0%}"
