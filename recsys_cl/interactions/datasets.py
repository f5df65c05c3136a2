"""Public data sets by name: a shortcut for paths and column settings, and nothing more.

Files come from a local folder that has them, else from their owners; either way each must have the SHA-256 by which
it is known here, so that a name always means the same bytes. MovieLens (Harper and Konstan, 2015) may be used for
research but not passed on; Gowalla is the split of He et al. (2020), from check-ins published by SNAP.

``ml-1m`` is ratings of 4 and 5: the local folder may hold those alone (``ratings_ge4.csv``), and where all ratings are
read (``ratings.dat``) the settings ask for ``min_value`` 4, unless the caller overrides that.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pooch

from recsys_cl.errors import ConfigError, InputError, IntegrityError, nearest
from recsys_cl.files import sha256, storage_trouble, whole_file

_TIMEOUT = 30  # seconds without an answer


@dataclass(frozen=True)
class Source:
    """Where a data set lies and how it is read.

    Attributes:
        paths: the files of the log.
        test: file with the test part, where the split is given.
        items: file with item titles and categories, where there is one.
        settings: fields of `IngestConfig` to use unless the caller sets them.
    """

    paths: tuple[Path, ...]
    test: Path | None
    items: Path | None
    settings: dict[str, Any]


@dataclass(frozen=True)
class _Edition:
    """Names of files that together are a data set, and how its log is read."""

    log: str
    test: str | None = None
    items: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        return [name for name in (self.log, self.test, self.items) if name]


@dataclass(frozen=True)
class _Dataset:
    """A published data set.

    Attributes:
        url: a zip file, or a folder of plain files if it ends with a slash.
        editions: what is published, then what else a local folder may hold.
        archive: SHA-256 of the zip file; None where the owner renews it, and its members alone are checked.
    """

    url: str
    editions: tuple[_Edition, ...]
    archive: str | None = None


def names() -> list[str]:
    """Return the names that `locate` knows."""
    return sorted(_DATASETS)


def locate(name: str, cache: Path, shared: Path | None) -> Source:
    """Find a public data set in ``shared``, else in ``cache``, else fetch it from its owner into ``cache``.

    Args:
        name: one of `names`.
        cache: folder for what is downloaded, made when needed.
        shared: folder with a folder of this name, whose files are used where they are; may be absent.

    Raises:
        ConfigError: there is no such name; the nearest is named.
        InputError: the data set is not at hand and cannot be fetched.
        IntegrityError: a file is not what it was when it was published.
        StorageError: the cache may not be written or the disk is full.
    """
    if name not in _DATASETS:
        raise ConfigError(f"There is no public data set {name!r}.{nearest(name, _DATASETS)}")
    dataset = _DATASETS[name]
    for folder in [shared / name] if shared else []:
        for edition in dataset.editions:
            if all((folder / file).is_file() for file in edition.files):
                return _checked(name, folder, edition)
    published, folder = dataset.editions[0], cache / name
    missing = [file for file in published.files if not (folder / file).is_file()]
    if missing:
        _fetch(name, dataset, missing, cache, shared)
    return _checked(name, folder, published)


def _checked(name: str, folder: Path, edition: _Edition) -> Source:
    for file in edition.files:
        if sha256(folder / file) != _SHA256[f"{name}/{file}"]:
            raise IntegrityError(
                f"{folder / file} is not the file that {name} names: its SHA-256 differs. "
                "If it is damaged, delete it and try again; to read it as it is, give it with --input."
            )
    test, items = (folder / file if file else None for file in (edition.test, edition.items))
    return Source((folder / edition.log,), test, items, dict(edition.settings))


def _fetch(name: str, dataset: _Dataset, files: list[str], cache: Path, shared: Path | None) -> None:
    try:
        if dataset.url.endswith("/"):
            for file in files:
                _download(dataset.url + file, _SHA256[f"{name}/{file}"], cache / name / file)
        else:
            archive = cache / f"{name}.zip"
            _download(dataset.url, dataset.archive, archive)
            _unpack(name, archive, files, cache)
    except OSError as error:
        looked = f"{shared / name} does not have it" if shared else "no local folder was named"
        raise InputError(
            f"The data set {name!r} is not at hand ({looked}) and {dataset.url} could not be reached "
            f"({type(error).__name__}): connect to the network, or set RECSYS_CL_SHARED_DATA to a folder that holds "
            f"{' and '.join(f'{name}/{file}' for file in files)}."
        ) from error


def _download(url: str, digest: str | None, target: Path) -> None:
    pooch.get_logger().setLevel("WARNING")  # it would announce every download even when quiet is asked for
    known = f"sha256:{digest}" if digest else None
    with storage_trouble(target):
        try:
            downloader = pooch.HTTPDownloader(timeout=_TIMEOUT)
            pooch.retrieve(url, known, fname=target.name, path=target.parent, downloader=downloader)
        except ValueError as error:
            raise IntegrityError(
                f"What {url} sent is not the published file: its SHA-256 differs. "
                "Try again later, or download it by hand and give it with --input."
            ) from error


def _unpack(name: str, archive: Path, files: list[str], cache: Path) -> None:
    """Write the members that are needed and remove the archive, so that a bad one is not met again."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for file in files:
                with whole_file(cache / name / file) as scratch:
                    scratch.write_bytes(opened.read(f"{name}/{file}"))
    except (zipfile.BadZipFile, KeyError) as error:
        what = f"What {_DATASETS[name].url} sent is not a zip file with {' and '.join(files)}"
        raise IntegrityError(f"{what}; nothing of it was kept. Try again later.") from error
    finally:
        archive.unlink()


