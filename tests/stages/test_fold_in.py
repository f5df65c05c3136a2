"""Candidates from a log that came after training: who is served, what is told, what stays, what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from recsys_cl.retrieval.candidates import _Work
from recsys_cl.retrieval.retriever import Retriever

START = 1_700_000_000


@pytest.fixture
def shop(finished, tmp_path, tiny_log, recsys):
    """A workspace that holds the log of a trained model, the model's bundle, and a way to fold in."""
    home, result = finished
    place = tmp_path / "home"
    shutil.copytree(home / "data" / "snapshots", place / "data" / "snapshots")
    store = ["--home", place, "--tracking-uri", f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"]

    def fold(*arguments: object):
        return recsys("candidates", *store, "-q", "--k", 4, *arguments)

    return SimpleNamespace(home=place, result=result, fold=fold, retriever=Retriever.load(result["bundle"]))


def write_log(path: Path, rows: list[tuple[str, str]]) -> Path:
    lines = [f"{user},{item},{START + 60 * n}" for n, (user, item) in enumerate(rows)]
    path.write_text("\n".join(["user,item,time", *lines]) + "\n")
    return path


@pytest.fixture
def today(tmp_path, shop):
    """One user the model knows, one it has never seen, and an item it has never seen."""
    known, items = shop.retriever.user_ids[0], shop.retriever.bundle.items["item_id"]
    rows = [(known, items[0]), ("ann", items[1]), (known, "brand new"), ("ann", items[2]), ("ann", "brand new")]
    return write_log(tmp_path / "today.csv", rows)


def latest(home: Path) -> str:
    return (home / "data" / "snapshots" / "tiny" / "LATEST").read_text()


def test_users_of_the_log_known_and_new_are_served_by_it(shop, today):
    before = latest(shop.home)
    done = shop.fold("--name", "tiny", "--input", today, "--json")
    told = json.loads(done.stdout)
    known, items = shop.retriever.user_ids[0], shop.retriever.bundle.items["item_id"]
    assert told["name"] == "tiny"
    assert told["rows"]["kept"] == 5
    assert told["folded_in"] == {
        "users": 2,
        "new_users": 1,
        "interactions": 3,
        "unknown_interactions": 2,
        "unknown_items": 1,
        "notes": [],
    }
    assert (told["candidates"]["users"], told["candidates"]["fallback_users"]) == (2, 0)
    table = pl.read_parquet(told["candidates"]["path"])
    histories = pl.DataFrame({"user_id": ["ann", "ann", known], "item_id": [items[1], items[2], items[0]]})
    wanted = shop.retriever.recommend_from_history(histories, k=4).drop("ignored")
    assert table.drop("version").equals(wanted)
    assert latest(shop.home) == before, "what is served does not decide what the next training learns from"


def test_the_name_is_the_models_and_need_not_be_said_where_there_is_one(shop, today):
    told = json.loads(shop.fold("--input", today, "--json").stdout)
    assert told["name"] == "tiny"
    assert told["candidates"]["path"] == str(shop.home / "data" / "candidates" / "tiny" / "candidates.parquet")
    apart = json.loads(shop.fold("--from", shop.result["bundle"], "--input", today, "--json").stdout)
    assert apart["name"] == "today"
    unclear = shop.fold("--input", today)
    assert unclear.exit_code == 2
    assert "Give --name; there are several: tiny, today." in unclear.stderr


def test_appended_to_the_latest_snapshot_everyone_is_served(shop, today, tiny_log):
    told = json.loads(shop.fold("--input", today, "--append", "--json").stdout)
    assert told["snapshot"]["parent"] is not None
    assert told["folded_in"]["new_users"] >= 1
    assert told["candidates"]["users"] == told["folded_in"]["users"] == told["snapshot"]["users"]
    assert told["candidates"]["users"] >= len(shop.retriever.user_ids) + 1
    assert latest(shop.home).strip() == Path(told["snapshot"]["folder"]).name
    again = json.loads(shop.fold("--latest", "--json").stdout)
    assert again["snapshot"]["digest"] == told["snapshot"]["digest"]
    assert again["folded_in"] == told["folded_in"]


def test_the_latest_snapshot_holds_what_was_kept_for_the_test(shop):
    told = json.loads(shop.fold("--latest", "--json").stdout)
    held = int(shop.retriever.bundle.histories.lengths.sum())
    assert told["folded_in"]["interactions"] > held
    kept = told["folded_in"]["interactions"] + told["folded_in"]["unknown_interactions"]
    assert kept == shop.result["rows"]["kept"]


def test_users_of_a_file_in_their_order(shop, today, tmp_path):
    known, absent = shop.retriever.user_ids[:2]
    (tmp_path / "users.txt").write_text(f"nobody\n{absent}\nann\n{known}\n")
    out = tmp_path / "some.csv"
    done = shop.fold("--input", today, "--for", tmp_path / "users.txt", "--out", out, "--json")
    told = json.loads(done.stdout)["candidates"]
    assert (told["users"], told["fallback_users"]) == (4, 1)
    table = pl.read_csv(out)
    assert table["user_id"].unique(maintain_order=True).to_list() == ["nobody", absent, "ann", known]
    from_bundle = shop.retriever.recommend([absent], k=4)["item_id"]
    assert table.filter(user_id=absent)["item_id"].to_list() == from_bundle.to_list()


def test_without_a_log_nothing_changes(shop):
    told = json.loads(shop.fold("--name", "tiny", "--json").stdout)
    assert list(told) == ["candidates"]
    assert told["candidates"]["users"] == len(shop.retriever.user_ids)
    table = pl.read_parquet(told["candidates"]["path"]).drop("version")
    assert table.equals(shop.retriever.recommend(shop.retriever.user_ids, k=4))


def test_people_are_told(shop, today, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = shop.fold("--input", today).stdout
    assert "Log         tiny, from today.csv\n" in shown
    assert "Folded in   3 interactions of 2 users, 1 of them new\n" in shown
    flat = " ".join(shown.split())
    assert "2 interactions left out: the model does not know their items (1), which need the next training" in flat
    assert "Candidates 8 for 2 users, by version 1" in flat
    assert all(len(line) <= 80 for line in shown.splitlines() if str(shop.home) not in line)


def test_it_is_told_where_the_log_is_read_otherwise_than_the_models(shop, today, tmp_path, monkeypatch):
    bare = pl.read_csv(today).drop("time")
    bare.write_csv(tmp_path / "bare.csv")
    done = shop.fold("--name", "tiny", "--input", tmp_path / "bare.csv", "--no-ordered", "--json")
    assert json.loads(done.stdout)["folded_in"]["notes"] == [
        "The model heeds the order of a history, of which this log tells nothing."
    ]
    bundle = shop.retriever.bundle
    config = {**bundle.config, "ingest": bundle.config["ingest"] | {"min_value": 4.0}}
    choosy = replace(shop.retriever, bundle=replace(bundle, config=config))
    monkeypatch.setattr(Retriever, "load", lambda _: choosy)
    for flags, other in (([], "without"), (["--min-value", 1], "with 1")):
        done = shop.fold("--name", "tiny", "--input", today, *flags, "--json")
        assert json.loads(done.stdout)["folded_in"]["notes"] == [
            f"The log that the model learned from was read with --min-value 4, this one {other}."
        ]


def test_a_run_that_was_killed_goes_on_with_the_same_log_alone(shop, today, tmp_path, monkeypatch):
    search, searched = _Work.search, []

    def cut_short(self, parts, start):
        if len(searched) == 1:
            raise KeyboardInterrupt
        searched.append(start)
        search(self, parts, start)

    def counted(self, parts, start):
        before = len(list(parts.iterdir()))
        search(self, parts, start)
        searched.append(len(list(parts.iterdir())) - before)

    fold = ["--name", "tiny", "--batch-users", 1, "--out", tmp_path / "a.parquet", "--input"]
    monkeypatch.setattr(_Work, "search", cut_short)
    assert shop.fold(*fold, today).exit_code == 130
    monkeypatch.setattr(_Work, "search", counted)
    searched.clear()
    assert shop.fold(*fold, today).exit_code == 0
    assert searched == [0, 1]
    monkeypatch.setattr(_Work, "search", cut_short)
    searched.clear()
    assert shop.fold(*fold, today).exit_code == 130
    later = write_log(tmp_path / "later.csv", [("ann", shop.retriever.bundle.items["item_id"][5])] * 2)
    monkeypatch.setattr(_Work, "search", counted)
    searched.clear()
    assert shop.fold(*fold, later).exit_code == 0
    assert searched == [1]
    assert not list(tmp_path.glob(".*.parts"))


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["--input", "today.csv", "--test", "today.csv"], 2, "a log to fold in has no test part. Leave --test out"),
        (["--test", "today.csv"], 2, "about a log, and none is given: add --input FILE"),
        (["--items", "today.csv"], 2, "about a log, and none is given: add --input FILE"),
        (["--append"], 2, "or say --latest alone"),
        (["--append", "--latest"], 2, "or say --latest alone"),
        (["--latest", "--input", "today.csv"], 2, "Give a log or --latest, not both"),
        (["--input", "today.csv", "--sample"], 3, "Give one of --input, --dataset and --sample"),
        (["--input", "nothing.csv"], 3, "There is no file"),
        (["--input", "today.csv", "--user-col", "item", "--item-col", "user"], 3, "knows none of the 2 items"),
        (["--input", "today.csv", "--for", "nobody.txt"], 3, "cannot be read as a list of user_ids"),
        (["--input", "today.csv", "--allow", "nothing.txt"], 3, "cannot be read as a list of item_ids"),
        (["--input", "today.csv", "--out", "a.xlsx"], 2, "a.xlsx cannot be written"),
        (["--input", "today.csv", "--from", "models:/tiny/9"], 5, "9"),
        (["--latest", "--from", "models:/tiny/1", "--name", "other"], 3, "There is no snapshot named 'other' yet"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(shop, today, monkeypatch, arguments, code, why):
    monkeypatch.chdir(today.parent)
    before = latest(shop.home)
    done = shop.fold(*(["--name", "tiny"] if "--name" not in arguments else []), *arguments)
    assert done.exit_code == code, done.stderr
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert latest(shop.home) == before
    assert not (shop.home / "data" / "candidates").exists()


def test_a_workspace_without_logs_asks_for_a_name(recsys, today, tmp_path):
    done = recsys("candidates", "--home", tmp_path / "empty", "--input", today)
    assert done.exit_code == 2
    assert "give --name" in done.stderr
