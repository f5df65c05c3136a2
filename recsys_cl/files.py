"""Files and folders that appear whole or not at all, and the digests by which they are known."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recsys_cl.errors import IntegrityError, RecsysError, StorageError

_CHUNK = 1 << 20  # bytes read at a time
_PARTIAL = ".partial"
_RETIRED = ".retired"
_NO_ROOM = 1 << 16  # bytes


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
    scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}{_PARTIAL}")
    try:
        with storage_trouble(target):
            scratch.mkdir(parents=True)
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
    scratch = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}{_PARTIAL}")
    try:
        with storage_trouble(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield scratch
            _sync(scratch)
            scratch.replace(target)
    finally:
        with suppress(OSError):  # where the folder could not be made there is nothing to remove
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

    A folder that was set aside for a new one that never took its place is put back. Call this only while holding the
    workspace, when nothing else can be writing there.
    """
    for retired in [path for path in folder.rglob(f".*{_RETIRED}") if path.exists()]:
        target = retired.with_name(retired.name[1:].rsplit(".", 2)[0])
        shutil.rmtree(retired) if target.exists() else retired.rename(target)
    leftovers = [path for path in folder.rglob(f".*{_PARTIAL}") if path.exists()]
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return leftovers


@contextmanager
def storage_trouble(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals while writing ``target`` into one `StorageError` that names a remedy."""
    try:
        yield
    except RecsysError:
        raise
    except Exception as error:
        number = _refusal(error, target)
        if number is None:
            raise
        place = re.sub(r"/\.([^/]+)\.[0-9a-f]{8}\.partial", r"/\1", target.as_posix())
        raise StorageError(f"{place} could not be written: {os.strerror(number)}. {_REMEDIES[number]}") from error


def _refusal(error: Exception, target: Path) -> int | None:
    """Return the number of the operating system's refusal behind ``error``; None if there was none we know.

    Some libraries pass it on in the words of an error of their own, and some only say that they failed: then a disk
    without room is reason enough.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in _REMEDIES else None
    said = str(error).lower()
    known = next((number for number in _REMEDIES if os.strerror(number).lower() in said), None)
    if known is None and type(error).__module__ != "builtins":
        place = next(folder for folder in target.absolute().parents if folder.exists())
        return errno.ENOSPC if shutil.disk_usage(place).free < _NO_ROOM else None
    return known


_ROOM = "Free some space or choose another place with --home; nothing half-written was kept."
_LEAVE = "Give this user write permission there or choose another place with --home."
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "The file system or a limit of this session keeps files from growing so large.",
    errno.EACCES: _LEAVE,
    errno.EPERM: _LEAVE,
    errno.EROFS: "Choose another place with --home.",
    errno.ENOTDIR: "A part of this path is a file; choose another place with --home.",
    errno.EIO: "The disk may be failing: choose another place with --home.",
}


def _take_place(scratch: Path, target: Path) -> None:
    if target.exists():
        retired = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}{_RETIRED}")
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
