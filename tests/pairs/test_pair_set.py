"""Pairs on disk: one for each interaction, checked, refused when damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recsys_cl.config import PairsConfig
from recsys_cl.errors import InputError, IntegrityError, StorageError
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.pair_set import log_frequencies, open_pairs, write_pairs

ROWS = [[3, 1, 4], [], [1], [0, 1, 0, 2, 3]]


def histories(rows, n_items=5, values=None):
    flat = [item for row in rows for item in row]
    return Histories(
        np.cumsum([0, *map(len, rows)], dtype=np.int64),
        np.array(flat, dtype=np.int32),
        None,
        np.array(values if values is not None else np.ones(len(flat)), dtype=np.float32),
        n_items,
    )


def test_one_pair_for_each_interaction_over_any_number_of_shards(tmp_path):
    for size in (1, 2, 4, 100):
        pairs = write_pairs(histories(ROWS), tmp_path / "pairs", PairsConfig(shard_pairs=size))
        found = pairs.gather(np.arange(len(pairs)))
        expected = [(user, item, place) for user, row in enumerate(ROWS) for place, item in enumerate(row)]
        assert [tuple(pair)[:3] for pair in found.tolist()] == expected
        assert len(pairs.shards) == -(-9 // size)
        shuffled = np.array([8, 0, 4, 4, 7])
        assert (pairs.gather(shuffled) == found[shuffled]).all()


def test_log_q_is_the_share_of_pairs_and_minus_infinity_for_items_never_taken(tmp_path):
    pairs = write_pairs(histories(ROWS, n_items=6), tmp_path / "pairs", PairsConfig())
    np.testing.assert_allclose(np.exp(pairs.log_q), np.array([2, 3, 1, 2, 1, 0]) / 9, rtol=1e-6)
    assert pairs.log_q.dtype == np.float32
    assert np.exp(log_frequencies(np.array([1, 3]))).tolist() == [0.25, 0.75]


def test_opened_again_it_is_the_same_and_stays_on_disk(tmp_path):
    written = write_pairs(histories(ROWS), tmp_path / "pairs", PairsConfig(history="before", history_length=7))
    opened = open_pairs(tmp_path / "pairs")
    assert opened.config == written.config
    assert opened.digest == written.digest
    assert opened.histories.row(3).tolist() == ROWS[3]
    assert all(isinstance(shard, np.memmap) for shard in opened.shards)
    assert isinstance(opened.histories.item_nums, np.memmap)


def test_the_digest_follows_data_and_settings(tmp_path):
    digests = [
        write_pairs(histories(rows), tmp_path / "pairs", PairsConfig(history_length=length)).digest
        for rows, length in ((ROWS, 5), (ROWS, 5), (ROWS, 6), (ROWS[:-1], 5))
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_times_are_kept(tmp_path):
    timed = Histories(np.array([0, 2]), np.array([1, 0], np.int32), np.array([5, 9]), np.ones(2, np.float32), 2)
    assert write_pairs(timed, tmp_path / "pairs", PairsConfig()).histories.times.tolist() == [5, 9]


def test_a_flipped_byte_is_refused_with_the_files_name(tmp_path):
    write_pairs(histories(ROWS), tmp_path / "pairs", PairsConfig())
    for name in ("pairs-00000.npy", "log_q.npy", "item_nums.npy"):
        path = tmp_path / "pairs" / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(IntegrityError, match=name):
            open_pairs(tmp_path / "pairs")
        path.write_bytes(content)
    (tmp_path / "pairs" / "log_q.npy").unlink()
    with pytest.raises(IntegrityError, match=r"log_q\.npy is missing"):
        open_pairs(tmp_path / "pairs")


def test_an_unknown_format_is_refused(tmp_path):
    write_pairs(histories(ROWS), tmp_path / "pairs", PairsConfig())
    manifest = tmp_path / "pairs" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 99}))
    with pytest.raises(IntegrityError, match="99"):
        open_pairs(tmp_path / "pairs")


def test_no_interaction_is_refused(tmp_path):
    with pytest.raises(InputError, match="no training interaction"):
        write_pairs(histories([[], []]), tmp_path / "pairs", PairsConfig())
    assert not (tmp_path / "pairs").exists()


def test_values_weigh_pairs_unless_they_cannot(tmp_path):
    config = PairsConfig(weighting="value")
    pairs = write_pairs(histories([[0], [1]], values=[2.5, 0.5]), tmp_path / "pairs", config)
    assert pairs.gather(np.arange(2))["weight"].tolist() == [2.5, 0.5]
    for bad in (0, -1, np.nan, np.inf):
        with pytest.raises(InputError, match="--weighting uniform"):
            write_pairs(histories([[0], [1]], values=[1, bad]), tmp_path / "bad", config)
        assert not (tmp_path / "bad").exists()


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    write_pairs(histories(ROWS), tmp_path / "pairs", PairsConfig())

    def full(path: Path, array: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(StorageError, match="pairs could not be written"):
        write_pairs(histories(ROWS[:2]), tmp_path / "pairs", PairsConfig())
    assert len(open_pairs(tmp_path / "pairs")) == 9
    assert [path.name for path in tmp_path.iterdir()] == ["pairs"]


def test_described_for_a_person(tmp_path):
    told = write_pairs(histories(ROWS), tmp_path / "pairs", PairsConfig(shard_pairs=4)).describe()
    assert (told["pairs"], told["users"], told["items"], told["shards"]) == (9, 3, 5, 3)
    assert told["history_length"] == {"shortest": 1, "median": 3.0, "mean": 3.0, "longest": 5, "used": 500}
    assert told["log_q"] == {"rarest": round(np.log(1 / 9), 3), "commonest": round(np.log(3 / 9), 3)}
    assert told["bytes"] == sum(path.stat().st_size for path in (tmp_path / "pairs").iterdir())
    json.dumps(told)
