"""A family is a folder in which every file is one member: a reader, an encoder, an objective, a baseline.

A member is found by the name of its file, so a new one is added by adding a file.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from recsys_cl.errors import ConfigError, nearest


def members(package: str) -> list[str]:
    """Return the names of the members of the family in ``package`` (a dotted name), sorted."""
    paths = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(paths))


def member(package: str, name: str) -> ModuleType:
    """Import the member ``name`` of the family in ``package``.

    Raises:
        ConfigError: there is no such member; the message names the nearest one.
    """
    known = members(package)
    if name not in known:
        family = package.rpartition(".")[2]
        raise ConfigError(f"No {name!r} among the {family}.{nearest(name, known)}")
    return importlib.import_module(f"{package}.{name}")
