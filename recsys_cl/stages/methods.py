"""Every method that can be named, with its own settings: read from its file, so that a new one shows by itself."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from pydantic.fields import FieldInfo

from recsys_cl.contrast.mixture import OBJECTIVES, TEMPERINGS
from recsys_cl.contrast.objectives.simclr import AUGMENTATIONS
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.families import member, members
from recsys_cl.towers.two_tower import SIMILARITIES

_FAMILIES = {
    "--similarity": SIMILARITIES,
    "--loss": LOSSES,
    "--tempering": TEMPERINGS,
    "--objective, --pretrain": OBJECTIVES,
    "views of simclr": AUGMENTATIONS,
}


def describe() -> dict[str, Any]:
    """Return the members of each family, JSON-ready.

    Returns:
        By the flag that names them: ``name``, ``about`` (one sentence), and ``settings``, each with ``name``, ``about``
        and ``default``.
    """
    return {
        "methods": {
            flag: [_described(name, member(family, name)) for name in members(family)]
            for flag, family in _FAMILIES.items()
        }
    }


def _described(name: str, module: ModuleType) -> dict[str, Any]:
    about = " ".join((module.__doc__ or "").strip().split("\n\n")[0].split())
    fields: dict[str, FieldInfo] = module.Config.model_fields if hasattr(module, "Config") else {}
    settings = [{"name": key, "about": field.description, "default": field.default} for key, field in fields.items()]
    return {"name": name, "about": about, "settings": settings}
