"""Bad input and trouble, met by a person at the command line: a clear message, an exit code, and nothing lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from pathlib import Path

import polars as pl
import pytest
from filelock import FileLock
from safetensors import SafetensorError
from tiny_run import TINY

from recsys_cl.interactions.sample import write_sample
from recsys_cl.registry import store
from recsys_cl.retrieval import candidates as candidate_writing
from recsys_cl.retrieval.faiss_index import FaissIndex
from recsys_cl.stages import run as stages
from recsys_cl.towers.two_tower import TwoTower

START = 1_700_000_000


def write_log(path: Path, rows: list[tuple[str, str]], *, times: bool = True) -> Path:
    lines = [f"{user},{item}" + (f",{START + 60 * n}" if times else "") for n, (user, item) in enumerate(rows)]
    path.write_text("\n".join(["user,item,time" if times else "user,item", *lines]) + "\n")
    return path


# Logs in which there is little or nothing to learn.
POOR = {
    "one_user": [("ann", f"i{n}") for n in range(30)],
    "one_item": [(f"u{n}", "tea") for n in range(30)],
    "one_interaction": [("ann", "tea")],
    "one_interaction_a_user": [(f"u{n}", f"i{n % 7}") for n in range(40)],
    "all_the_same": [("ann", "tea")] * 30,
    "everyone_has_everything": [(f"u{n % 6}", f"i{n // 6}") for n in range(36)],
    "test_items_never_trained_on": [(f"u{n % 9}", f"i{n % 13}") for n in range(90)]
    + [(f"u{n}", f"new{n}") for n in range(9)],
}


@pytest.mark.parametrize("times", [True, False], ids=["times", "no_times"])
@pytest.mark.parametrize("kind", POOR)
def test_poor_logs_give_a_sound_result_or_a_clear_refusal(kind, times, home, recsys, tmp_path):
    log = write_log(tmp_path / f"{kind}.csv", POOR[kind], times=times)
    done = recsys("run", "--home", home, "--input", log, "--json", "-q", *TINY)
    told = json.loads(done.stdout)
    if done.exit_code == 0:
        assert all(0 <= value <= 1 for name, value in told["metrics"]["model"].items() if name.startswith("recall"))
        assert told["registry"]["reason"]
        assert done.stderr == ""
    else:
        assert done.exit_code == 3, done.stderr
        assert set(told) == {"error"}
        message = told["error"]["message"]
        assert any(word in message for word in ("Use ", "use ", "Give ", "Loosen", "Raise", "raise ")), message
        assert done.stderr.startswith("Error: ")


def test_items_that_training_never_saw_are_misses_and_the_report_says_so(home, recsys, tmp_path):
    log = write_log(tmp_path / "log.csv", POOR["test_items_never_trained_on"])
    done = recsys("run", "--home", home, "--input", log, "--json", *TINY, "--test-share", 0.09)
    told = json.loads(done.stdout)
    assert told["metrics"]["model"]["recall_at_100"] < 1
    report = json.loads((Path(told["report"]).parent / "report.json").read_text())
    assert report["examined"]["unknown"] == 9
    assert report["examined"]["recall_ceiling"] == 0


# Lists of one item cannot cover a catalogue of sixty items for seventy users whose tastes are alike.
UNREACHABLE = ["--ks", "1,20", "--gate-metric", "recall_at_1", "--min-coverage", "1"]


def test_a_first_version_that_the_gate_turns_down_is_no_failure_but_nobody_gets_its_candidates(home, tiny_log, recsys):
    done = recsys("run", "--home", home, "--input", tiny_log, *TINY, *UNREACHABLE, "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert told["registry"]["promoted"] is False
    assert "coverage" in told["registry"]["reason"]
    assert told["candidates"]["path"] is None
    people = recsys("run", "--home", home, "--input", tiny_log, *TINY, *UNREACHABLE).stdout
    assert "not promoted" in people
    assert "There is no champion yet" in people
    refused = recsys("candidates", "--home", home)
    assert refused.exit_code == 5
    assert "no version called 'champion'" in refused.stderr


def test_a_worse_retrain_is_not_promoted_and_everything_can_be_taken_back(home, tiny_log, recsys):
    good = ["run", "--home", home, "--input", tiny_log, "--json", *TINY, "--no-beat-popularity"]
    first = json.loads(recsys(*good, "--epochs", 6, "--embedding-dim", 32).stdout)
    worse = [*good, "--epochs", 1, "--embedding-dim", 1, "--no-popularity-prior", "--learning-rate", "1e-9"]
    second = json.loads(recsys(*worse).stdout)
    assert first["registry"]["promoted"]
    assert not second["registry"]["promoted"]
    assert "against the champion's" in second["registry"]["reason"]
    assert second["registry"]["champion"] == 1
    assert second["candidates"]["version"] == "1"

    assert recsys("promote", 2, "--home", home, "--reason", "to see").exit_code == 0
    assert fates(recsys, home) == {1: ([], first["registry"]["reason"]), 2: (["champion"], "to see")}
    assert json.loads(recsys(*worse).stdout)["registry"]["promoted"] is True  # it is champion already
    back = json.loads(recsys("rollback", "--home", home, "--json").stdout)
    assert (back["version"], back["previous"]) == (1, 2)
    # What a person went back from does not come again by itself.
    again = json.loads(recsys(*worse).stdout)["registry"]
    assert (again["version"], again["promoted"]) == (2, False)
    assert "rolled back" in again["reason"]
    assert recsys("rollback", "--home", home).exit_code == 5


def fates(recsys, home):
    told = json.loads(recsys("versions", "--home", home, "--json").stdout)
    return {line["version"]: (line["aliases"], line["reason"]) for line in told["versions"]}


EARLY = {
    "gate_k": (["--ks", "5,10"], 2, ["recall_at_20", "Add 20 to --ks", "--gate-metric"]),
    "gate_metric": (["--gate-metric", "recal_at_20"], 2, ["'recall_at_20'"]),
    "gate_popularity": (["--baselines", "item_knn", "--beat-popularity"], 2, ["--no-beat-popularity"]),
    "baseline": (["--baselines", "popularty"], 2, ["'popularity'"]),
    "loss": (["--loss", "sampled_softmx"], 2, ["'sampled_softmax'"]),
    "loss setting": (["--loss", "triplet:margn=1"], 2, ["'triplet'", "'margin'"]),
    "loss setting out of range": (["--loss", "triplet:margin=0", "--similarity", "euclidean"], 2, ["margin"]),
    "loss without a value": (["--loss", "triplet:margin"], 2, ["name:setting=value"]),
    "objective": (["--objective", "bylo"], 2, ["'byol'"]),
    "similarity": (["--similarity", "cosin"], 2, ["'cosine'"]),
    "tempering": (["--tempering", "fixd"], 2, ["'fixed'"]),
    "temperature": (["--temperature", "0"], 2, ["temperature"]),
    "momentum": (["--objective", "moco:momentum=1"], 2, ["'moco'", "momentum"]),
    "queue": (["--queue-size", "8", "--batch-size", "16"], 2, ["--queue-size", "16"]),
    "queue of moco": (["--objective", "moco:queue_size=8", "--batch-size", "16"], 2, ["moco:queue_size"]),
    "byol beside negatives": (["--objective", "byol"], 2, ["--loss none"]),
    "byol beside moco": (["--loss", "none", "--objective", "byol,moco"], 2, ["'byol'", "'moco'"]),
    "no loss at all": (["--loss", "none"], 2, ["--objective"]),
    "weights of nought": (["--loss", "bpr:weight=0", "--objective", "byol:weight=0"], 2, ["weight"]),
    "a negative weight": (["--loss", "bpr:weight=-1"], 2, ["weight"]),
    "a loss of distances": (["--loss", "margin"], 2, ["euclidean", "--similarity cosine"]),
    "no variance": (["--similarity", "kl", "--method", "gradient"], 2, ["no variance", "gaussian_history"]),
    "no points": (["--query-encoder", "gaussian_history", "--method", "gradient"], 2, ["aged_history"]),
    "encoder": (["--query-encoder", "histroy"], 2, ["'history'"]),
    "index": (["--index-kind", "hsnw"], 2, ["'hnsw'"]),
    "range": (["--epochs", "0"], 2, ["'train.epochs'", "greater than or equal to 1"]),
    "instant": (["--since", "yesterday"], 2, ["'ingest.since'", "yesterday"]),
    "out": (["--out", "candidates.xlsx"], 2, [".parquet", ".csv", ".jsonl"]),
    "allow": (["--allow", "no-such-file.txt"], 3, ["no-such-file.txt"]),
    "name": (["--name", "my log"], 2, ["'my log'"]),
    "two_sources": (["--sample"], 3, ["--input", "--sample"]),
    "format": (["--format", "cvs"], 2, ["'csv'"]),
}


@pytest.mark.parametrize("case", EARLY)
def test_what_cannot_work_is_refused_before_anything_is_done(case, home, tiny_log, recsys):
    flags, code, words = EARLY[case]
    done = recsys("run", "--home", home, "--input", tiny_log, "--json", *TINY, *flags)
    message = json.loads(done.stdout)["error"]["message"]
    assert done.exit_code == code
    assert all(word in message for word in words), message
    assert not (home / "data" / "snapshots").exists()


def test_an_evaluation_alone_may_measure_what_the_gate_would_not(home, tiny_log, recsys):
    done = recsys("evaluate", "--home", home, "--input", tiny_log, "--ks", "5", "--baselines", "item_knn", *TINY[:6])
    assert done.exit_code == 0, done.stderr
    assert "recall_at_5" in done.stdout


def test_an_unknown_data_set_and_nothing_at_all(home, recsys):
    done = recsys("run", "--home", home, "--dataset", "ml-10k")
    assert done.exit_code == 2
    assert "'ml-100k'" in done.stderr
    done = recsys("train", "--home", home)
    assert done.exit_code == 2
    assert "--input FILE, --dataset or --sample" in done.stderr
    done = recsys("train", "--home", home, "--name", "log")
    assert done.exit_code == 3
    assert "no snapshot named 'log'" in done.stderr


def test_an_unknown_flag_is_told_in_json_too(recsys):
    done = recsys("run", "--epoch", 3, "--json")
    assert done.exit_code == 2
    assert "--epochs" in json.loads(done.stdout)["error"]["message"]
    assert recsys("run", "--epoch", 3).stdout == ""


def test_an_error_nobody_foresaw_is_told_in_json_too(home, tiny_log, recsys, monkeypatch):
    def broken(*_given, **_named):
        raise ZeroDivisionError("unforeseen")

    monkeypatch.setattr(stages, "require_sound", broken)
    done = recsys("run", "--home", home, "--input", tiny_log, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"] == {"kind": "ZeroDivisionError", "message": "unforeseen"}


def test_an_interruption_says_that_nothing_is_lost(home, tiny_log, recsys, monkeypatch):
    def interrupted(*_given, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "require_sound", interrupted)
    done = recsys("run", "--home", home, "--input", tiny_log)
    assert done.exit_code == 130
    assert "goes on from here" in done.stderr


def test_a_second_run_in_the_same_workspace_is_sent_away(finished, tiny_log, recsys):
    home, result = finished
    with FileLock(home / "data" / ".lock"):
        done = recsys("run", "--home", home, "--input", tiny_log)
        assert done.exit_code == 6
        assert str(home) in done.stderr
        # What only reads, or must never wait, goes on.
        assert recsys("recommend", "u1", "--home", home).exit_code == 0
        assert recsys("promote", 1, "--home", home, "--reason", result["registry"]["reason"]).exit_code == 0


@pytest.mark.parametrize(
    "name", ["towers.safetensors", "items.parquet", "index.faiss", "config.json", "per_user.parquet", "manifest.json"]
)
def test_a_flipped_byte_in_a_bundle_is_found_and_the_file_named(name, finished, recsys, tmp_path):
    home, result = finished
    bundle = tmp_path / "bundle"
    shutil.copytree(result["bundle"], bundle)
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    for verb in (["recommend", "u1"], ["candidates", "--out", tmp_path / "out.parquet"]):
        done = recsys(*verb, "--home", home, "--from", bundle)
        assert done.exit_code == 4
        assert str(bundle / name) in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.parquet").exists()


def test_a_bundle_that_is_not_there(finished, recsys, tmp_path):
    home, _ = finished
    done = recsys("recommend", "u1", "--home", home, "--from", tmp_path / "nothing")
    assert done.exit_code == 4
    assert str(tmp_path / "nothing") in done.stderr
    done = recsys("recommend", "u1", "--home", home, "--from", "models:/tiny/9")
    assert done.exit_code == 5
    done = recsys("recommend", "u1", "--home", home, "--name", "tyni")
    assert done.exit_code == 5
    assert "'tiny'" in done.stderr


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "postgresql://me:secret@127.0.0.1:9/mlflow", "http://me:secret@127.0.0.1:9"]
)
def test_a_store_that_does_not_answer_is_told_of_at_once_and_without_its_password(uri, finished, tiny_log, recsys):
    home, _ = finished
    start = time.monotonic()
    for verb in (["versions"], ["run", "--input", tiny_log, *TINY], ["promote", 1], ["recommend", "u1"]):
        done = recsys(*verb, "--home", home, "--tracking-uri", uri)
        assert done.exit_code == 5, done.stderr
        assert "--tracking-uri" in done.stderr
        assert "secret" not in done.stdout + done.stderr
    health = recsys("doctor", "--home", home, "--tracking-uri", uri)
    assert health.exit_code == 1
    assert "secret" not in health.stdout
    assert time.monotonic() - start < 10


def full(*_given, **_named):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_in_words(*_given, **_named):
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    ("owner", "name", "trouble", "stage"),
    [
        (TwoTower, "save", full_in_words, "train"),
        (pl.DataFrame, "write_parquet", full, "pairs"),
        (FaissIndex, "write", full, "index"),
        (store, "log", full, "register"),
        (candidate_writing, "table_writer", full, "candidates"),
    ],
    ids=["train", "pairs", "index", "register", "candidates"],
)
def test_a_full_disk_loses_nothing(  # noqa: PLR0917
    owner, name, trouble, stage, finished, home, tiny_log, recsys, monkeypatch
):
    command = ["run", "--home", home, "--input", tiny_log, "--json", *TINY]
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, trouble)
        done = recsys(*command)
    assert done.exit_code == 7, done.stderr
    message = json.loads(done.stdout)["error"]["message"]
    assert str(home) in message
    assert "Free some space" in message
    assert done.stderr.splitlines().count(stage) == 1
    assert not list((home / "data").rglob(".*.partial"))
    after, (_, undisturbed) = json.loads(recsys(*command).stdout), finished
    assert after["metrics"] == undisturbed["metrics"]
    assert after["registry"]["version"] == 1
    assert after["candidates"]["rows"] == undisturbed["candidates"]["rows"]


def test_a_place_that_may_not_be_written(tiny_log, recsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    done = recsys("run", "--home", tmp_path / "file", "--input", tiny_log)
    assert done.exit_code == 7
    assert str(tmp_path / "file") in done.stderr

    def denied(self, *_given, **_named):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "mkdir", denied)  # tests may run as root, who may write everywhere
    done = recsys("run", "--home", tmp_path / "locked", "--input", tiny_log)
    assert done.exit_code == 7
    assert "Permission denied" in done.stderr
    assert "--home" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_artefact_of_an_earlier_stage_is_named(finished, recsys, tiny_log, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(finished[0] / "data", home / "data", ignore=shutil.ignore_patterns(".lock"))
    for path in sorted((home / "data" / "runs").rglob("*.safetensors")):
        path.write_bytes(path.read_bytes()[:-7])
    done = recsys("evaluate", "--home", home, "--input", tiny_log, *TINY[:10], "--bootstrap-samples", 101)
    assert done.exit_code == 4, done.stderr
    assert ".safetensors" in done.stderr


def test_a_log_that_shares_nobody_with_a_bundle_is_refused_before_any_work(finished, recsys, tmp_path):
    _, result = finished
    log = tmp_path / "strangers.csv"
    write_sample(log, users=30, items=20, interactions=600)
    renamed = pl.read_csv(log, infer_schema=False).with_columns(user_id=pl.format("stranger-{}", "user_id"))
    renamed.write_csv(log)
    done = recsys("evaluate", "--home", tmp_path, "--input", log, "--bundle", result["bundle"])
    assert done.exit_code == 3
    assert "knows none" in done.stderr
