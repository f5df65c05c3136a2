"""The pairs a model is trained on: one for each training interaction, in memory-mapped shards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_cl.config import PairsConfig
from recsys_cl.errors import InputError, IntegrityError
from recsys_cl.files import digest_of, read_json, sha256, whole_folder, write_json
from recsys_cl.pairs.categories import Categories
from recsys_cl.pairs.histories import Histories

PAIR = np.dtype(
    [
        ("user_num", "<i4"),  # who: the query
        ("item_num", "<i4"),  # what they took: the positive
        ("place", "<i4"),  # where the positive stands in the user's history, counted from 0
        ("weight", "<f4"),  # of the pair in the loss
    ]
)
_FORMAT = 1


@dataclass(frozen=True)
class PairSet:
    """Pairs on disk, opened without reading them.

    Attributes:
        folder: where they lie.
        config: how they were made.
        shards: arrays of `PAIR`, each memory-mapped, in the order of users and their histories.
        log_q: (n_items,) float32, log of the share of pairs whose positive is the item: the distribution from
            which in-batch negatives come; -inf for an item that is no pair's positive.
        histories: every user's whole history, memory-mapped.
        categories: of the items, memory-mapped; None where none are known.
        digest: SHA-256 of the content and the settings, by which checkpoints know this set.
    """

    folder: Path
    config: PairsConfig
    shards: tuple[npt.NDArray[np.void], ...]
    log_q: npt.NDArray[np.float32]
    histories: Histories
    categories: Categories | None
    digest: str

    def __len__(self) -> int:
        return sum(len(shard) for shard in self.shards)

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return self.histories.n_items

    def gather(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.void]:
        """Return the pairs with these numbers (n,), counted from 0 over all shards, as (n,) `PAIR`."""
        found = np.empty(len(numbers), dtype=PAIR)
        shard, within = np.divmod(numbers, self.config.shard_pairs)
        for number in np.unique(shard):
            here = shard == number
            found[here] = self.shards[number][within[here]]
        return found

    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know of the set: counts, history lengths, range of log q, bytes."""
        lengths = self.histories.lengths[self.histories.lengths > 0]
        popular = self.log_q[np.isfinite(self.log_q)]
        return {
            "pairs": len(self),
            "users": len(lengths),
            "items": len(popular),
            "history": self.config.history,
            "history_length": {
                "shortest": int(lengths.min()),
                "median": float(np.median(lengths)),
                "mean": round(float(lengths.mean()), 2),
                "longest": int(lengths.max()),
                "used": self.config.history_length,
            },
            "log_q": {"rarest": round(float(popular.min()), 3), "commonest": round(float(popular.max()), 3)},
            "shards": len(self.shards),
            "bytes": sum(path.stat().st_size for path in self.folder.iterdir()),
            "digest": self.digest,
            "path": str(self.folder),
        }


def write_pairs(
    histories: Histories, folder: Path, config: PairsConfig, categories: Categories | None = None
) -> PairSet:
    """Write one pair for each interaction of ``histories`` to ``folder``, whole or not at all, and open it.

    Args:
        histories: one row for each user of the vocabulary, from the training part alone.
        folder: where the set shall lie; replaced if it exists.
        config: what a pair's history is and how pairs are weighted.
        categories: of the items, where they are known.

    Raises:
        InputError: there is no interaction, or a value cannot be a weight.
        StorageError: the disk is full or the place may not be written.
    """
    if not len(histories.item_nums):
        raise InputError("There is no training interaction to make pairs of; check the filters and the split.")
    with whole_folder(folder) as scratch:
        for number, shard in enumerate(_shards(histories, config)):
            np.save(scratch / f"pairs-{number:05d}.npy", shard)
        np.save(scratch / "log_q.npy", log_frequencies(histories.counts()))
        if categories is not None:
            np.save(scratch / "categories.npy", categories)
        for name in ("indptr", "item_nums", "times", "values"):
            if (array := getattr(histories, name)) is not None:
                np.save(scratch / f"{name}.npy", array)
        _write_manifest(scratch, len(histories.item_nums), histories.n_items, config)
    return open_pairs(folder)


def open_pairs(folder: Path) -> PairSet:
    """Open what `write_pairs` wrote, checking every file against its checksum; the arrays stay on disk.

    Raises:
        IntegrityError: a file is missing or is not what its checksum says.
    """
    manifest = read_json(folder / "manifest.json")
    if manifest.get("format") != _FORMAT:
        raise IntegrityError(f"{folder} has format {manifest.get('format')!r}, not {_FORMAT}; write the pairs anew.")
    arrays = {name: _open(folder / name, digest) for name, digest in sorted(manifest["files"].items())}
    histories = Histories(
        arrays["indptr.npy"],
        arrays["item_nums.npy"],
        arrays.get("times.npy"),
        arrays["values.npy"],
        manifest["n_items"],
    )
    shards = tuple(array for name, array in arrays.items() if name.startswith("pairs-"))
    config = PairsConfig.of(manifest["config"])
    return PairSet(
        folder, config, shards, arrays["log_q.npy"], histories, arrays.get("categories.npy"), manifest["digest"]
    )


def log_frequencies(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return the log of each count's share of their sum, (n,) float32; -inf for a count of 0."""
    with np.errstate(divide="ignore"):
        shares: npt.NDArray[np.float32] = np.log(counts / counts.sum()).astype(np.float32)
    return shares


def _shards(histories: Histories, config: PairsConfig) -> Iterator[npt.NDArray[np.void]]:
    for start in range(0, len(histories.item_nums), config.shard_pairs):
        places = np.arange(start, min(start + config.shard_pairs, len(histories.item_nums)))
        users = np.searchsorted(histories.indptr, places, side="right") - 1
        shard = np.empty(len(places), dtype=PAIR)
        shard["user_num"] = users
        shard["item_num"] = histories.item_nums[places]
        shard["place"] = places - histories.indptr[users]
        shard["weight"] = _weights(histories, places, config)
        yield shard


def _weights(histories: Histories, places: npt.NDArray[np.int64], config: PairsConfig) -> npt.NDArray[np.float32]:
    if config.weighting == "uniform":
        return np.ones(len(places), dtype=np.float32)
    weights = histories.values[places]
    bad = ~(np.isfinite(weights) & (weights > 0))
    if bad.any():
        raise InputError(
            f"The value {weights[bad][0]} cannot weigh a pair: weights must be positive numbers. "
            "Keep only positive values with --min-value, or weigh all alike with --weighting uniform."
        )
    return weights


def _write_manifest(folder: Path, n_pairs: int, n_items: int, config: PairsConfig) -> None:
    files = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    content = {"format": _FORMAT, "pairs": n_pairs, "n_items": int(n_items), "config": config.model_dump()}
    content["files"] = files
    write_json(folder / "manifest.json", {**content, "digest": digest_of(content)})


def _open(path: Path, digest: str) -> npt.NDArray[Any]:
    if not path.exists():
        raise IntegrityError(f"{path} is missing; write the pairs anew.")
    if sha256(path) != digest:
        raise IntegrityError(f"{path} was changed after it was written (its checksum differs); write the pairs anew.")
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r" if path.stat().st_size else None, allow_pickle=False)
    return array
