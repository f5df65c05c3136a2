"""Candidates for everyone: what `recommend` gives, whole or not at all, taken up again where a kill left them."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recsys_cl.config import CandidatesConfig
from recsys_cl.errors import ConfigError, InputError, IntegrityError, RecsysError, StorageError
from recsys_cl.retrieval.candidates import write_candidates
from recsys_cl.retrieval.id_files import read_ids
from recsys_cl.retrieval.retriever import Retriever

CONFIG = CandidatesConfig(k=6, batch_users=7)
COLUMNS = ["user_id", "item_id", "score", "rank", "source", "version"]


@pytest.fixture
def ranked(monkeypatch) -> list[int]:
    """Sizes of the batches that are searched from here on."""
    sizes: list[int] = []
    search = Retriever.rank_with_source

    def counted(self, queries, k, **options):
        sizes.append(len(queries))
        return search(self, queries, k, **options)

    monkeypatch.setattr(Retriever, "rank_with_source", counted)
    return sizes


@pytest.fixture
def killed_at(monkeypatch) -> Callable[[int], None]:
    """Makes the search of a batch end as a kill would, so many batches from now."""

    def kill(batch: int) -> None:
        search, calls = Retriever.rank_with_source, iter(range(10**6))

        def cut_short(self, queries, k, **options):
            if next(calls) == batch:
                raise KeyboardInterrupt
            return search(self, queries, k, **options)

        monkeypatch.setattr(Retriever, "rank_with_source", cut_short)

    return kill


def test_everyone_gets_what_recommend_gives(retriever, tmp_path):
    out = tmp_path / "new" / "candidates.parquet"
    result = write_candidates(retriever, None, out, CONFIG)
    table = pl.read_parquet(out)
    assert table.columns == COLUMNS
    users = retriever.bundle.vocabulary.users_as_written()
    assert_frame_equal(table.drop("version"), retriever.recommend(users, k=6))
    assert (result.rows, result.users, result.fallback_users) == (table.height, 40, 0)
    assert result.version == retriever.version
    assert table["version"].unique().to_list() == [retriever.version]
    assert [path.name for path in out.parent.iterdir()] == ["candidates.parquet"]
    assert json.loads(json.dumps(result.describe()))["path"] == str(out)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_other_formats_hold_the_same(retriever, tmp_path, suffix):
    parquet, other = tmp_path / "a.parquet", tmp_path / f"a{suffix}"
    users = pl.Series([10, 99_999])
    for out in (parquet, other):
        write_candidates(retriever, users, out, CONFIG)
    read = pl.read_csv if suffix == ".csv" else pl.read_ndjson
    overrides = {"score": pl.Float32, "rank": pl.Int32, "version": pl.String}
    assert_frame_equal(read(other, schema_overrides=overrides), pl.read_parquet(parquet))


def test_users_of_a_file_in_their_order(retriever, tmp_path):
    (tmp_path / "users.txt").write_text("49\n99999\n\n10\n49\n")
    users = read_ids(tmp_path / "users.txt", "user_id")
    result = write_candidates(retriever, users, tmp_path / "a.parquet", CONFIG)
    table = pl.read_parquet(tmp_path / "a.parquet")
    assert_frame_equal(table.drop("version"), retriever.recommend([49, 99999, 10, 49], k=6))
    assert (result.users, result.fallback_users) == (4, 1)


def test_lists_and_settings_are_kept_to(retriever, tmp_path):
    (tmp_path / "allow.txt").write_text("\n".join(f"i{n:04d}" for n in range(12)))
    (tmp_path / "deny.csv").write_text("item_id,why\ni0003,sold out\ni0004,sold out\n")
    config = CandidatesConfig(k=20, exclude_seen=False, allow=tmp_path / "allow.txt", deny=tmp_path / "deny.csv")
    write_candidates(retriever, None, tmp_path / "a.parquet", config)
    table = pl.read_parquet(tmp_path / "a.parquet")
    assert set(table["item_id"]) == {f"i{n:04d}" for n in range(12) if n not in {3, 4}}
    assert table.height == 40 * 10


def test_a_killed_run_goes_on_where_it_stopped(retriever, tmp_path, killed_at, monkeypatch, request):
    whole, out = tmp_path / "whole.parquet", tmp_path / "out.parquet"
    write_candidates(retriever, None, whole, CONFIG)
    killed_at(3)
    with pytest.raises(KeyboardInterrupt):
        write_candidates(retriever, None, out, CONFIG)
    monkeypatch.undo()
    assert not out.exists()
    ranked = request.getfixturevalue("ranked")
    write_candidates(retriever, None, out, CONFIG)
    assert ranked == [7, 7, 5]  # six batches, of which three were done
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.parquet", "whole.parquet"]


def test_a_kill_while_the_table_is_written_searches_nothing_again(retriever, tmp_path, monkeypatch, ranked):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out.parquet"
    out.write_text("what was there before")
    with monkeypatch.context() as patched:
        patched.setattr("pyarrow.parquet.ParquetWriter.write_table", fail)
        with pytest.raises(StorageError, match="No space left"):
            write_candidates(retriever, None, out, CONFIG)
    assert out.read_text() == "what was there before"
    ranked.clear()
    write_candidates(retriever, None, out, CONFIG)
    assert ranked == []
    assert pl.read_parquet(out).height == 240


@pytest.mark.parametrize(
    ("config", "users"),
    [(CandidatesConfig(k=5, batch_users=7), None), (CONFIG, pl.Series(range(10, 49)))],
)
def test_parts_of_another_question_are_not_used(retriever, tmp_path, killed_at, monkeypatch, config, users):
    out = tmp_path / "out.parquet"
    killed_at(3)
    with pytest.raises(KeyboardInterrupt):
        write_candidates(retriever, None, out, CONFIG)
    monkeypatch.undo()
    write_candidates(retriever, users, out, config)
    asked = retriever.bundle.vocabulary.users_as_written() if users is None else users
    assert_frame_equal(pl.read_parquet(out).drop("version"), retriever.recommend(asked, k=config.k))
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


LOG = pl.DataFrame({"user_id": [*range(5, 45), 5, 6], "item_id": [f"i{n % 30:04d}" for n in range(42)]})


def test_a_folded_log_tells_whom_there_is_and_what_they_have_seen(retriever, tmp_path):
    folded = retriever.fold_in(LOG)
    result = write_candidates(folded, None, tmp_path / "a.parquet", CONFIG)
    table = pl.read_parquet(tmp_path / "a.parquet")
    users = sorted(range(5, 45), key=str)
    assert table["user_id"].unique(maintain_order=True).to_list() == users
    assert_frame_equal(table.drop("version"), folded.recommend(users, k=6))
    assert table.join(LOG, on=["user_id", "item_id"]).height == 0
    assert (result.users, result.fallback_users) == (40, 0)
    asked = pl.Series([5, 99_999, 44, 48])  # new, unknown, known to both, known to the bundle alone
    result = write_candidates(folded, asked, tmp_path / "b.parquet", CONFIG)
    assert_frame_equal(pl.read_parquet(tmp_path / "b.parquet").drop("version"), folded.recommend(asked, k=6))
    assert (result.users, result.fallback_users) == (4, 1)


@pytest.mark.parametrize("log", [None, LOG.reverse(), LOG[:-1]], ids=["none", "other order", "a row less"])
@pytest.mark.parametrize("users", [None, pl.Series(range(5, 45))], ids=["everyone", "some"])
def test_batches_of_different_histories_are_never_mixed(retriever, tmp_path, killed_at, monkeypatch, log, users):
    out, other = tmp_path / "out.parquet", retriever if log is None else retriever.fold_in(log)
    killed_at(3)
    with pytest.raises(KeyboardInterrupt):
        write_candidates(retriever.fold_in(LOG), users, out, CONFIG)
    monkeypatch.undo()
    write_candidates(other, users, out, CONFIG)
    asked = other.user_ids if users is None else users
    assert_frame_equal(pl.read_parquet(out).drop("version"), other.recommend(asked, k=6))
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_a_killed_run_with_a_log_goes_on_where_it_stopped(retriever, tmp_path, killed_at, monkeypatch, request):
    out = tmp_path / "out.parquet"
    killed_at(3)
    with pytest.raises(KeyboardInterrupt):
        write_candidates(retriever.fold_in(LOG), None, out, CONFIG)
    monkeypatch.undo()
    ranked = request.getfixturevalue("ranked")
    write_candidates(retriever.fold_in(LOG), None, out, CONFIG)
    assert ranked == [7, 7, 5]
    again = retriever.fold_in(LOG)
    assert_frame_equal(pl.read_parquet(out).drop("version"), again.recommend(again.user_ids, k=6))


def test_a_damaged_part_is_named(retriever, tmp_path, killed_at, monkeypatch):
    killed_at(3)
    with pytest.raises(KeyboardInterrupt):
        write_candidates(retriever, None, tmp_path / "out.parquet", CONFIG)
    monkeypatch.undo()
    part = next(tmp_path.rglob("*.safetensors"))
    part.write_bytes(b"x")
    with pytest.raises(IntegrityError, match=part.name):
        write_candidates(retriever, None, tmp_path / "out.parquet", CONFIG)


def test_what_cannot_be_written(retriever, tmp_path):
    with pytest.raises(ConfigError, match=r"out\.xlsx cannot be written; end its name in \.parquet, \.csv, \.jsonl"):
        write_candidates(retriever, None, tmp_path / "out.xlsx", CONFIG)
    with pytest.raises(InputError, match="'abc', but this model's user_id are integers"):
        write_candidates(retriever, pl.Series(["abc"]), tmp_path / "out.parquet", CONFIG)
    with pytest.raises(RecsysError, match="write it, then load it"):
        write_candidates(Retriever(retriever.bundle, "toy"), None, tmp_path / "out.parquet", CONFIG)
    assert list(tmp_path.iterdir()) == []


IDS = ["007", "a b", "é"]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("ids.txt", lambda path: path.write_text("007\na b\né\n", encoding="utf-8")),
        ("ids.txt", lambda path: path.write_bytes("\ufeffuser_id\r\n007\r\na b\r\né".encode())),
        ("ids.csv", lambda path: path.write_text('more,user_id\n1,007\n2,"a b"\n3,é\n', encoding="utf-8")),
        ("ids.tsv", lambda path: path.write_text("anything\n007\na b\né\n", encoding="utf-8")),
        ("ids.parquet", lambda path: pl.DataFrame({"user_id": IDS, "more": [1, 2, 3]}).write_parquet(path)),
    ],
)
def test_ids_of_a_file_are_read_as_they_stand(tmp_path, name, write):
    write(tmp_path / name)
    assert read_ids(tmp_path / name, "user_id").to_list() == IDS


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("ids.txt", b"\n\n", "holds no user_id"),
        ("ids.txt", b"\xff\xfe\x00", "cannot be read as a list of user_ids"),
        ("ids.parquet", b"PAR1", "cannot be read as a list of user_ids"),
        ("ids.csv", b"user,item\n1,2\n", "has no column 'user_id'; it has user, item"),
        ("ids.csv", b"user_id,item\n1,2\n,3\n", "Row 1 of user_id is null"),
        ("ids.csv", b"", "cannot be read as a list of user_ids"),
    ],
)
def test_a_file_without_ids_is_named(tmp_path: Path, name: str, content: bytes, why: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=why):
        read_ids(tmp_path / name, "user_id")
    with pytest.raises(InputError, match=r"none\.txt cannot be read"):
        read_ids(tmp_path / "none.txt", "user_id")
