"""A name always means the same bytes, wherever they come from, and trouble is told in one sentence."""

from __future__ import annotations

import hashlib
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from recsys_cl.config import IngestConfig
from recsys_cl.errors import ConfigError, InputError, IntegrityError, StorageError
from recsys_cl.families import members
from recsys_cl.interactions import datasets
from recsys_cl.interactions.datasets import locate, names


@pytest.fixture
def owner(monkeypatch, tmp_path):
    """Serve a folder over loopback, as the owner of two made-up sets: one zipped, one of plain files."""
    folder = tmp_path / "owner"
    folder.mkdir()
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            file = folder / self.path.lstrip("/")
            self.send_response(200 if file.is_file() else 404)
            self.end_headers()
            if file.is_file():
                self.wfile.write(file.read_bytes())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    pretend(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    with zipfile.ZipFile(folder / "zipped.zip", "w") as archive:
        archive.writestr("zipped/log.csv", "1,2\n")
        archive.writestr("zipped/items.csv", "2,Two\n")
        archive.writestr("../escape.txt", "no")
    (folder / "plain").mkdir()
    (folder / "plain/train.txt").write_text("1 2 3\n")
    (folder / "plain/test.txt").write_text("1 4\n")
    yield folder, asked
    server.shutdown()
    thread.join()
    server.server_close()


def pretend(monkeypatch, url):
    edition = datasets._Edition("log.csv", items="items.csv", settings={"header": False})
    plain = datasets._Edition("train.txt", test="test.txt")
    monkeypatch.setattr(
        datasets,
        "_DATASETS",
        {
            "zipped": datasets._Dataset(f"{url}/zipped.zip", (edition,)),
            "plain": datasets._Dataset(f"{url}/plain/", (plain,)),
        },
    )
    contents = {
        "zipped/log.csv": b"1,2\n",
        "zipped/items.csv": b"2,Two\n",
        "plain/train.txt": b"1 2 3\n",
        "plain/test.txt": b"1 4\n",
    }
    monkeypatch.setattr(datasets, "_SHA256", {k: hashlib.sha256(v).hexdigest() for k, v in contents.items()})


@pytest.fixture
def nobody(monkeypatch):
    """Let the owner's address be a port on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        pretend(monkeypatch, f"http://127.0.0.1:{bound.getsockname()[1]}")
        yield


def test_a_zip_is_fetched_once_and_only_what_is_needed_is_unpacked(owner, tmp_path, capfd):
    cache = tmp_path / "cache"
    first = locate("zipped", cache, None)
    assert first == locate("zipped", cache, tmp_path / "no such folder")
    assert first.paths == (cache / "zipped/log.csv",)
    assert first.paths[0].read_text() == "1,2\n"
    assert first.items == cache / "zipped/items.csv"
    assert first.settings == {"header": False}
    assert owner[1] == ["/zipped.zip"]
    assert sorted(path.name for path in cache.rglob("*") if path.is_file()) == ["items.csv", "log.csv"]
    assert not list(tmp_path.rglob("escape.txt"))
    assert capfd.readouterr() == ("", "")


def test_plain_files_are_fetched(owner, tmp_path):
    source = locate("plain", tmp_path / "cache", None)
    assert [path.read_text() for path in (*source.paths, source.test)] == ["1 2 3\n", "1 4\n"]
    assert source.items is None


def test_a_local_folder_comes_first(nobody, tmp_path):
    local = tmp_path / "shared/zipped"
    local.mkdir(parents=True)
    (local / "log.csv").write_bytes(b"1,2\n")
    (local / "items.csv").write_bytes(b"2,Two\n")
    assert locate("zipped", tmp_path / "cache", tmp_path / "shared").paths == (local / "log.csv",)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["zipped", "plain"])
@pytest.mark.parametrize("shared", [None, "shared"])
def test_without_network_and_folder_one_sentence_says_what_to_do(nobody, tmp_path, name, shared):
    with pytest.raises(InputError, match="RECSYS_CL_SHARED_DATA") as refusal:
        locate(name, tmp_path / "cache", shared and tmp_path / shared)
    message = str(refusal.value)
    assert name in message
    assert "127.0.0.1" in message
    assert "\n" not in message
    assert message.count(". ") == 0


def test_what_the_owner_changed_is_refused(owner, tmp_path):
    (owner[0] / "plain/test.txt").write_text("1 5\n")
    with pytest.raises(IntegrityError, match=r"test\.txt.*SHA-256"):
        locate("plain", tmp_path / "cache", None)
    assert not (tmp_path / "cache/plain/test.txt").exists()
    with zipfile.ZipFile(owner[0] / "zipped.zip", "w") as archive:
        archive.writestr("zipped/log.csv", "1,9\n")
        archive.writestr("zipped/items.csv", "2,Two\n")
    with pytest.raises(IntegrityError, match=r"log\.csv.*--input"):
        locate("zipped", tmp_path / "cache", None)


def test_what_is_no_zip_is_refused_and_not_kept(owner, tmp_path):
    good = (owner[0] / "zipped.zip").read_bytes()
    (owner[0] / "zipped.zip").write_text("<html>Please sign in</html>")
    with pytest.raises(IntegrityError, match="not a zip file with"):
        locate("zipped", tmp_path / "cache", None)
    (owner[0] / "zipped.zip").write_bytes(good)
    assert locate("zipped", tmp_path / "cache", None).paths[0].is_file()


def test_a_flipped_byte_in_the_cache_is_found(owner, tmp_path):
    log = locate("zipped", tmp_path / "cache", None).paths[0]
    log.write_text("1,3\n")
    with pytest.raises(IntegrityError, match="delete it"):
        locate("zipped", tmp_path / "cache", None)


def test_a_missing_page_counts_as_not_reached(owner, tmp_path):
    (owner[0] / "zipped.zip").unlink()
    with pytest.raises(InputError, match="HTTPError"):
        locate("zipped", tmp_path / "cache", None)


def test_a_full_disk_is_told_as_such(owner, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(datasets.pooch, "retrieve", full)
    with pytest.raises(StorageError, match="Free some space"):
        locate("plain", tmp_path / "cache", None)


@pytest.mark.parametrize("name", ["ml100k", "ml-1M", "gowala"])
def test_an_unknown_name_names_the_nearest(tmp_path, name):
    with pytest.raises(ConfigError, match=r"Did you mean '(ml-100k|ml-1m|gowalla)'"):
        locate(name, tmp_path, None)


def test_every_setting_is_one_that_ingest_knows():
    for dataset in datasets._DATASETS.values():
        for edition in dataset.editions:
            wanted = IngestConfig.of(edition.settings).format
            assert wanted is None or wanted in members("recsys_cl.interactions.readers")


@pytest.mark.shared_data
@pytest.mark.parametrize("name", names())
def test_the_shared_folder_holds_what_the_names_mean(shared_data, tmp_path, name):
    source = locate(name, tmp_path / "cache", shared_data)
    assert all(path.is_relative_to(shared_data) for path in source.paths)
    assert (source.test is not None) == (name == "gowalla")
    assert (source.items is not None) == (name != "gowalla")
