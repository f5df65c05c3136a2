"""Files and folders that appear whole or not at all, and the digests by which they are known."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsys_cl.errors import IntegrityError, StorageError

_CHUNK = 1 << 20  # bytes read at a time


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits, reading 1 MiB at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digest_of(value: Any) -> str:  # noqa: ANN401 - anything JSON can hold
    """Return the SHA-256 (64 hex digits) of ``value`` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a scratch folder that becomes ``target`` when the block ends well, and vanishes when it does not.

    The scratch folder stands beside the target under a name that starts with a dot, so a killed process leaves
    nothing that looks finished. A target that already exists is replaced.

    Raises:
        StorageError: the disk is full or the place may not be written.
    """
    scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    with storage_trouble(target):
        scratch.mkdir(parents=True)
        try:
            yield scratch
            _sync(scratch)
            _take_place(scratch, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a scratch path whose file becomes ``target`` when the block ends well, and vanishes when it does not.

    Raises:
        StorageError: the disk is full or the place may not be written.
    """
    scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    with storage_trouble(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield scratch
            _sync(scratch)
            scratch.replace(target)
        finally:
            scratch.unlink(missing_ok=True)


def write_json(target: Path, value: Any) -> None:  # noqa: ANN401 - anything JSON can hold
    """Write ``value`` to ``target`` as indented JSON, whole or not at all."""
    with whole_file(target) as scratch:
        scratch.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def read_json(path: Path) -> Any:  # noqa: ANN401 - anything JSON can hold
    """Read a JSON file.

    Raises:
        IntegrityError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise IntegrityError(f"{path} is missing; the folder it belongs to is not complete.") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise IntegrityError(f"{path} is not valid JSON ({error}); it was damaged after it was written.") from error


def sweep_partials(folder: Path) -> list[Path]:
    """Remove what killed runs left half-written below ``folder``; return what was removed.

    Call it only while holding the workspace, when nothing else can be writing there.
    """
    leftovers = [path for path in folder.rglob(".*.partial") if path.exists()]
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return leftovers


@contextmanager
def storage_trouble(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals while writing ``target`` into one `StorageError` that names a remedy."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0)
        if remedy is None:
            raise
        raise StorageError(f"{target} could not be written: {error.strerror}. {remedy}") from error


_REMEDIES = {
    28: "Free some space or choose another place with --home; nothing half-written was kept.",
    122: "The disk quota is used up: free some space or choose another place with --home.",
    13: "Give this user write permission there or choose another place with --home.",
    1: "Give this user write permission there or choose another place with --home.",
    30: "The file system is read-only: choose another place with --home.",
}


def _take_place(scratch: Path, target: Path) -> None:
    if target.exists():
        retired = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
        target.rename(retired)
        scratch.rename(target)
        shutil.rmtree(retired, ignore_errors=True)
    else:
        scratch.rename(target)


def _sync(path: Path) -> None:
    for file in [path] if path.is_file() else (p for p in path.rglob("*") if p.is_file()):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
