"""Is the store there? Asked before MLflow is, which would try again for minutes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from recsys_cl.errors import RegistryError

_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SQLITE = "sqlite:///"
_REMEDY = "Start it, or name another store with --tracking-uri or MLFLOW_TRACKING_URI."


def require_reachable(uri: str, *, seconds: float = 5.0) -> None:
    """Look whether a tracking store answers.

    Args:
        uri: ``sqlite:///PATH``, ``http(s)://…``, or another database's address.
        seconds: how long to wait for an answer.

    Raises:
        RegistryError: it does not, or MLflow no longer keeps stores of that kind.
    """
    scheme = urlsplit(uri).scheme.partition("+")[0]
    if uri.startswith(_SQLITE):
        _require_database(sqlite_path(uri))
    elif scheme in {"http", "https"}:
        _require_answer(uri, seconds)
    elif scheme in _PORTS:
        _require_open(uri, scheme, seconds)
    elif scheme in {"", "file"}:
        raise RegistryError(
            f"The MLflow store {uri} is a plain folder, which MLflow no longer keeps; use {_SQLITE}PATH."
        )


def shown(uri: str) -> str:
    """Return the address of a store as it may be shown: without the password, if it holds one."""
    parts = urlsplit(uri)
    return uri.replace(f":{parts.password}@", ":…@", 1) if parts.password else uri


def sqlite_path(uri: str) -> Path:
    """Return the file of a ``sqlite:///PATH`` address."""
    return Path(uri.removeprefix(_SQLITE))


def store_exists(uri: str) -> bool:
    """Tell whether there can be anything in the store; a file that is not there yet holds nothing."""
    return not uri.startswith(_SQLITE) or sqlite_path(uri).exists()


def _require_database(path: Path) -> None:
    place = path if path.exists() else next(folder for folder in path.absolute().parents if folder.exists())
    if not place.is_dir() and place != path:
        raise RegistryError(f"The MLflow store {path} cannot be made: {place} is a file. {_REMEDY}")
    if path.is_dir():
        raise RegistryError(f"The MLflow store {path} is a folder, not a database. {_REMEDY}")
    if not os.access(place, os.R_OK | os.W_OK):
        raise RegistryError(f"The MLflow store {path} cannot be opened: {place} may not be written by this user.")
    if path.exists():
        with path.open("rb") as stream:
            start = stream.read(16)
        if start not in {b"", b"SQLite format 3\0"}:
            raise RegistryError(
                f"The MLflow store {path} is not an SQLite database; it was damaged. Restore it from a copy, or move "
                "it away to begin a new one."
            )


def _require_answer(uri: str, seconds: float) -> None:
    try:
        with urlopen(f"{uri.rstrip('/')}/health", timeout=seconds):  # noqa: S310 - http or https, as checked
            pass
    except HTTPError:
        pass  # it answers; whether it lets us in is its own to say
    except (URLError, OSError) as error:
        raise RegistryError(f"The MLflow server {shown(uri)} does not answer ({error}). {_REMEDY}") from error


def _require_open(uri: str, scheme: str, seconds: float) -> None:
    parts = urlsplit(uri)
    host, port = parts.hostname or "localhost", parts.port or _PORTS[scheme]
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError as error:
        raise RegistryError(f"The MLflow database at {host}:{port} does not answer ({error}). {_REMEDY}") from error
