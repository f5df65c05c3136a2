"""What can go wrong, told to a person.

Every message names the file, row, column and value it is about, where there are such, and the remedy. Each
class carries the exit code with which the command line ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class RecsysError(Exception):
    """Anything this package refuses or cannot do."""

    exit_code = 1


class ConfigError(RecsysError):
    """A setting is unknown or has a value that makes no sense."""

    exit_code = 2


class InputError(RecsysError):
    """The interaction log cannot be used."""

    exit_code = 3


class IntegrityError(RecsysError):
    """A stored artefact is missing, truncated or not what its checksum says."""

    exit_code = 4


class RegistryError(RecsysError):
    """The MLflow store cannot be reached, or lacks what was asked of it."""

    exit_code = 5


class BusyError(RecsysError):
    """Another run holds the workspace."""

    exit_code = 6


class StorageError(RecsysError):
    """The disk is full or a path may not be written."""

    exit_code = 7


class TrainingError(RecsysError):
    """Training went wrong: the loss or a gradient ceased to be finite."""

    exit_code = 8


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known name nearest to ``name``, else the list of known names."""
    choices = sorted(known)
    close = get_close_matches(name, choices, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(choices)}."
