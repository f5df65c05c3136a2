"""Settings and logs at the edge of sense, at the command line: a sound result, or a message and an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

START = 1_700_000_000
SMALL = ["--epochs", "2", "--batch-size", "64", "--uniform-negatives", "16"]
QUICK = [*SMALL, "--baselines", "popularity", "--bootstrap-samples", "100", "--no-beat-popularity"]
METHODS = ["spectral", "gradient", "hybrid", "auto"]
Row = tuple[object, ...]  # user, item, value, time in seconds


def write_log(path: Path, rows: list[Row]) -> Path:
    columns = ("user_id", "item_id", "value", "timestamp")[: len(rows[0])]
    path.write_text("".join(",".join(map(str, line)) + "\n" for line in [columns, *rows]))
    return path


def drawn(users: int, items: int, count: int, start: int = START, name: str = "u", seed: int = 0) -> list[Row]:
    """Draw interactions, one a minute."""
    rng = np.random.default_rng(seed)
    return [(f"{name}{rng.integers(users)}", f"i{rng.integers(items)}", 1, start + 60 * n) for n in range(count)]


@pytest.fixture(scope="module")
def few_items(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 30 items."""
    return write_log(tmp_path_factory.mktemp("log") / "few.csv", drawn(60, 30, 900))


def done_well(recsys, *command: object) -> dict[str, Any]:
    done = recsys(*command, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def refused(recsys, code: int, *command: object) -> str:
    done = recsys(*command, "--json")
    assert done.exit_code == code, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)["error"]["message"]


def assert_candidates_are_sound(told: dict[str, Any]) -> None:
    table = pl.read_parquet(told["candidates"]["path"])
    assert table.height == told["candidates"]["rows"] > 0
    assert table["score"].is_finite().all()
    assert table.select("user_id", "item_id").is_unique().all()


@pytest.mark.parametrize("method", ["spectral", "hybrid", "auto"])
def test_more_dimensions_than_there_are_items(method, few_items, home, recsys):
    flags = ["--embedding-dim", 512, "--method", method, "--budget", "5s"]
    told = done_well(recsys, "run", "--home", home, "--input", few_items, *QUICK, *flags)
    assert {fit["dim"] for fit in told["training"]["tried"]} == {512}
    assert told["metrics"]["model"]["recall_at_20"] > 0
    assert_candidates_are_sound(told)


@pytest.mark.parametrize("budget", ["soon", "-5s", "5", "1e3s", "nans"])
def test_a_budget_that_is_no_time_is_refused_before_anything_is_done(budget, few_items, home, recsys):
    message = refused(recsys, 2, "run", "--home", home, "--input", few_items, "--budget", budget)
    assert f"'train.budget' is '{budget}', which is no time; say it like 30s, 2m or 1h." in message
    assert not (home / "data" / "snapshots").exists()


@pytest.mark.parametrize("budget", ["0s", "0.001s", "1s", "9999h"])
def test_any_time_does_however_short_or_long(budget, few_items, home, recsys):
    told = done_well(recsys, "run", "--home", home, "--input", few_items, *QUICK, "--budget", budget)
    training = told["training"]
    if budget == "0s":
        assert training["told"] == ["Settings are as given."]
    if budget in {"0s", "0.001s"}:
        assert len(training["tried"]) == 1
    if budget == "9999h":
        assert len(training["tried"]) > 1
    assert len(training["curve"]) <= 2
    assert_candidates_are_sound(told)


@pytest.fixture
def weighed(tmp_path: Path) -> Any:
    """Writes a log with these values by turns."""

    def write(*values: object) -> Path:
        rows = [(*row[:2], values[n % len(values)], row[3]) for n, row in enumerate(drawn(50, 40, 1500))]
        return write_log(tmp_path / "weighed.csv", rows)

    return write


BY_VALUE = ["--weighting", "value", "--repeats", "all", "--budget", "1s"]


def test_weights_that_are_no_numbers_are_left_out_and_counted(weighed, home, recsys):
    log = weighed("nan", "inf", "-inf", 1, 2)
    told = done_well(recsys, "run", "--home", home, "--input", log, *QUICK, *BY_VALUE)
    assert told["rows"]["reasons"]["quarantined"] == {"non_finite_value": 900}
    assert_candidates_are_sound(told)