_MOVIELENS = "https://files.grouplens.org/datasets/movielens"
_BY_NUMBER = {"header": False, "user_col": "1", "item_col": "2", "value_col": "3", "time_col": "4", "time_unit": "s"}

_DATASETS = {
    "ml-100k": _Dataset(
        f"{_MOVIELENS}/ml-100k.zip",
        (_Edition("u.data", items="u.item", settings={**_BY_NUMBER, "format": "csv", "delimiter": "\t"}),),
        archive="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    ),
    "ml-1m": _Dataset(
        f"{_MOVIELENS}/ml-1m.zip",
        (
            _Edition(
                "ratings.dat", items="movies.dat", settings={**_BY_NUMBER, "format": "double_colon", "min_value": 4.0}
            ),
            _Edition(
                "ratings_ge4.csv",
                items="movies.dat",
                settings={
                    "user_col": "user_id",
                    "item_col": "movie_id",
                    "value_col": "rating",
                    "time_col": "timestamp",
                    "time_unit": "s",
                },
            ),
        ),
        archive="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    ),
    "ml-latest-small": _Dataset(
        f"{_MOVIELENS}/ml-latest-small.zip",
        (
            _Edition(
                "ratings.csv",
                items="movies.csv",
                settings={
                    "user_col": "userId",
                    "item_col": "movieId",
                    "value_col": "rating",
                    "time_col": "timestamp",
                    "time_unit": "s",
                },
            ),
        ),
    ),
    "gowalla": _Dataset(
        "https://raw.githubusercontent.com/gusye1234/LightGCN-PyTorch/master/data/gowalla/",
        (_Edition("train.txt", test="test.txt", settings={"format": "adjacency"}),),
    ),
}

_SHA256 = {
    "ml-100k/u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
    "ml-100k/u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
    "ml-1m/ratings.dat": "506d64ca44484487c11dc2d9a28de5c54948213e6b96285e298afe28d6ea4e0f",
    "ml-1m/ratings_ge4.csv": "0d041b3b42d8e7bbbbdf079c47f7bd04fe8fe2f34ab5b47084b972102b0a6e9d",
    "ml-1m/movies.dat": "0140fc2356357c1a851d0f52e893a1e4d3696df632c4141cea8d5bc3d621f0b9",
    "ml-latest-small/ratings.csv": "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646",
    "ml-latest-small/movies.csv": "5a5f32dd9bb3797b8e728a1b98958789d2b13f294a69fdfbc5727f8a9611aa07",
    "gowalla/train.txt": "7244696fdeb23911319cf7b689f2e15a3c4c92549c873a5677b44e3f13cc3e62",
    "gowalla/test.txt": "099a2a73924e4b754dc6efd730d764f492321b53c38eb93298850c83acf57be3",
}
