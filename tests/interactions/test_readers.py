"""One log in every format is one log."""

from __future__ import annotations

import csv
import gzip
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ingesting import Ingest, ingested

from recsys_cl.families import member, members
from recsys_cl.interactions.snapshot import load

READERS = "recsys_cl.interactions.readers"
Rows = list[tuple[int, int, float, int]]

ROWS: Rows = [(7, 100 + n % 5, 1 + n % 4, 1_000_000_000 + 86_400 * n) for n in range(40)]
ROWS += [(8 + n % 9, 100 + n % 6, 2.5, 1_100_000_000 + n) for n in range(40)]


def _csv(path: Path, rows: Rows, delimiter: str = ",", header: bool = True) -> None:
    lines = [delimiter.join(map(str, row)) for row in rows]
    names = delimiter.join(["user_id", "item_id", "rating", "timestamp"])
    path.write_text("\n".join([names, *lines] if header else lines) + "\n")


def _tsv(path: Path, rows: Rows) -> None:
    _csv(path, rows, "\t", header=False)


def _semicolons(path: Path, rows: Rows) -> None:
    _csv(path, rows, ";")


def _quoted(path: Path, rows: Rows) -> None:
    path.write_text(
        '"userId","movieId","rating","ts"\r\n' + "".join(f'"{u}","{i}",{v},"{t}"\r\n' for u, i, v, t in rows)
    )


def _dat(path: Path, rows: Rows) -> None:
    _csv(path, rows, "::", header=False)


def _inter(path: Path, rows: Rows) -> None:
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    path.write_text("\n".join([*lines, *("\t".join(map(str, row)) for row in rows)]) + "\n")


def _jsonl(path: Path, rows: Rows) -> None:
    path.write_text(
        "".join(json.dumps({"user": u, "item": str(i), "score": v, "time": t}) + "\n" for u, i, v, t in rows)
    )


def _gzipped(path: Path, rows: Rows) -> None:
    _csv(path, rows)
    path.write_bytes(gzip.compress(path.read_bytes()))


def _frame(rows: Rows) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["CustomerID", "product_id", "quantity", "when"], orient="row")
    return frame.with_columns(pl.col("CustomerID").cast(pl.Float64), pl.from_epoch("when").alias("when"))


def _parquet(path: Path, rows: Rows) -> None:
    _frame(rows).write_parquet(path)


def _milliseconds(path: Path, rows: Rows) -> None:
    _csv(path, [(u, i, v, t * 1000) for u, i, v, t in rows])


def _iso(path: Path, rows: Rows) -> None:
    times = [str(pd.Timestamp(t, unit="s").isoformat()) + "Z" for *_, t in rows]
    path.write_text(
        "uid,iid,stars,date\n" + "".join(f"{u},{i},{v},{t}\n" for (u, i, v, _), t in zip(rows, times, strict=True))
    )


FORMATS: dict[str, Callable[[Path, Rows], None]] = {
    "log.csv": _csv,
    "u.data": _tsv,
    "semi.csv": _semicolons,
    "quoted.csv": _quoted,
    "ratings.dat": _dat,
    "log.inter": _inter,
    "log.jsonl": _jsonl,
    "log.csv.gz": _gzipped,
    "log.parquet": _parquet,
    "ms.csv": _milliseconds,
    "iso.csv": _iso,
}


