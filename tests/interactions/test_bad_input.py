"""Bad input and trouble: a clear message, and nothing lost."""

from __future__ import annotations

import errno
import gzip
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingesting import NOW, Ingest, ingested
from pyarrow import feather

from recsys_cl.errors import ConfigError, InputError, StorageError
from recsys_cl.interactions.snapshot import latest, load, open_snapshot, verify

LOG = "user,item,rating,time\n" + "".join(f"u{n % 3},i{n},{n % 5},{10**9 + n}\n" for n in range(12))

BAD_FILES: dict[str, tuple[bytes, list[str]]] = {
    "empty.csv": (b"", ["is empty"]),
    "blank.csv": (b"\n\n \n", ["is empty"]),
    "header.csv": (b"user,item,rating\n", ["no rows", "user, item, rating"]),
    "header.inter": (b"user_id:token\titem_id:token\n", ["no rows"]),
    "one_column.csv": (b"user\na\nb\n", ["row 1", "--delimiter"]),
    "strange.csv": (b"colour,price\nred,1\nblue,2\n", ["who", "colour, price", "--user-col"]),
    "no_item.csv": (b"user,price\nred,1\nblue,2\n", ["what", "--item-col"]),
    "nulls.csv": (b"user,item\n,\n,\n", ["none of 2 rows", "missing_id 2", "row 2"]),
    "garbage.bin": (bytes(range(256)) * 50, ["none of the formats", "--format"]),
    "garbage.csv": (b"\x00\x01\xff\xfe" * 999, ["none of the formats"]),
    "short.csv.gz": (gzip.compress(LOG.encode() * 500)[:-40], ["damaged"]),
    "short.gz": (gzip.compress(LOG.encode())[:30], ["damaged"]),
    "not.parquet": (b"PAR1 and no more", ["damaged or not Parquet"]),
    "twice.csv": (b"user,user,item\n1,2,3\n", ["'user'", "more than once"]),
    "times.csv": (b"user,item,time\na,b,yesterday\n", ["unparsable_time 1", "'yesterday'", "row 2"]),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_cannot_be_used_is_refused(name: str, take: Ingest, tmp_path: Path) -> None:
    content, words = BAD_FILES[name]
    path = tmp_path / name
    path.write_bytes(content)
    before = take(pl.DataFrame({"user": [1], "item": [2]}))
    with pytest.raises(InputError) as caught:
        take(path)
    message = str(caught.value)
    assert all(word in message for word in [str(path), *words]), message
    assert latest(tmp_path / "snapshots", "log") == before
    assert not list((tmp_path / "snapshots" / "log").glob(".*"))


def test_a_truncated_parquet_file_is_refused(take: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame({"user": range(10_000), "item": range(10_000)}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"log\.parquet is damaged"):
        take(path)


def test_a_path_that_is_not_there(take: Ingest, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(LOG)
    with pytest.raises(InputError, match=r"There is no file .*rating\.csv.*'ratings\.csv'"):
        take(tmp_path / "rating.csv")
    (tmp_path / "void").mkdir()
    with pytest.raises(InputError, match="no files"):
        take(tmp_path / "void")


def test_a_wrong_delimiter(take: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    with pytest.raises(InputError, match=r"row 1: the delimiter ';' does not occur.*separated by ','"):
        take(path, delimiter=";")
    with pytest.raises(ConfigError, match="one character"):
        take(path, delimiter="::")


def test_a_missing_column_names_the_nearest(take: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    with pytest.raises(InputError, match=r"no column 'usr'\. Did you mean 'user'\?.*--user-col"):
        take(path, user_col="usr")
    with pytest.raises(InputError, match="both who and what"):
        take(path, user_col="item", item_col="item")
    with pytest.raises(ConfigError, match="Did you mean 'json_lines'"):
        take(path, format="json_line")


def test_rows_that_cannot_be_used_are_kept_apart(take: Ingest, tmp_path: Path) -> None:
    rows = [
        ("a,x,1,1000000000", None),
        ("b,x,1,1000000000000", "wrong_time_unit"),
        ("c,x,1,7258118400", "time_out_of_range"),
        ("d,x,1,-5", "time_out_of_range"),
        ("e,x,nan,1000000000", "non_finite_value"),
        ("f,x,-inf,1000000000", "non_finite_value"),
        ("g,x,1e300,1000000000", "non_finite_value"),
        ("h,x,many,1000000000", "unparsable_value"),
        ("i,x,,1000000000", "missing_value"),
        ("j,x,1,soon", "unparsable_time"),
        ("k,x,1,", "missing_time"),
        (",x,1,1000000000", "missing_id"),
        ("l, ,1,1000000000", "missing_id"),
        ("m" * 10_000 + ",x,1,1000000000", "id_too_long"),
        ("a,x,1,1000000000", "exact_repeat"),
        ("n,x,1", "malformed_row"),
    ]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["user,item,rating,time", *(row for row, _ in rows), "o,x,2,1000000001"]) + "\n")
    snapshot = take(path)
    bad = pl.read_parquet(snapshot.quarantine).sort("row")
    assert bad.select("row", "reason").rows() == [(n + 2, reason) for n, (_, reason) in enumerate(rows) if reason]
    assert load(snapshot).frame["user_id"].to_list() == ["a", "o"]
    assert bad.filter(pl.col("reason") == "unparsable_time").select("user", "time").row(0) == ("j", "soon")
    assert bad["user"].str.len_chars().max() == 200


def test_mixed_time_units(take: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    times = [10**9 + n if n % 10 else (10**9 + n) * 1000 for n in range(100)]
    path.write_text("user,item,time\n" + "".join(f"u{n},i,{when}\n" for n, when in enumerate(times)))
    assert take(path).counts.reasons["quarantined"] == {"wrong_time_unit": 10}
    times = [(10**9 + n) * 1000 if n % 10 else 10**9 + n for n in range(100)]
    path.write_text("user,item,time\n" + "".join(f"u{n},i,{when}\n" for n, when in enumerate(times)))
    assert take(path).counts.reasons["quarantined"] == {"wrong_time_unit": 10}


@pytest.mark.parametrize(
    ("users", "items", "kept"),
    [
        (["u"] * 5, ["a", "b", "c", "d", "e"], 5),
        (["a", "b", "c"], ["i"] * 3, 3),
        (["a", "b", "c"], ["x", "y", "z"], 3),
        (["a"] * 9, ["x"] * 9, 1),
    ],
    ids=["one user", "one item", "one interaction a user", "all identical"],
)
def test_poor_logs_are_still_logs(take: Ingest, users: list[str], items: list[str], kept: int) -> None:
    snapshot = take(pl.DataFrame({"user": users, "item": items, "time": [10**9] * len(users)}))
    assert snapshot.counts.kept == kept
    assert snapshot.counts.quarantined == len(users) - kept


def test_ids_that_differ_in_case_or_space_are_kept_apart_and_told(take: Ingest) -> None:
    snapshot = take(pl.DataFrame({"user": ["ann", "Ann", "ann ", "bob"], "item": ["x", "x", "x", "y"]}))
    assert snapshot.manifest["users"] == 4
    assert any("'Ann'" in note and "kept apart" in note for note in snapshot.manifest["notes"])


def test_filters_that_leave_nothing_say_so(take: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    with pytest.raises(InputError, match=r"none of 12 rows.*min_value 12.*--min-value"):
        take(path, min_value=10)


def _full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(("where", "place"), [(pq.ParquetWriter, "write_table"), (feather, "write_feather")])
def test_a_full_disk(where: object, place: str, take: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = pl.DataFrame({"user": range(80), "item": range(80), "rating": [n % 4 for n in range(80)]})
    before = take(log)
    with monkeypatch.context() as patch:
        patch.setattr(where, place, _full)
        with pytest.raises(StorageError, match="No space left"):
            take(log, min_value=1, batch_rows=1)
    _untouched(before, tmp_path)
    assert take(log, min_value=1, batch_rows=1).counts.filtered == 20


def test_a_place_that_may_not_be_written(take: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    path = tmp_path / "log.csv"
    path.write_text(LOG)
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match="write permission"):
        take(path)


def test_a_file_that_may_not_be_read(take: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    real: Callable[..., object] = Path.open

    def refuse(self: Path, *given: object, **others: object) -> object:
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return real(self, *given, **others)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"log\.csv may not be read"):
        take(path)


_KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from recsys_cl.config import IngestConfig
from recsys_cl.interactions import partitions
from recsys_cl.interactions.snapshot import ingest
import time

real = partitions.Writer.write
def slow(self, rows):
    real(self, rows)
    print("writing", flush=True)
    time.sleep(60)
partitions.Writer.write = slow
ingest(Path(sys.argv[1]), Path(sys.argv[2]), "log", IngestConfig(min_value=2), now=datetime(2026, 1, 1, tzinfo=UTC))
"""


def test_kill_in_the_middle(take: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    before = take(path)
    command = [sys.executable, "-c", _KILLED, str(path), str(tmp_path / "snapshots")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"writing"
        process.send_signal(signal.SIGKILL)
        process.wait()
    _untouched(before, tmp_path)
    started = time.monotonic()
    after = take(path, min_value=2)
    assert (after.reused, after.counts.kept) == (False, 6)
    assert time.monotonic() - started < 30
    assert latest(tmp_path / "snapshots", "log") == after


def _untouched(before: object, home: Path) -> None:
    """Check that the snapshot made before is the latest, whole, and the only one to be seen."""
    found = latest(home / "snapshots", "log")
    assert found is not None
    assert found == before
    verify(found)
    seen = [path for path in (home / "snapshots" / "log").iterdir() if path.is_dir() and not path.name.startswith(".")]
    assert seen == [found.folder]
    assert open_snapshot(found.folder) == found


def test_the_present_is_a_parameter(take: Ingest) -> None:
    frame = pl.DataFrame(
        {"user": ["a", "b"], "item": ["x", "y"], "time": [NOW.timestamp() - 5, NOW.timestamp() + 90_000]}
    )
    assert take(frame).counts.reasons["quarantined"] == {"time_out_of_range": 1}


@settings(max_examples=150, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.text('0123456789,\t:|; "\n\r{}aé\x00-.', max_size=80).map(str.encode),
        st.lists(
            st.sampled_from(
                [b"user,item", b"1,2", b"1::2", b"{}", b'{"user":1,"item":[2]}', b'"', b"PAR1", b"\xff", b"1 2 3"]
            )
        ).map(b"\n".join),
    ),
    reader=st.sampled_from([None, "csv", "double_colon", "recbole", "json_lines", "parquet", "adjacency"]),
    zipped=st.booleans(),
)
def test_whatever_stands_in_a_file_it_is_read_or_refused(content: bytes, reader: str | None, zipped: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(gzip.compress(content) if zipped else content)
        try:
            snapshot = ingested(path, Path(folder), format=reader)
        except InputError as error:
            if str(path) not in str(error):
                raise
        else:
            assert load(snapshot).frame.height == snapshot.counts.kept
