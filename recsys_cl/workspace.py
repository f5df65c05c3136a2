"""Where everything a person makes is kept, and the lock that lets one run at a time write there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recsys_cl.errors import BusyError, ConfigError
from recsys_cl.files import storage_trouble, sweep_partials

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Workspace:
    """One folder with `data/` (snapshots, pairs, runs, candidates) and `mlflow/` (store and artifacts).

    Attributes:
        home: absolute path of the folder.
    """

    home: Path

    @classmethod
    def at(cls, home: Path | None) -> Workspace:
        """Return the workspace in ``home``, or by default in the checkout this package runs from, else here."""
        if home is None:
            checkout = Path(__file__).resolve().parents[1]
            home = checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()
        return cls(home.expanduser().resolve())

    @property
    def snapshots(self) -> Path:
        """Folder of ingested logs, ``NAME/DIGEST``."""
        return self.home / "data" / "snapshots"

    @property
    def mlflow(self) -> Path:
        """Folder of the MLflow store and its artifacts."""
        return self.home / "mlflow"

    def pairs(self, name: str, key: str) -> Path:
        """Folder of one prepared split with its pairs."""
        return self.home / "data" / "pairs" / name / key[:16]

    def run(self, name: str, key: str) -> Path:
        """Folder of one training run: checkpoints, towers, evaluation, bundle, report."""
        return self.home / "data" / "runs" / name / key[:16]

    def study(self, name: str, key: str) -> Path:
        """Folder of one search for settings: its trials, what they found, the page."""
        return self.home / "data" / "studies" / name / key[:16]

    @property
    def comparisons(self) -> Path:
        """Folder of what methods gave when they were compared, ``LOG/METHOD-KEY``."""
        return self.home / "data" / "comparisons"

    def candidates(self, name: str) -> Path:
        """Folder of the candidates written for ``name``."""
        return self.home / "data" / "candidates" / name

    def diagnosis(self, name: str, version: str) -> Path:
        """Page about the space of one version's vectors."""
        return self.home / "data" / "diagnoses" / name / f"{version}.html"

    @property
    def downloads(self) -> Path:
        """Folder of downloaded public data sets and generated samples."""
        return self.home / "data" / "downloads"

    @property
    def tracking_uri(self) -> str:
        """The MLflow store of this workspace."""
        return f"sqlite:///{self.mlflow / 'mlflow.db'}"

    @property
    def artifacts(self) -> Path:
        """Folder of the MLflow artifacts of this workspace."""
        return self.mlflow / "artifacts"

    def only_name(self) -> str:
        """Return the name of the only log ingested here.

        Raises:
            ConfigError: there is none, or there are several to choose from.
        """
        names = sorted(path.name for path in self.snapshots.glob("*") if not path.name.startswith("."))
        if len(names) == 1:
            return names[0]
        if not names:
            raise ConfigError(
                f"Nothing has been ingested in {self.home} yet: give --name, or --input FILE, --dataset or --sample."
            )
        raise ConfigError(f"Give --name; there are several: {', '.join(names)}.")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from writing here meanwhile, and clear away what a killed run left half-written.

        Raises:
            BusyError: another run holds the workspace.
            StorageError: the folder cannot be written.
        """
        from filelock import FileLock, Timeout  # noqa: PLC0415 - paid for only by verbs that write

        lock = FileLock(self.home / "data" / ".lock", timeout=0)
        try:
            with storage_trouble(self.home):
                (self.home / "data").mkdir(parents=True, exist_ok=True)
                lock.acquire()
        except Timeout as error:
            raise BusyError(
                f"Another run is working in {self.home}. Wait for it to end, or give this one its own --home."
            ) from error
        with lock:
            sweep_partials(self.home / "data")
            yield


def checked_name(name: str) -> str:
    """Return ``name`` if it can serve as a folder's and a registered model's name.

    Raises:
        ConfigError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"The name {name!r} must be 1 to 64 letters, digits, '-' and '_', and start with no sign.")
    return name
