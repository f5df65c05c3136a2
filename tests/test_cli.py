"""The command line: what its verbs print, for people and for programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tiny_run import TINY

from recsys_cl.cli import main
from recsys_cl.config import STAGES, load_config
from recsys_cl.errors import RecsysError
from recsys_cl.interactions.sample import write_sample
from recsys_cl.stages.foresight import require_sound

VERBS = [
    *("run", "ingest", "pairs", "train", "tune", "compare", "evaluate", "index", "register"),
    *("promote", "rollback", "versions", "candidates", "recommend", "diagnose", "sample", "methods", "doctor"),
]


def test_the_verbs_stand_in_the_order_of_the_work(recsys):
    assert list(main.commands) == VERBS
    shown = recsys("--help").stdout
    assert re.findall(r"^  (\w+)  +\w", shown.partition("Commands:")[2], re.M) == VERBS
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.parametrize("verb", VERBS)
def test_help_needs_nothing_heavy_and_names_no_setting_twice(verb, recsys):
    done = recsys(verb, "--help")
    assert done.exit_code == 0
    flags = re.findall(r"^  (?:-\w, )?(--[\w-]+)", done.stdout, re.M)
    assert len(flags) == len(set(flags))


def test_help_is_quick_because_it_imports_nothing_heavy():
    heavy = {"torch", "polars", "pandas", "mlflow", "prefect", "faiss", "pyarrow", "scipy", "rich"}
    code = (
        "import sys; from recsys_cl.cli import main; main(['run', '--help'], standalone_mode=False); "
        f"sys.stderr.write(str(set(sys.modules) & {heavy}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == "set()"


def test_every_setting_is_a_flag_of_run_or_tune(recsys):
    helps = {verb: recsys(verb, "--help").stdout for verb in ("run", "tune")}
    for stage, model in STAGES.items():
        shown = helps["tune" if stage == "tune" else "run"]
        assert f"Settings of {stage}:" in shown
        for name in model.model_fields:
            assert f"--{name.replace('_', '-')}" in shown


def test_run_returns_what_it_promises(finished):
    home, result = finished
    rows = result["rows"]
    assert rows["read"] == rows["kept"] + rows["filtered"] + rows["quarantined"] == 2500
    for line in lines_of(result):
        assert 0 <= line["recall_at_20"] <= 1
        assert 0 <= line["ndcg_at_20"] <= 1
    assert 0 < result["examined"]["headline"] <= result["examined"]["users"]
    assert result["registry"]["name"] == "tiny"
    assert result["registry"]["version"] == 1
    assert result["registry"]["promoted"] is True
    assert result["registry"]["reason"]
    table = pl.read_parquet(result["candidates"]["path"])
    assert table.height == result["candidates"]["rows"] > 0
    assert set(result["index"]) >= {"kind", "recall", "bytes"}
    assert list(result["seconds"]) == ["ingest", "pairs", "train", "evaluate", "index", "register", "candidates"]
    assert Path(result["report"]).is_file()
    assert home in Path(result["report"]).parents


def test_json_is_all_there_is_on_standard_output_and_quiet_says_nothing_else(finished, recsys):
    home, before = finished
    loud = recsys("ingest", "--home", home, "--name", "tiny", "--json")
    assert json.loads(loud.stdout)["rows"] == before["rows"]
    assert loud.stdout.count("\n") == 1
    assert "ingest" in loud.stderr
    quiet = recsys("ingest", "--home", home, "--name", "tiny", "--json", "--quiet")
    assert json.loads(quiet.stdout)["rows"] == before["rows"]
    assert quiet.stderr == ""


@pytest.mark.parametrize("width", [80, 120])
def test_people_get_whole_cells_and_whole_paths(width, finished, tiny_log, recsys, monkeypatch):
    home, result = finished
    monkeypatch.setenv("COLUMNS", str(width))
    shown = recsys("run", "--home", home, "--input", tiny_log, "-q", *TINY).stdout
    assert result["report"] in shown
    assert result["candidates"]["path"] in shown
    assert "…" not in shown
    assert all(len(line) <= width for line in shown.splitlines() if str(home) not in line)
    assert f"{result['metrics']['model']['recall_at_20']:.4f}" in shown
    assert re.search(r"Registry +tiny version 1: champion", shown)
    for verb in ("versions", "doctor"):
        lines = recsys(verb, "--home", home).stdout.splitlines()
        assert all(len(line) <= width for line in lines if str(home) not in line)


def test_versions_and_doctor(finished, recsys):
    home, result = finished
    told = json.loads(recsys("versions", "--home", home, "--json").stdout)
    assert [(line["version"], line["aliases"]) for line in told["versions"]] == [(1, ["champion"])]
    assert told["versions"][0]["reason"] == result["registry"]["reason"]
    health = recsys("doctor", "--home", home, "--json")
    assert health.exit_code == 0
    assert json.loads(health.stdout)["ok"] is True


def test_doctor_fails_where_something_is_wrong(home, recsys):
    (home / "mlflow" / "mlflow.db").write_bytes(b"this is no database")
    done = recsys("doctor", "--home", home)
    assert done.exit_code == 1
    assert re.search(r"fails +registry .*mlflow.db", " ".join(done.stdout.split()))


def test_recommend_for_users_histories_and_items(finished, recsys):
    home, _ = finished
    table = pl.read_parquet(home / "data/candidates/tiny/candidates.parquet")
    user = table["user_id"][0]
    told = json.loads(recsys("recommend", user, "--home", home, "--k", 5, "--json").stdout)
    expected = table.filter(pl.col("user_id") == user).head(5)["item_id"].to_list()
    assert [line["item_id"] for line in told["recommendations"]] == expected
    assert told["version"] == "1"
    assert len(recsys("recommend", user, "--home", home).stdout.splitlines()) == 11  # a heading and ten items
    history = json.loads(recsys("recommend", "--home", home, "--history", f"{expected[0]}, nothing", "--json").stdout)
    assert {line["ignored"] for line in history["recommendations"]} == {1}
    alike = json.loads(recsys("recommend", "--home", home, "--similar-to", expected[0], "--json").stdout)
    assert expected[0] not in {line["similar_item_id"] for line in alike["recommendations"]}


def test_recommend_heeds_lists_of_items(finished, recsys, tmp_path):
    home, _ = finished
    table = pl.read_parquet(home / "data/candidates/tiny/candidates.parquet")
    user, best, second = table["user_id"][0], *table["item_id"][:2]
    (tmp_path / "some.txt").write_text(f"{best}\n{second}\n")
    (tmp_path / "best.txt").write_text(f"{best}\n")
    lists = ["--allow", tmp_path / "some.txt", "--deny", tmp_path / "best.txt"]
    told = json.loads(recsys("recommend", user, "--home", home, *lists, "--json").stdout)
    assert [line["item_id"] for line in told["recommendations"]] == [second]


def test_k_beyond_the_catalogue_and_users_who_have_seen_all(finished, recsys, tmp_path):
    home, _ = finished
    told = json.loads(recsys("recommend", "nobody", "--home", home, "--k", 10_000, "--json").stdout)
    everything = [line["item_id"] for line in told["recommendations"]]
    assert len(everything) == len(set(everything)) > 40
    assert {line["source"] for line in told["recommendations"]} == {"popularity"}
    shown = recsys("recommend", "--home", home, "--history", ",".join(everything))
    assert shown.exit_code == 0
    assert "Nothing is left to recommend" in shown.stdout
    written = recsys("candidates", "--home", home, "--k", 10_000, "--out", tmp_path / "all.parquet", "--json")
    assert json.loads(written.stdout)["candidates"]["rows"] == pl.read_parquet(tmp_path / "all.parquet").height


def lines_of(result):
    return [result["metrics"]["model"], *result["metrics"]["baselines"].values()]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_candidates_for_some_users_in_every_format(suffix, finished, recsys, tmp_path):
    home, _ = finished
    users, out = tmp_path / "users.txt", tmp_path / f"some{suffix}"
    users.write_text("user_id\nu1\nnobody\n")
    done = recsys("candidates", "--home", home, "--for", users, "--k", 3, "--out", out, "--json")
    told = json.loads(done.stdout)["candidates"]
    assert (told["users"], told["fallback_users"], told["rows"]) == (2, 1, 6)
    read = {".parquet": pl.read_parquet, ".csv": pl.read_csv, ".jsonl": pl.read_ndjson}[suffix](out)
    assert read["rank"].to_list() == [1, 2, 3, 1, 2, 3]
    assert read["source"].to_list() == ["model"] * 3 + ["popularity"] * 3


def test_candidates_of_the_champion_are_those_of_its_bundle(finished, recsys, tmp_path):
    home, result = finished
    for place, address in {"champion": "models:/tiny@champion", "bundle": result["bundle"]}.items():
        out = tmp_path / f"{place}.parquet"
        assert recsys("candidates", "--home", home, "--from", address, "--out", out).exit_code == 0
    tables = [pl.read_parquet(tmp_path / f"{place}.parquet").drop("version") for place in ("champion", "bundle")]
    assert tables[0].equals(tables[1])


def test_a_bundle_is_examined_on_its_log_as_the_run_examined_it(finished, recsys):
    home, result = finished
    verb = ["evaluate", "--home", home, "--bundle", "models:/tiny@champion", "--name", "tiny", "--json"]
    told = json.loads(recsys(*verb, "--baselines", "popularity", "--bootstrap-samples", 100).stdout)
    for mine, its in zip(lines_of(told), lines_of(result), strict=True):
        assert mine == pytest.approx(its)
    assert Path(told["report"]).is_file()


def test_a_bundle_is_examined_on_another_log(finished, recsys, tmp_path):
    _, result = finished
    log = tmp_path / "later.csv"
    write_sample(log, users=80, items=60, interactions=1500, seed=1)
    verb = ["evaluate", "--home", tmp_path, "--input", log, "--bundle", result["bundle"], "--json", "--ks", "10"]
    done = recsys(*verb, "--baselines", "popularity,item_knn", "--bootstrap-samples", 100)
    told = json.loads(done.stdout)
    assert set(told["metrics"]["baselines"]) == {"popularity", "item_knn"}
    assert told["name"] == "later"
    people = recsys(*[word for word in verb if word != "--json"], "--baselines", "popularity,item_knn").stdout
    assert "recall_at_10" in people


def test_a_sample_by_its_seed(recsys, tmp_path):
    for number, seed in enumerate((3, 3, 4)):
        out = tmp_path / f"{number}.csv"
        done = recsys("sample", "--out", out, "--users", 20, "--items", 10, "--interactions", 100, "--seed", seed)
        assert "Synthetic   yes" in done.stdout
    texts = [(tmp_path / f"{number}.csv").read_text() for number in range(3)]
    assert texts[0] == texts[1] != texts[2]


def test_the_workspace_may_be_named_by_the_environment(finished, recsys, monkeypatch):
    home, _ = finished
    code = "import sys; from recsys_cl.cli import main; main(['versions', '--json'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"RECSYS_CL_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["name"] == "tiny"
    assert done.stderr == ""


def test_the_page_on_the_command_line_is_true(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "cli.md").read_text()
    assert all(f"| `{verb}" in page for verb in VERBS)
    codes = set(re.findall(r"^\| (\d+) \|", page, re.M))
    assert codes == {"0", "1", "2", "130", *(str(kind.exit_code) for kind in RecsysError.__subclasses__())}
    settings = tmp_path / "settings.yaml"
    settings.write_text(page.partition("```yaml\n")[2].partition("```")[0])
    require_sound(load_config(settings, {}))
