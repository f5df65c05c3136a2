"""The templates of pages."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recsys_cl.evaluation import findings


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


def _percent(share: float) -> str:
    return f"{share:.0%}"