def test_a_log_whose_weights_are_none_of_them_numbers_is_refused_with_one_shown(weighed, home, recsys):
    message = refused(recsys, 3, "run", "--home", home, "--input", weighed("nan"), *QUICK, *BY_VALUE)
    assert "none of 1,500 rows can be used (non_finite_value 1,500)" in message
    assert "value is 'NaN'" in message
    assert "--value-col" in message


@pytest.mark.parametrize("bad", [-1, 0])
def test_weights_that_are_not_positive_are_refused_and_the_remedy_helps(bad, weighed, home, recsys):
    command = ["train", "--home", home, "--input", weighed(bad, 2), *SMALL, *BY_VALUE]
    message = refused(recsys, 3, *command)
    assert f"The value {bad:.1f} cannot weigh a pair" in message
    assert "--min-value" in message
    assert done_well(recsys, *command, "--min-value", 1)["rows"]["kept"] == 750
    assert done_well(recsys, *command, "--weighting", "uniform")["rows"]["kept"] == 1500


def test_histories_of_one_item_are_for_the_closed_form_alone(home, recsys, tmp_path):
    log = write_log(tmp_path / "single.csv", [(f"u{n}", *row[1:]) for n, row in enumerate(drawn(1, 20, 300))])
    command = ["train", "--home", home, "--input", log, *SMALL, "--budget", "1s"]
    for method in ("gradient", "hybrid", "auto"):
        message = refused(recsys, 3, *command, "--method", method)
        assert "No history can be cut in two" in message
        assert "--method spectral" in message
    assert done_well(recsys, *command, "--method", "spectral")["training"]["kept"] == "spectral"
    message = refused(recsys, 3, "run", *command[1:], "--method", "spectral")
    assert "nothing can be judged" in message
    unordered = write_log(tmp_path / "sets.csv", [(f"u{n}", *row[1:2]) for n, row in enumerate(drawn(1, 20, 300))])
    assert "several interactions" in refused(recsys, 3, "train", "--home", home, "--input", unordered, *SMALL)


def test_one_user_with_a_hundred_thousand_interactions_among_others(home, recsys, tmp_path):
    rows = [("endless", f"i{n % 3000}", 1, START + n) for n in range(100_000)] + drawn(100, 3000, 1000, START + 50_000)
    log = write_log(tmp_path / "endless.csv", rows)
    command = ["run", "--home", home, "--input", log, *QUICK, "--repeats", "all", "--budget", "1s"]
    told = done_well(recsys, *command, "--min-coverage", 0)
    assert told["pairs"]["history_length"]["longest"] > 70_000
    assert_candidates_are_sound(told)


@pytest.mark.parametrize("method", ["spectral", "auto"])
def test_nobody_to_ask_in_the_validation_part(method, home, recsys, tmp_path):
    known, strangers = drawn(30, 20, 400), drawn(50, 20, 50, start=START + 30_000, name="new")
    log = write_log(tmp_path / "log.csv", [*known, *strangers, *drawn(30, 20, 50, start=START + 60_000, seed=1)])
    command = ["run", "--home", home, "--input", log, *QUICK, "--method", method, "--repeats", "all"]
    told = done_well(recsys, *command)
    assert told["training"]["told"] == ["Nobody in the validation part can be asked, so settings are as given."]
    assert told["training"]["tried"][0]["validation"] is None
    assert told["metrics"]["model"]["recall_at_20"] > 0
    assert_candidates_are_sound(told)
    shown = " ".join(recsys(*command).stdout.split())
    epochs = "" if method == "spectral" else "2 epochs, the best was 2; "
    assert f"64 dimensions; {epochs}the registered towers" in shown
    assert "Nobody in the validation part" in Path(told["report"]).read_text()


ALL_ALIKE = [(f"u{user}", f"i{item}", 1, START + 60 * (60 * item + user)) for item in range(20) for user in range(60)]


