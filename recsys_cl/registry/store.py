"""Versions of bundles in MLflow: registering, promoting, going back, fetching.

One model version holds one whole bundle, next to the run with its settings, figures, data and report. The alias
``champion`` names the version in use, ``challenger`` the newest that was not found good enough. Which versions were
champion before is kept in a tag of the model, so that going back is one step.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from recsys_cl.errors import RecsysError, RegistryError, StorageError, nearest
from recsys_cl.files import whole_folder
from recsys_cl.registry.reach import require_reachable, shown, store_exists
from recsys_cl.registry.record import OfMlflow, Record, log
from recsys_cl.registry.studies import StudyRecord, record_study
from recsys_cl.retrieval.locations import Location
from recsys_cl.retrieval.manifest import MANIFEST, Manifest
from recsys_cl.workspace import Workspace

CHAMPION = "champion"
CHALLENGER = "challenger"
_TRACKING_URI = "MLFLOW_TRACKING_URI"
_HISTORY = "champions"  # tag: numbers of the versions that were champion, oldest first, the present one last
_ROLLED_BACK = "rolled_back"  # tag of a version: whether a person went back from it
_ADDRESS = re.compile(r"models:/+([^/@]+)(?:@([^/@]+)|/([0-9]+))")
_QUIET = {
    # Read by MLflow when it is imported; what a person has set already stays.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_OF_MLFLOW_ITSELF = (  # warnings about its own code
    r"The ``noload`` loader strategy is deprecated",
    r".*Any type hint is inferred as AnyType",
    r".*An input example was not provided",
)


class Store:
    """An MLflow tracking store and model registry at one address.

    Args:
        tracking_uri: ``sqlite:///PATH``, ``http(s)://…`` or a database's address.
        artifacts: folder for the artifacts of a store that is a database here, and for what is fetched from afar.
    """

    def __init__(self, tracking_uri: str, artifacts: Path) -> None:
        self.tracking_uri = tracking_uri
        self.artifacts = artifacts

    def register(self, bundle: Path, name: str, record: Record) -> int:
        """Register a bundle, or find that it was registered before.

        Args:
            bundle: its folder.
            name: of the model.
            record: what else to keep with it.

        Returns:
            The number of the version.

        Raises:
            IntegrityError: the bundle is not whole.
            RegistryError: the store cannot be reached or refuses.
        """
        manifest = Manifest.verify(bundle)
        known = self.version_of(name, manifest.digest)
        if known is not None:
            return known
        with self._opened() as (mlflow, client):
            experiment = _experiment(client, name, self._artifact_root(name))
            with mlflow.start_run(experiment_id=experiment, run_name=f"{name}-{manifest.digest[:8]}") as run:
                model = log(mlflow, bundle, manifest, record)
            if not client.search_registered_models(f"name = {name!r}"):
                client.create_registered_model(name)
            tags = {"bundle_digest": manifest.digest, "data_digest": manifest.data_digest}
            made = client.create_model_version(
                name, model.model_uri, run.info.run_id, tags=tags, model_id=model.model_id
            )
            return int(made.version)

    def record_study(self, study: StudyRecord) -> str:
        """Tell of a search for settings what the store does not know yet; return the id of its run.

        Raises:
            RegistryError: the store cannot be reached or refuses.
        """
        with self._opened() as (mlflow, client):
            experiment = _experiment(client, study.name, self._artifact_root(study.name))
            return record_study(mlflow, client, experiment, study)

    def version_of(self, name: str, bundle_digest: str) -> int | None:
        """Return the version that holds the bundle of this digest; None if there is none."""
        if not store_exists(self.tracking_uri):
            return None
        with self._opened() as (_, client):
            return max(_numbers(client, f"name = {name!r} and tags.bundle_digest = {bundle_digest!r}"), default=None)

    def champion(self, name: str) -> int | None:
        """Return the version that is champion; None where there is none."""
        if not store_exists(self.tracking_uri):
            return None
        with self._opened() as (_, client):
            return _aliases(client, name).get(CHAMPION)

    def promote(self, name: str, version: int, reason: str) -> dict[str, Any]:
        """Make a version the champion, and note why.

        Returns:
            ``name``, ``version``, ``previous`` (the champion until now, or None) and ``reason``.

        Raises:
            RegistryError: the store cannot be reached, or there is no such version.
        """
        with self._existing(name) as client:
            _require_version(client, name, version)
            previous = _aliases(client, name).get(CHAMPION)
            history = [number for number in _history(client, name) if number != version]
            _crown(client, name, version, [*history, version])
            _note(client, name, version, reason)
            client.set_model_version_tag(name, str(version), _ROLLED_BACK, "no")
            if _aliases(client, name).get(CHALLENGER) == version:
                client.delete_registered_model_alias(name, CHALLENGER)
        return {"name": name, "version": version, "previous": previous, "reason": reason}

    def decline(self, name: str, version: int, reason: str) -> dict[str, Any]:
        """Leave a version as challenger, and note why; arguments and errors as `promote` has them."""
        with self._existing(name) as client:
            _require_version(client, name, version)
            client.set_registered_model_alias(name, CHALLENGER, str(version))
            _note(client, name, version, reason)
        return {"name": name, "version": version, "reason": reason}

    def rollback(self, name: str) -> dict[str, Any]:
        """Make the previous champion the champion again; called again, the one before it.

        Returns:
            ``name``, ``version`` (champion from now on), ``previous`` (until now) and ``reason``.

        Raises:
            RegistryError: the store cannot be reached, or there is no earlier champion.
        """
        with self._existing(name) as client:
            *earlier, present = _history(client, name) or [0]
            if not earlier:
                raise RegistryError(
                    f"{name} has no earlier champion to go back to; choose a version with `recsys-cl promote`."
                )
            _crown(client, name, earlier[-1], earlier)
            reason = f"Rolled back; version {earlier[-1]} is champion again."
            _note(client, name, present, reason)
            client.set_model_version_tag(name, str(present), _ROLLED_BACK, "yes")
        return {"name": name, "version": earlier[-1], "previous": present, "reason": reason}

    def rolled_back(self, name: str) -> set[int]:
        """Return the versions that a person went back from and has not promoted since."""
        with self._existing(name) as client:
            return set(_numbers(client, f"name = {name!r} and tags.{_ROLLED_BACK} = 'yes'"))

    def versions(self, name: str) -> list[dict[str, Any]]:
        """Return the versions of a model, newest first.

        Each has ``version``, ``aliases``, ``created`` (ISO, UTC), ``metrics``, ``reason``, ``data_digest`` and
        ``bundle_digest``.

        Raises:
            RegistryError: the store cannot be reached, or there is no such model.
        """
        with self._existing(name) as client:
            aliases = _aliases(client, name)
            found = sorted(client.search_model_versions(f"name = {name!r}"), key=lambda one: -int(one.version))
            return [_described(one, client.get_run(one.run_id), aliases) for one in found]

    def names(self) -> list[str]:
        """Return the names of the registered models.

        Raises:
            RegistryError: the store cannot be reached.
        """
        if not store_exists(self.tracking_uri):
            require_reachable(self.tracking_uri)
            return []
        with self._opened() as (_, client):
            return sorted(model.name for model in client.search_registered_models(max_results=1000))

    def locate(self, address: str) -> Location:
        """Find the bundle of ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``; fetch it if it is not here.

        Nothing of it is run or unpickled; `Retriever.load` verifies it.

        Raises:
            RegistryError: the store cannot be reached, or lacks the model, the alias, the version or its files.
        """
        name, version = self._resolved(address)
        with self._opened() as (mlflow, client):
            source = client.get_model_version_download_uri(name, str(version))
            if urlsplit(source).scheme in {"", "file"}:
                folder = Path(unquote(urlsplit(source).path))
            else:
                folder = self.artifacts / "fetched" / f"{name}-{version}-{source.rstrip('/').split('/')[-2]}"
                if not folder.exists():
                    with whole_folder(folder) as scratch:
                        mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=str(scratch))
        manifests = sorted(folder.glob(f"data/*/{MANIFEST}")) or sorted(folder.glob(f"*/data/*/{MANIFEST}"))
        if not manifests:
            raise RegistryError(
                f"{address} is version {version}, but {folder} does not hold its files: the artifacts were removed, or "
                "the store was moved, which breaks its absolute paths. Register the bundle again."
            )
        return Location(manifests[0].parent, str(version))

    def _resolved(self, address: str) -> tuple[str, int]:
        parts = _ADDRESS.fullmatch(address)
        if parts is None:
            raise RegistryError(f"{address!r} is no address of a model; write models:/NAME@champion or models:/NAME/3.")
        name, alias, number = parts.groups()
        with self._existing(name) as client:
            if number is not None:
                _require_version(client, name, int(number))
                return name, int(number)
            aliases = _aliases(client, name)
        if alias not in aliases:
            known = nearest(alias, aliases) if aliases else " It has no aliases yet; promote a version."
            raise RegistryError(f"The model {name!r} has no version called {alias!r}.{known}")
        return name, aliases[alias]

    def _artifact_root(self, name: str) -> str | None:
        if not self.tracking_uri.startswith("sqlite:"):
            return None  # a server has its own place
        return (self.artifacts.absolute() / name).as_uri()

    @contextmanager
    def _existing(self, name: str) -> Iterator[OfMlflow]:
        """Give a client if the model is there."""
        if store_exists(self.tracking_uri):
            with self._opened() as (_, client):
                if client.search_registered_models(f"name = {name!r}"):
                    yield client
                    return
        known = self.names()
        hint = nearest(name, known) if known else " Nothing has been registered yet; run `recsys-cl register`."
        raise RegistryError(f"The MLflow store {shown(self.tracking_uri)} has no model {name!r}.{hint}")

    @contextmanager
    def _opened(self) -> Iterator[tuple[OfMlflow, OfMlflow]]:
        """Give MLflow, set to this store, and a client; turn its refusals into ours."""
        require_reachable(self.tracking_uri)
        with _calm():
            mlflow = _mlflow()
            before = os.environ.get(_TRACKING_URI)  # also set by whoever called mlflow.set_tracking_uri
            mlflow.set_tracking_uri(self.tracking_uri)
            try:
                yield mlflow, mlflow.MlflowClient(self.tracking_uri, self.tracking_uri)
            except mlflow.exceptions.MlflowException as error:
                raise _refusal(shown(self.tracking_uri), error.message.partition("\n[SQL")[0]) from error
            finally:
                mlflow.set_tracking_uri(None)
                os.environ |= {} if before is None else {_TRACKING_URI: before}


def _refusal(uri: str, message: str) -> RecsysError:
    if "disk is full" in message:
        return StorageError(
            f"The MLflow store {uri} could not be written: its disk is full. Free some space and try again."
        )
    return RegistryError(f"The MLflow store {uri} refused: {message}")


def download(address: str) -> Location:
    """Find the bundle of ``models:/NAME@ALIAS`` in the store of this environment.

    That is the one ``MLFLOW_TRACKING_URI`` names, else the one of the workspace.
    """
    home = Workspace.at(Path(os.environ["RECSYS_CL_HOME"]) if "RECSYS_CL_HOME" in os.environ else None)
    return Store(os.environ.get(_TRACKING_URI) or home.tracking_uri, home.artifacts).locate(address)


def _mlflow() -> OfMlflow:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: PLC0415 - it reads the environment when imported, and importing this file must not set any
    import mlflow.data.code_dataset_source  # noqa: PLC0415
    import mlflow.data.meta_dataset  # noqa: PLC0415
    import mlflow.models  # noqa: PLC0415
    import mlflow.pyfunc  # noqa: PLC0415
    import mlflow.types  # noqa: PLC0415

    return mlflow


@contextmanager
def _calm() -> Iterator[None]:
    """Keep MLflow's warnings about its own insides from people, who can do nothing about them."""
    loud = logging.getLogger("mlflow.store.db.utils")  # it prints whole tracebacks of what it raises anyway
    before = loud.level
    loud.setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        for message in _OF_MLFLOW_ITSELF:
            warnings.filterwarnings("ignore", message=message)
        try:
            yield
        finally:
            loud.setLevel(before)


