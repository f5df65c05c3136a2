"""What was fitted in one run, and how each fared on validation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recsys_cl.evaluation.facts import FitFacts
from recsys_cl.files import read_json


def compared(fits: Iterable[Path], kept: str) -> dict[str, Any]:
    """Return what `training.json` says of all that was fitted.

    Args:
        fits: their folders.
        kept: the name of the one that was kept.

    Returns:
        ``kept``, and ``tried``: of each fit, the best first, the fields of `FitFacts`. ``validation`` is the figure
        with the prior that suits a fit best.
    """
    tried = [_facts(folder) for folder in fits]
    tried.sort(key=lambda one: (-(one.validation or 0.0), one.name))
    return {"kept": kept, "tried": [one.model_dump(mode="json") for one in tried]}


def _facts(folder: Path) -> FitFacts:
    facts = read_json(folder / "training.json")
    return FitFacts.model_validate({**facts, "name": folder.name, "validation": facts["prior"]["validation"]})