def test_users_who_are_all_alike(home, recsys, tmp_path):
    log = write_log(tmp_path / "alike.csv", ALL_ALIKE)
    flags = ["--home", home, "--input", log, "--budget", "60s"]
    for method in ("gradient", "hybrid", "auto"):
        message = refused(recsys, 3, "train", *flags, *SMALL, "--method", method)
        assert "There is nothing to contrast: each of the 60 user(s) has each of the 16 item(s)." in message
    told = done_well(recsys, "run", *flags, *QUICK[:-1], "--method", "spectral")
    assert told["examined"]["recall_ceiling"] == 0
    assert told["registry"]["promoted"] is False
    assert told["candidates"]["path"] is None


def test_users_who_are_all_alike_but_for_what_was_held_out(home, recsys, tmp_path):
    log = write_log(tmp_path / "alike.csv", [row[:2] for row in ALL_ALIKE])
    told = done_well(recsys, "run", "--home", home, "--input", log, *QUICK, "--budget", "1s")
    assert told["metrics"]["model"]["recall_at_20"] == 1  # all that is left of twenty items
    assert_candidates_are_sound(told)


@pytest.mark.parametrize("method", METHODS)
def test_a_log_with_one_item(method, home, recsys, tmp_path):
    log = write_log(tmp_path / "tea.csv", [(f"u{n}", "tea", 1, START + 60 * n) for n in range(60)])
    message = refused(recsys, 3, "run", "--home", home, "--input", log, *QUICK, "--method", method, "--budget", "60s")
    assert ("nothing can be judged" if method == "spectral" else "There is nothing to contrast") in message


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("--user-exponent", "1.5", "'spectral.user_exponent' is 1.5: Input should be less than or equal to 1"),
        ("--item-exponent", "-0.1", "'spectral.item_exponent' is -0.1: Input should be greater than or equal to 0"),
        ("--spectral-power", "3", "'spectral.spectral_power' is 3.0: Input should be less than or equal to 2"),
        ("--spectral-age-exponents", "1,inf", "'spectral.spectral_age_exponents.1' is 'inf': Input should be a finite"),
        ("--pair-age-exponent", "nan", "'spectral.pair_age_exponent' is nan: Input should be a finite number"),
        ("--age-exponents", "0.5,inf", "'train.age_exponents.1' is 'inf': Input should be a finite number"),
        ("--age-exponents", "-1,1", "'train.age_exponents.0' is '-1': Input should be greater than or equal to 0"),
        ("--log-q-exponent", "3", "'train.log_q_exponent' is 3.0: Input should be less than or equal to 2"),
        ("--temperature", "inf", "'train.temperature' is inf: Input should be a finite number"),
        ("--learning-rate", "inf", "'train.learning_rate' is inf: Input should be a finite number"),
        ("--min-value", "nan", "'ingest.min_value' is nan: Input should be a finite number"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_done(flag, value, words, few_items, home, recsys):
    assert words in refused(recsys, 2, "run", "--home", home, "--input", few_items, flag, value)
    assert not (home / "data" / "snapshots").exists()


def test_a_steep_age_exponent_is_sound(few_items, home, recsys):
    steep = ["--spectral-age-exponents", "0,1e6", "--pair-age-exponent", "1e6", "--age-exponents", "0.5,1e6"]
    told = done_well(recsys, "run", "--home", home, "--input", few_items, *QUICK, *steep, "--budget", "1s")
    assert_candidates_are_sound(told)


@pytest.mark.parametrize(
    ("method", "flag"),
    [("hybrid", "--age-exponents"), ("spectral", "--spectral-age-exponents"), ("spectral", "--neighbour-window")],
)
def test_ages_of_a_log_without_an_order_change_nothing_and_that_is_said(method, flag, home, recsys, tmp_path):
    log = write_log(tmp_path / "sets.csv", [row[:2] for row in drawn(60, 30, 900)])
    command = ["train", "--home", home, "--input", log, *SMALL, "--method", method, "--budget", "0s"]
    plain, aged = done_well(recsys, *command)["training"], done_well(recsys, *command, flag, "3")["training"]
    assert plain["told"] == ["Settings are as given."]
    assert aged["told"][1:] == [
        f"The log tells no order, so {flag} went unheeded; --ordered says that the order of its rows means something."
    ]
    assert aged["path"] != plain["path"]
    assert aged["tried"] == plain["tried"]
    heeded = done_well(recsys, *command, flag, "3", "--ordered")["training"]
    assert heeded["told"] == ["Settings are as given."]
