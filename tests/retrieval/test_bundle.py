"""A bundle comes back as it was, or not at all."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from toy_bundle import ORIGIN

from recsys_cl.errors import IntegrityError, StorageError
from recsys_cl.files import digest_of
from recsys_cl.pairs.histories import Queries
from recsys_cl.retrieval.bundle import read_bundle, read_per_user, write_bundle
from recsys_cl.retrieval.manifest import Manifest, git_commit
from recsys_cl.retrieval.retriever import Retriever

FILES = [
    "config.json",
    "histories.safetensors",
    "index.faiss",
    "index.json",
    "items.parquet",
    "manifest.json",
    "per_user.parquet",
    "report.json",
    "towers.json",
    "towers.safetensors",
    "users.parquet",
]


@pytest.fixture
def copy(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "copy"))


def test_it_holds_these_files(stored):
    assert sorted(path.name for path in stored.iterdir()) == FILES


def test_what_is_read_is_what_was_written(stored, bundle):
    read, manifest = read_bundle(stored)
    assert read.vocabulary.user_ids.equals(bundle.vocabulary.user_ids)
    assert (read.vocabulary.user_kind, read.vocabulary.item_kind) == ("integer", "string")
    assert read.items.equals(bundle.items)
    np.testing.assert_array_equal(read.histories.indptr, bundle.histories.indptr)
    np.testing.assert_array_equal(read.histories.item_nums, bundle.histories.item_nums)
    np.testing.assert_array_equal(read.search.index.vectors, bundle.search.index.vectors)
    assert read.index == bundle.index
    assert read.config == bundle.config
    everyone = Queries(np.arange(40, dtype=np.int32), bundle.histories)
    before, after = (Retriever(b, "toy").rank(everyone, 12) for b in (bundle, read))
    np.testing.assert_array_equal(before.item_nums, after.item_nums)
    np.testing.assert_array_equal(before.scores, after.scores)
    assert (manifest.name, manifest.fitted_on, manifest.data_digest) == ("toy", "train_and_validation", "d" * 64)
    assert manifest.created == "2026-01-02T00:00:00+00:00"
    assert read_per_user(stored)["user_id"].to_list() == ["10"]


def test_titles_and_popularity_are_told_where_known(bundle):
    assert bundle.items["title"].to_list()[:3] == ["One", "Two", None]
    assert bundle.items["interactions"].sum() == len(bundle.histories.item_nums)
    assert bundle.items["categories"].null_count() == bundle.items.height


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0.0, 0.37, 0.999])
def test_a_flipped_bit_is_refused_by_name(copy, name, place):
    content = bytearray((copy / name).read_bytes())
    content[int(place * len(content))] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=name):
        Retriever.load(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(copy, name):
    (copy / name).unlink()
    with pytest.raises(IntegrityError, match=name):
        Retriever.load(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused_by_name(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(IntegrityError, match=name):
        Retriever.load(copy)


@pytest.mark.parametrize("name", ["extra.bin", "deep/extra.bin", ".hidden"])
def test_an_extra_file_is_refused_by_name(copy, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("x")
    with pytest.raises(IntegrityError, match=name):
        Retriever.load(copy)


def test_a_link_is_refused_even_to_the_right_content(copy, tmp_path):
    (copy / "config.json").rename(tmp_path / "elsewhere.json")
    (copy / "config.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(IntegrityError, match=r"config\.json is a link"):
        Retriever.load(copy)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/../../b", "..\\outside"])
def test_a_resealed_manifest_cannot_name_what_lies_outside(copy, name):
    facts = json.loads((copy / "manifest.json").read_text())
    facts["files"][name] = "0" * 64
    del facts["digest"]
    (copy / "manifest.json").write_text(json.dumps(facts | {"digest": digest_of(facts)}))
    with pytest.raises(IntegrityError, match="outside its folder"):
        Manifest.verify(copy)


@pytest.mark.parametrize("text", ["[]", "{}", '{"format": 99}', '"x"'])
def test_something_else_is_no_manifest(copy, text):
    (copy / "manifest.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        Manifest.verify(copy)


def reseal(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    Manifest.seal(folder, name="toy", fitted_on="all", data_digest="d", created=datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize("name", ["items.parquet", "users.parquet"])
def test_parts_of_two_models_are_refused(copy, name):
    pl.read_parquet(copy / name).head(5).write_parquet(copy / name)
    reseal(copy)
    with pytest.raises(IntegrityError, match="different models"):
        read_bundle(copy)


def test_a_damaged_index_is_refused_even_when_resealed(copy):
    content = (copy / "index.faiss").read_bytes()
    (copy / "index.faiss").write_bytes(content[:-100])
    reseal(copy)
    with pytest.raises(IntegrityError, match=r"index\.faiss is not a whole FAISS index"):
        read_bundle(copy)


def test_a_place_without_a_bundle(tmp_path):
    with pytest.raises(IntegrityError, match="no bundle at"):
        Retriever.load(tmp_path / "nothing")
    with pytest.raises(IntegrityError, match=r"manifest\.json is missing"):
        Retriever.load(tmp_path)


def test_a_full_disk_leaves_the_bundle_that_was_there(copy, bundle, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("recsys_cl.retrieval.bundle.save_file", full)
    with pytest.raises(StorageError, match="No space left"):
        write_bundle(copy, bundle, ORIGIN)
    assert Manifest.verify(copy).name == "toy"
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_the_commit_is_told_in_a_checkout_only(tmp_path):
    assert git_commit(tmp_path) is None
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert git_commit(tmp_path) is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", tmp_path, *identity, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    assert len(git_commit(tmp_path)) == 40
