"""Where a bundle can be found: in a folder, or under a scheme that some installed package knows.

A scheme is an entry point of the group ``recsys_cl.locations``; its name is the scheme, and its function takes the
whole address and returns a `Location`. So another store is another package's entry point, and retrieval need not
know the registry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from recsys_cl.errors import ConfigError, nearest

GROUP = "recsys_cl.locations"
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/")  # two letters at least, so that C:/ is a folder


@dataclass(frozen=True)
class Location:
    """A bundle's folder on this machine.

    Attributes:
        folder: the folder, not yet verified.
        version: what it is called where it came from; None where it has no name of its own.
    """

    folder: Path
    version: str | None = None


def locate(address: str | Path | Location) -> Location:
    """Find a bundle.

    Args:
        address: a folder, an address such as ``models:/NAME@champion``, or a location found before.

    Raises:
        ConfigError: no installed package knows the scheme.
    """
    if isinstance(address, Location):
        return address
    scheme = _SCHEME.match(address) if isinstance(address, str) else None
    if scheme is None:
        return Location(Path(address).expanduser())
    known = {point.name: point for point in entry_points(group=GROUP)}
    if scheme[1] not in known:
        raise ConfigError(f"Nothing here knows the scheme of {address!r}.{nearest(scheme[1], known)}")
    return cast("Location", known[scheme[1]].load()(address))
