"""Snapshots: known by digest, whole or absent, verified, and added to."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from ingesting import Ingest

from recsys_cl.errors import InputError, IntegrityError
from recsys_cl.interactions import sources
from recsys_cl.interactions.schema import COLUMNS
from recsys_cl.interactions.snapshot import latest, load, open_snapshot


def _log(path: Path, users: range, *, start: int = 10**9) -> Path:
    rows = "".join(f"{user},{item},{start + 7 * user + item}\n" for user in users for item in range(5))
    path.write_text("user,item,time\n" + rows)
    return path


def test_the_same_input_is_read_once(take: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _log(tmp_path / "log.csv", range(9))
    first = take(path)
    with monkeypatch.context() as patch:
        patch.setattr(sources.FileSource, "read", None)
        again = take(path)
    assert (again.reused, again.folder, again.manifest) == (True, first.folder, first.manifest)
    assert take(path, batch_rows=5).reused
    other = take(path, repeats="all")
    assert not other.reused
    assert other.content_digest == first.content_digest
    assert latest(tmp_path / "snapshots", "log") == other
    copy = tmp_path / "copy.csv"
    copy.write_bytes(path.read_bytes())
    assert take(copy).digest == first.digest
    found = latest(tmp_path / "snapshots", "log")
    assert found is not None
    assert found.digest == first.digest


def test_frames_have_digests_too(take: Ingest) -> None:
    frame = pl.DataFrame({"user": ["a", "b"], "item": [1, 2]})
    assert take(frame).digest == take(frame.clone()).digest
    assert take(frame.to_pandas()).content_digest == take(frame).content_digest
    assert take(frame.reverse()).digest != take(frame).digest


def test_a_loaded_log_keeps_the_schema(take: Ingest, tmp_path: Path) -> None:
    log = load(take(_log(tmp_path / "log.csv", range(9))))
    assert log.frame.schema == pl.Schema(COLUMNS)
    assert (log.ordering, log.source) == ("time", "log.csv")
    lists = tmp_path / "lists.txt"
    lists.write_text("1 5 2\n2 3\n")
    untimed = load(take(lists, described="my lists"))
    assert untimed.frame.schema == pl.Schema(COLUMNS)
    assert untimed.frame["time"].null_count() == 3
    assert untimed.source == "my lists"


def test_there_is_no_latest_before_the_first(tmp_path: Path) -> None:
    assert latest(tmp_path, "log") is None


@pytest.mark.parametrize("what", ["flip", "cut", "remove"])
def test_a_changed_file_is_refused_by_name(what: str, take: Ingest, tmp_path: Path) -> None:
    path = _log(tmp_path / "log.csv", range(9))
    snapshot = take(path)
    file = next((snapshot.folder / "interactions").rglob("*.parquet"))
    content = bytearray(file.read_bytes())
    if what == "flip":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif what == "cut":
        file.write_bytes(content[:-5])
    else:
        file.unlink()
    with pytest.raises(IntegrityError, match=file.name):
        load(snapshot)
    if what != "flip":  # a flipped bit is found when the log is loaded
        mended = take(path)
        assert not mended.reused
        assert load(mended).frame.height == 45


def test_a_damaged_manifest_is_refused(take: Ingest, tmp_path: Path) -> None:
    snapshot = take(_log(tmp_path / "log.csv", range(9)))
    (snapshot.folder / "manifest.json").write_text('{"digest": ')
    with pytest.raises(IntegrityError, match=r"manifest\.json"):
        open_snapshot(snapshot.folder)


def test_new_files_make_a_snapshot_that_names_its_parent(take: Ingest, tmp_path: Path) -> None:
    old, new = _log(tmp_path / "old.csv", range(6)), _log(tmp_path / "new.csv", range(4, 9))
    parent = take(old)
    child = take(new, append=True)
    assert child.manifest["parent"] == parent.digest
    assert child.counts.read == 30 + 25
    assert child.counts.from_parent == 30
    assert child.counts.reasons["quarantined"] == {"exact_repeat": 10}
    assert set(pl.read_parquet(child.quarantine)["source"]) == {str(new)}
    together = take([old, new])
    assert load(child).frame.equals(load(together).frame)
    assert child.content_digest == together.content_digest
    assert open_snapshot(parent.folder) == parent


def test_adding_twice_adds_once(take: Ingest, tmp_path: Path) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    _log(folder / "1.csv", range(3))
    first = take(folder, append=True)
    assert take(folder, append=True).reused
    _log(folder / "2.csv", range(3, 5))
    second = take(folder, append=True)
    assert second.manifest["parent"] == first.digest
    assert second.counts.kept == 25
    assert take(folder, append=True) == second.__class__(second.folder, second.manifest, reused=True)


def test_what_is_put_aside_leaves_the_latest_the_latest(take: Ingest, tmp_path: Path) -> None:
    snapshots = tmp_path / "snapshots"
    first = take(_log(tmp_path / "a.csv", range(3)), aside=True)
    assert latest(snapshots, "log") == first, "there was none yet"
    aside = take(_log(tmp_path / "b.csv", range(4)), aside=True)
    assert latest(snapshots, "log") == first
    assert load(aside).frame["user_id"].n_unique() == 4
    assert take(tmp_path / "b.csv", aside=True).reused
    assert latest(snapshots, "log") == first
    take(tmp_path / "b.csv")
    found = latest(snapshots, "log")
    assert found is not None
    assert found.digest == aside.digest


def test_cores_are_found_over_old_and_new_rows(take: Ingest) -> None:
    old = pl.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"], "time": [10**9, 10**9 + 1, 10**9 + 2]})
    new = pl.DataFrame({"user": ["b", "b"], "item": ["y", "z"], "time": [10**9 + 3, 10**9 + 4]})
    take(old)
    child = take(new, append=True, user_core=2, item_core=2)
    assert child.counts.reasons["filtered"] == {"user_or_item_core": 1}
    assert child.counts.kept == 4


def test_floats_added_to_integers_are_the_same_users(take: Ingest, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item,time\n17850,x,1000000000\n")
    (tmp_path / "b.csv").write_text("user,item,time\n17850.0,y,1000000001\n17851.0,y,1000000002\n")
    take(tmp_path / "a.csv")
    child = load(take(tmp_path / "b.csv", append=True))
    assert child.frame["user_id"].to_list() == ["17850", "17850", "17851"]
    assert child.user_kind == "integer"


def test_logs_that_do_not_fit_together(take: Ingest, tmp_path: Path) -> None:
    path = _log(tmp_path / "log.csv", range(4))
    (tmp_path / "untimed.csv").write_text("user,item\na,b\n")
    take(path)
    with pytest.raises(InputError, match=r"ordered by 'none'.*--append"):
        take(tmp_path / "untimed.csv", append=True)
    with pytest.raises(InputError, match="only one has times"):
        take([path, tmp_path / "untimed.csv"])


ITEM_FILES = {
    "movies.csv": b'movieId,title,genres\n0,"Up, and away",A|B\n1,Plain,(no genres listed)\n,lost,A\n',
    "movies.dat": "0::Up, and away::A|B\n1::Plain::(no genres listed)\n::lost::A\n".encode("latin-1"),
    "log.item": b"item_id:token\ttitle:token_seq\tclass:token_seq\n0\tUp, and away\tA B\n1\tPlain\t\n\tlost\tA\n",
    "items.jsonl": b'{"item_id": 0, "title": "Up, and away", "category": "A|B"}\n'
    b'{"item_id": "1", "title": "Plain"}\n{"title": "lost"}\n',
}


@pytest.mark.parametrize("name", ITEM_FILES)
def test_items_beside_the_log(name: str, take: Ingest, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(ITEM_FILES[name])
    snapshot = take(_log(tmp_path / "log.csv", range(3)), items=tmp_path / name)
    items = load(snapshot).items
    assert items is not None
    assert items.select("item_id", "title").rows() == [("0", "Up, and away"), ("1", "Plain")]
    assert items["categories"].to_list() in ([["A", "B"], []], [["A", "B"], None])
    assert any("3 items of the log have no title" in note for note in snapshot.manifest["notes"])
    assert take(tmp_path / "log.csv").content_digest == snapshot.content_digest
    assert load(take(tmp_path / "log.csv")).digest != load(snapshot).digest


def test_items_within_the_log(take: Ingest) -> None:
    frame = pl.DataFrame(
        {"user": ["a", "b", "c"], "item": [1, 2, 1], "title": ["One", "Two", "Uno"], "genres": ["A|B", "C", "D"]}
    )
    items = load(take(frame)).items
    assert items is not None
    assert items.rows() == [("1", "One", ["A", "B"]), ("2", "Two", ["C"])]


def test_what_was_inferred_is_told(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from recsys_cl.config import IngestConfig
    from recsys_cl.interactions.snapshot import ingest
    from recsys_cl.progress import Reporter

    told: list[str] = []

    class Listener(Reporter):
        def say(self, text: str) -> None:
            told.append(text)

    path = _log(tmp_path / "log.csv", range(4))
    ingest(path, tmp_path / "s", "log", IngestConfig(), now=datetime(2026, 1, 1, tzinfo=UTC), reporter=Listener())
    assert told == [f"{path}: csv, delimiter ','; user = 'user', item = 'item', time = 'time' (seconds)"]
