"""The list of what a bundle holds, with a checksum for each file and one for itself."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Self

import recsys_cl
from recsys_cl.errors import IntegrityError
from recsys_cl.files import digest_of, read_json, sha256, write_json

MANIFEST = "manifest.json"
_FORMAT = 1  # raised when bundles change in a way that older packages cannot read


@dataclass(frozen=True)
class Manifest:
    """What a bundle is and what it holds.

    Attributes:
        name: of the model, as reports show it.
        fitted_on: the data the towers learned from: "train_and_validation" or "all".
        data_digest: digest of the snapshot (64 hex digits).
        created: ISO instant (UTC).
        package_version: of this package, when the bundle was written.
        git_commit: of the checkout it was written from; None outside one.
        files: SHA-256 (64 hex digits) of each file by its name within the folder.
        digest: SHA-256 of all of the above, by which the bundle is known.
    """

    name: str
    fitted_on: str
    data_digest: str
    created: str
    package_version: str
    git_commit: str | None
    files: Mapping[str, str]
    digest: str

    @classmethod
    def seal(cls, folder: Path, *, name: str, fitted_on: str, data_digest: str, created: datetime) -> Self:
        """Write the manifest of all that is in ``folder``."""
        facts: dict[str, Any] = {
            "format": _FORMAT,
            "name": name,
            "fitted_on": fitted_on,
            "data_digest": data_digest,
            "created": created.isoformat(),
            "package_version": recsys_cl.__version__,
            "git_commit": git_commit(Path(recsys_cl.__file__).resolve().parents[1]),
            "files": {file: sha256(folder / file) for file in _files_in(folder)},
        }
        facts["digest"] = digest_of(facts)
        write_json(folder / MANIFEST, facts)
        return cls._of(facts)

    @classmethod
    def verify(cls, folder: Path) -> Self:
        """Read the manifest of ``folder`` and hold every file against it.

        Raises:
            IntegrityError: a file is missing, was changed or does not belong there; the message names it.
        """
        if not folder.is_dir():
            raise IntegrityError(f"There is no bundle at {folder}; give the folder that holds {MANIFEST}.")
        path = folder / MANIFEST
        manifest = cls._of(_whole(path, read_json(path)))
        found = set(_files_in(folder)) - {MANIFEST}
        _refuse(folder, sorted(set(manifest.files) - found), "is missing from the bundle")
        _refuse(folder, sorted(found - set(manifest.files)), "does not belong to the bundle")
        for name, digest in sorted(manifest.files.items()):
            if sha256(folder / name) != digest:
                _refuse(folder, [name], "is not what its checksum says: it was changed or damaged after it was written")
        return manifest

    @classmethod
    def _of(cls, facts: Mapping[str, Any]) -> Self:
        return cls(**{name: value for name, value in facts.items() if name != "format"})

    def describe(self) -> dict[str, Any]:
        """Return the manifest JSON-ready."""
        return asdict(self)


def git_commit(checkout: Path) -> str | None:
    """Return the commit of a checkout (40 hex digits); None where there is no checkout or no git."""
    git = shutil.which("git")
    if git is None or not (checkout / ".git").exists():
        return None
    command = [git, "-C", str(checkout), "rev-parse", "--verify", "--quiet", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    return answer.stdout.strip() or None


def _whole(path: Path, facts: object) -> Mapping[str, Any]:
    """Return the facts if they are those that were sealed."""
    expected = {"format", *Manifest.__dataclass_fields__}
    if not isinstance(facts, dict) or facts.get("format", _FORMAT) != _FORMAT:
        raise IntegrityError(f"{path} is not a manifest of format {_FORMAT}; use the package that wrote the bundle.")
    sealed = {name: value for name, value in facts.items() if name != "digest"}
    if set(facts) != expected or facts["digest"] != digest_of(sealed):
        raise IntegrityError(f"{path} was changed or damaged after it was written: its own checksum does not hold.")
    astray = [name for name in facts["files"] if not _stays_inside(name)]
    if astray:
        raise IntegrityError(f"{path} names a file outside its folder: {astray[0]!r}.")
    return facts


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name


def _files_in(folder: Path) -> list[str]:
    links = [path for path in folder.rglob("*") if path.is_symlink()]
    if links:
        raise IntegrityError(f"{links[0]} is a link; a bundle holds plain files only.")
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _refuse(folder: Path, names: list[str], what: str) -> None:
    if names:
        raise IntegrityError(f"{folder / names[0]} {what}. Build the bundle again or fetch another copy of it.")
