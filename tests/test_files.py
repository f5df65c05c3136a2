"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl import files
from recsys_cl.errors import ConfigError, IntegrityError, StorageError
from recsys_cl.files import (
    digest_of,
    read_json,
    sha256,
    storage_trouble,
    sweep_partials,
    whole_file,
    whole_folder,
    write_json,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def put(folder: Path, text: str) -> None:
    with whole_folder(folder) as scratch:
        (scratch / "deep").mkdir()
        (scratch / "deep" / "file").write_text(text)


def test_a_folder_appears_whole_and_replaces_the_one_before(tmp_path):
    target = tmp_path / "new" / "target"
    for text in ("one", "two"):
        put(target, text)
        assert (target / "deep" / "file").read_text() == text
    assert [path.name for path in target.parent.iterdir()] == ["target"]


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_a_block_that_fails_leaves_things_as_they_were(whole, tmp_path):
    target = tmp_path / "target"

    def fail() -> None:
        with whole(target) as scratch:
            (scratch / "file" if scratch.is_dir() else scratch).write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []
    put(target, "before") if whole is whole_folder else target.write_text("before")
    with pytest.raises(ZeroDivisionError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_readers_never_meet_half_a_file(tmp_path):
    target, stop, seen = tmp_path / "target", threading.Event(), set()
    write_json(target, [0] * 1000)

    def read() -> None:
        while not stop.is_set():
            seen.add(len(read_json(target)))

    reader = threading.Thread(target=read)
    reader.start()
    for length in (10, 5000, 20_000):
        write_json(target, [0] * length)
    stop.set()
    reader.join()
    assert seen <= {1000, 10, 5000, 20_000}


def test_what_a_kill_left_is_swept_and_what_it_set_aside_is_put_back(tmp_path, monkeypatch):
    target = tmp_path / "data" / "target"
    put(target, "before")
    (tmp_path / "data" / ".other.0123abcd.partial").mkdir()
    (tmp_path / "data" / ".file.0123abcd.partial").write_text("half")

    class Killed(BaseException):
        pass

    rename = Path.rename

    def killed_after_the_first(self: Path, to: Path) -> Path:
        if self.name.endswith(".partial"):
            raise Killed
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", killed_after_the_first)
    monkeypatch.setattr(files.shutil, "rmtree", lambda *_given, **_named: None)  # the dead clear nothing away
    with pytest.raises(Killed):
        put(target, "after")
    monkeypatch.undo()
    assert not target.exists()
    assert len(sweep_partials(tmp_path / "data")) == 3
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["target"]
    assert (target / "deep" / "file").read_text() == "before"
    assert sweep_partials(tmp_path / "data") == []


@given(value=JSON)
def test_json_comes_back_as_it_was(value, tmp_path_factory):
    path = tmp_path_factory.mktemp("json") / "value.json"
    write_json(path, value)
    assert read_json(path) == value


@given(value=st.dictionaries(st.text(), st.integers(), min_size=2))
def test_a_digest_does_not_heed_the_order_of_keys(value):
    turned = dict(reversed(list(value.items())))
    assert digest_of(value) == digest_of(turned)
    assert digest_of(value) != digest_of({**value, "and one more": 1, "and yet one": 2})


def test_a_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    path.write_bytes(b"a" * 1_000_000 * 3)  # more than is read at a time
    assert len(sha256(path)) == 64


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_a_damaged_json_file_is_named(content, tmp_path):
    path = tmp_path / "facts.json"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"facts\.json"):
        read_json(path)
    with pytest.raises(IntegrityError, match=r"gone\.json is missing"):
        read_json(tmp_path / "gone.json")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR])
def test_a_refusal_of_the_system_names_the_place_and_a_remedy(number, tmp_path):
    with (
        pytest.raises(StorageError, match=r"target could not be written: .*--home"),
        storage_trouble(tmp_path / ".target.0123abcd.partial" / "target"),
    ):
        raise OSError(number, os.strerror(number))


def test_a_refusal_in_the_words_of_a_library_is_known(tmp_path):
    class LibraryError(Exception):
        pass

    with pytest.raises(StorageError, match="Free some space"), storage_trouble(tmp_path / "target"):
        raise LibraryError("I/O error: No space left on device (os error 28)")
    with pytest.raises(LibraryError), storage_trouble(tmp_path / "target"):
        raise LibraryError("something else")


def test_a_library_that_only_says_it_failed_is_asked_what_room_there_is(tmp_path, monkeypatch):
    class LibraryError(Exception):
        pass

    monkeypatch.setattr(files.shutil, "disk_usage", lambda _place: _Usage)
    with pytest.raises(StorageError, match="No space left"), storage_trouble(tmp_path / "nowhere" / "target"):
        raise LibraryError("transport error")


class _Usage:
    free = 0


def test_what_is_no_refusal_passes(tmp_path):
    for error in (FileNotFoundError(errno.ENOENT, "gone"), KeyError("x"), ConfigError("no")):
        with pytest.raises(type(error)), storage_trouble(tmp_path):
            raise error