@pytest.mark.parametrize("file", FORMATS)
@pytest.mark.parametrize("batch_rows", [1, 500_000])
def test_every_format_gives_the_same_log(file: str, batch_rows: int, tmp_path: Path) -> None:
    path = tmp_path / file
    FORMATS[file](path, ROWS)
    snapshot = ingested(path, tmp_path, batch_rows=batch_rows)
    reference = ingested(_frame(ROWS), tmp_path, name="frame")
    assert snapshot.counts == reference.counts
    assert snapshot.content_digest == reference.content_digest
    log, expected = load(snapshot), load(reference)
    assert log.frame.equals(expected.frame)
    assert (log.digest, log.user_kind, log.item_kind) == (expected.digest, "integer", "integer")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from([1.0, 2.5]), st.integers(10**9, 10**9 + 3)),
        min_size=3,
        max_size=30,
    ),
    batch_rows=st.integers(1, 40),
    repeats=st.sampled_from(["first", "last", "all"]),
)
def test_formats_and_batches_do_not_matter(rows: Rows, batch_rows: int, repeats: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        digests = set()
        for file in ("log.csv", "log.inter", "log.jsonl", "log.parquet"):
            FORMATS[file](home / file, rows)
            digests.add(ingested(home / file, home, batch_rows=batch_rows, repeats=repeats).content_digest)
        assert len(digests) == 1


def test_every_reader_is_recognised_by_what_it_reads(tmp_path: Path) -> None:
    files = {"csv": "log.csv", "double_colon": "ratings.dat", "recbole": "log.inter", "json_lines": "log.jsonl"}
    files |= {"parquet": "log.parquet", "adjacency": "lists.txt"}
    assert set(files) == set(members(READERS))
    for name, file in files.items():
        path = tmp_path / file
        if name == "adjacency":
            path.write_text("0 1 2 3\n1 5\n2 7 8\n")
        else:
            FORMATS[file](path, ROWS)
        head = path.read_bytes()
        likeness = {other: member(READERS, other).likeness(head, file) for other in members(READERS)}
        assert max(likeness, key=lambda other: likeness[other]) == name
        assert list(likeness.values()).count(likeness[name]) == 1


def test_ids_stay_as_they_were_written(take: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    users = ["007", "7", "Ünïcode ☃", "a,b", 'say "hi"', "17850.0", " x", "1e5", "+5", "NA"]
    pl.DataFrame({"user": users, "item": [f"i{n % 3}" for n in range(10)]}).write_csv(path)
    log = load(take(path))
    assert sorted(log.frame["user_id"]) == sorted(users)
    assert (log.user_kind, log.item_kind) == ("string", "string")


@pytest.mark.parametrize("text", ["{}.0", "{}"])
def test_floats_that_are_integers_are_integers(take: Ingest, tmp_path: Path, text: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item\n" + "".join(f"{text.format(17850 + n)},i{n}\n" for n in range(5)))
    log = load(take(path))
    assert log.frame["user_id"].to_list() == [str(17850 + n) for n in range(5)]
    assert log.user_kind == "integer"


def test_integers_beyond_64_bits_are_text(take: Ingest) -> None:
    log = load(take(pl.DataFrame({"user": [str(2**63), "5"], "item": [1, 2]})))
    assert log.user_kind == "string"
    assert load(take(pl.DataFrame({"user": [str(2**63 - 1), "-5"], "item": [1, 2]}))).user_kind == "integer"


def test_pandas_frames_are_read(take: Ingest) -> None:
    frame = pd.DataFrame(
        {
            "user": [1.0, 2.0, float("nan"), 1.0],
            "item": ["a", "b", "c", None],
            "rating": [1.0, float("nan"), 2.0, 3.0],
            "time": pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04"]),
        },
        index=[5, 5, 6, 7],
    )
    snapshot = take(frame)
    assert load(snapshot).frame["user_id"].to_list() == ["1"]
    assert snapshot.counts.reasons["quarantined"] == {"missing_id": 2, "non_finite_value": 1}
    mixed = pd.DataFrame({"user": [1, "x", None], "item": [1, 2, 3]})
    assert load(take(mixed)).frame["user_id"].to_list() == ["1", "x"]


def test_folder_and_hive_partitions(take: Ingest, tmp_path: Path) -> None:
    folder = tmp_path / "hive"
    for user in (1, 2):
        (folder / f"user_id={user}").mkdir(parents=True)
        frame = pl.DataFrame({"item_id": [10 * user, 11], "time": [10**9, 10**9 + 1]})
        frame.write_parquet(folder / f"user_id={user}" / "part-0.parquet")
    (folder / "_SUCCESS").touch()
    log = load(take(folder))
    assert sorted(log.frame.select("user_id", "item_id").rows()) == [("1", "10"), ("1", "11"), ("2", "11"), ("2", "20")]
    days = tmp_path / "days"
    days.mkdir()
    (days / "b.csv").write_text("item,user\nb,u\n")
    (days / "a.csv").write_text("user,item\nu,a\n")
    (days / "c.csv").touch()
    assert load(take(days)).frame["item_id"].to_list() == ["a", "b"]
    both = take([days / "b.csv", days / "a.csv"])
    assert load(both).frame["item_id"].to_list() == ["b", "a"]


def test_latin_1_is_read(take: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "log.dat"
    path.write_bytes("1::Amélie::5::978300760\n2::Señor::4::978300761\n".encode("latin-1"))
    assert load(take(path)).frame["item_id"].to_list() == ["Amélie", "Señor"]


def test_adjacency_with_a_given_test(take: Ingest, tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0 5 3 4\n1 3\n\n2\t9 8 \n")
    (tmp_path / "test.txt").write_text("0 9\n2 3 5\n")
    snapshot = take(tmp_path / "train.txt", test=tmp_path / "test.txt")
    frame = load(snapshot).frame
    assert frame.filter(pl.col("part") == "test").select("user_id", "item_id").rows() == [
        ("0", "9"),
        ("2", "3"),
        ("2", "5"),
    ]
    assert frame.filter(pl.col("part") == "train")["item_id"].to_list() == ["5", "3", "4", "3", "9", "8"]
    assert load(snapshot).ordering == "none"
    alone = load(take(tmp_path / "train.txt"))
    assert alone.ordering == "order"
    assert load(take(tmp_path / "train.txt", ordered=False)).ordering == "none"


def test_a_user_without_items_is_quarantined(take: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "lists.txt"
    path.write_text("0 5 3\n1\n2 9 8 7\n")
    snapshot = take(path)
    rows = pl.read_parquet(snapshot.quarantine).select("row", "reason", "user", "item").rows()
    assert rows == [(2, "missing_id", "1", None)]


def test_quotes_over_lines_and_broken_rows(take: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        'user,item,note\nu1,"a\nb",x\nu2,c,"fine, really"\nu3,d\nu4,e,f,g\n\nu5,h,5" disc\nu6,i,x\nu7,"j ""k""",y\n'
    )
    snapshot = take(path)
    assert load(snapshot).frame["user_id"].to_list() == ["u1", "u2", "u6", "u7"]
    assert load(snapshot).frame["item_id"].to_list() == ["a\nb", "c", "i", 'j "k"']
    bad = pl.read_parquet(snapshot.quarantine)
    assert bad.select("row", "raw").rows() == [(5, "u3,d"), (6, "u4,e,f,g"), (8, 'u5,h,5" disc')]
    assert set(bad["reason"]) == {"malformed_row"}


@pytest.mark.parametrize("batch_rows", [20, 1000])
def test_row_numbers_are_those_a_person_counts(take: Ingest, tmp_path: Path, batch_rows: int) -> None:
    lines = [f"u{n},i{n},{10**9 + n}" for n in range(3000)]
    for number in (5, 1500, 2998):
        lines[number] = f",i{number},{10**9}"
    lines[700] = "u,i"
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["user,item,time", *lines]) + "\n")
    bad = pl.read_parquet(take(path, batch_rows=batch_rows).quarantine).sort("row")
    assert bad["row"].to_list() == [7, 702, 1502, 3000]
    assert bad["source"].unique().to_list() == [str(path)]


def test_undecodable_rows_are_quarantined(take: Ingest, tmp_path: Path) -> None:
    good = "".join(f"ü{n},i{n}\n" for n in range(200_000))
    path = tmp_path / "log.csv"
    path.write_bytes(b"user,item\n" + good.encode() + b"u\xff,i1\n")
    snapshot = take(path)
    assert snapshot.counts.reasons["quarantined"] == {"undecodable": 1}
    assert pl.read_parquet(snapshot.quarantine).select("row", "raw").row(0) == (200_002, "u\\xff,i1")


def test_broken_json_lines_are_quarantined(take: Ingest, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"user": 1, "item": 2}\nnot json\n{"user": "007", "item": 1.0}\n[1]\n5\n{"user": 3, "it')
    snapshot = take(path)
    assert load(snapshot).frame.select("user_id", "item_id").rows() == [("1", "2"), ("007", "1")]
    bad = pl.read_parquet(snapshot.quarantine).sort("row")
    assert bad["row"].to_list() == [2, 4, 5, 6]
    assert bad["reason"].unique().to_list() == ["malformed_row"]


@settings(max_examples=25, deadline=None)
@given(
    ids=st.lists(
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=6), min_size=1
    ),
    delimiter=st.sampled_from([",", "\t", ";", "|"]),
    batch_rows=st.sampled_from([1, 500]),
)
def test_ids_of_any_kind_survive(ids: list[str], delimiter: str, batch_rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL)
            writer.writerows([["user", "item"], ["known", "item"], *([one, f"i{n}"] for n, one in enumerate(ids))])
        snapshot = ingested(path, Path(folder), delimiter=delimiter, header=True, ordered=True, batch_rows=batch_rows)
        # Python counts the four separators of ASCII as white space, Unicode does not.
        expected = ["known", *(one for one in ids if one.strip() or set(one) & set("\x1c\x1d\x1e\x1f"))]
        assert load(snapshot).frame["user_id"].to_list() == expected
        assert snapshot.counts.read == len(ids) + 1