def _experiment(client: OfMlflow, name: str, artifact_root: str | None) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name, artifact_location=artifact_root))


def _aliases(client: OfMlflow, name: str) -> dict[str, int]:
    models = client.search_registered_models(f"name = {name!r}")
    return {alias: int(version) for model in models for alias, version in model.aliases.items()}


def _numbers(client: OfMlflow, search: str) -> list[int]:
    return sorted(int(version.version) for version in client.search_model_versions(search))


def _history(client: OfMlflow, name: str) -> list[int]:
    """Return the versions that were champion, oldest first, without those deleted since."""
    numbers = client.get_registered_model(name).tags.get(_HISTORY, "")
    present = _numbers(client, f"name = {name!r}")
    return [number for number in map(int, filter(None, numbers.split(","))) if number in present]


def _crown(client: OfMlflow, name: str, version: int, history: list[int]) -> None:
    client.set_registered_model_tag(name, _HISTORY, ",".join(map(str, history)))
    client.set_registered_model_alias(name, CHAMPION, str(version))


def _note(client: Any, name: str, version: int, reason: str) -> None:  # noqa: ANN401 - MLflow's client
    """Keep the reason where programs find it, and where MLflow shows it to people."""
    client.set_model_version_tag(name, str(version), "reason", reason)
    client.update_model_version(name, str(version), reason)


def _require_version(client: OfMlflow, name: str, version: int) -> None:
    known = _numbers(client, f"name = {name!r}")
    if version not in known:
        raise RegistryError(f"The model {name!r} has no version {version}; it has {', '.join(map(str, known))}.")


def _described(version: OfMlflow, run: OfMlflow, aliases: dict[str, int]) -> dict[str, Any]:
    number = int(version.version)
    return {
        "version": number,
        "aliases": sorted(alias for alias, named in aliases.items() if named == number),
        "created": datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
        "metrics": run.data.metrics,
        "reason": version.tags.get("reason"),
        "data_digest": version.tags.get("data_digest"),
        "bundle_digest": version.tags.get("bundle_digest"),
    }
