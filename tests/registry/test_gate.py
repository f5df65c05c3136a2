"""The gate lets through what is sane and not worse, and says why not otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from planted_space import planted_space

from recsys_cl.config import DiagnoseConfig, GateConfig
from recsys_cl.errors import ConfigError
from recsys_cl.evaluation.diagnostics import diagnose
from recsys_cl.registry.gate import Challenger, Verdict, judge
from recsys_cl.retrieval.tuning import IndexReport

USERS = 400
INDEX = IndexReport("exact", {}, 1.0, 0.99, 100, 1000, 0.1, 1000, 256_000, (), "Exact search was asked for.")


def marks(seed: int = 0, shift: float = 0.0, *, users: int = USERS, first: int = 0) -> pl.DataFrame:
    recall = np.clip(np.random.default_rng(seed).beta(2, 5, users) + shift, 0, 1)
    ids = [f"u{number:05d}" for number in range(first, first + users)]
    return pl.DataFrame({"user_id": ids, "warm": True, "n_relevant": 3, "recall_at_20": recall})


SPACE = diagnose(planted_space(), DiagnoseConfig())
ONE_LIST = diagnose(replace(planted_space(), lists=planted_space().one_list), DiagnoseConfig())
ONE_WAY = diagnose(replace(planted_space(), items=planted_space().items * 0.01 + 1), DiagnoseConfig())


def challenger(per_user: pl.DataFrame) -> Challenger:
    metrics = {"recall_at_20": float(per_user["recall_at_20"].mean()), "coverage_at_20": 0.5}
    popularity = {"recall_at_20": 0.1}
    return Challenger(metrics, per_user, popularity, vectors_finite=True, diagnostics=SPACE, index=INDEX)


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.checks if not check.passed]


def test_the_first_version_is_promoted_if_it_is_sane():
    verdict = judge(challenger(marks()), None, GateConfig())
    assert verdict.promoted
    assert verdict.comparison is None
    assert verdict.reason == "The first version, and every check passed."


def test_the_same_model_again_is_promoted_even_without_tolerance():
    verdict = judge(challenger(marks()), marks(), GateConfig(tolerance=0))
    assert verdict.promoted
    assert verdict.comparison.difference == 0


def test_a_better_challenger_is_promoted_and_called_better():
    verdict = judge(challenger(marks(shift=0.05)), marks(), GateConfig(gate_confidence=0.95))
    assert verdict.promoted
    assert "better with 95% confidence" in verdict.reason
    assert verdict.comparison.users == USERS
    for figure in (verdict.comparison.low, verdict.comparison.difference, verdict.comparison.high):
        assert figure == pytest.approx(0.05, abs=0.001)


def test_a_worse_challenger_stays_challenger_with_the_figures():
    verdict = judge(challenger(marks(shift=-0.05)), marks(), GateConfig(tolerance=0.01, gate_confidence=0.95))
    assert not verdict.promoted
    assert failed(verdict) == ["not worse than the champion"]
    assert "not within 1.0% of it with 95% confidence" in verdict.reason
    assert f"{marks()['recall_at_20'].mean():.4f}" in verdict.reason


def test_a_loss_within_the_tolerance_is_accepted():
    slightly = marks().with_columns(pl.col("recall_at_20") * 0.995)
    assert judge(challenger(slightly), marks(), GateConfig(tolerance=0.01)).promoted
    assert not judge(challenger(slightly), marks(), GateConfig(tolerance=0.001)).promoted


def test_too_few_users_to_be_sure_are_not_enough():
    noise = np.random.default_rng(7).normal(0, 0.3, 20)
    few = marks(users=20)
    other = few.with_columns(recall_at_20=(few["recall_at_20"] + pl.Series(noise - noise.mean())).clip(0, 1))
    assert not judge(challenger(other), few, GateConfig()).promoted


def test_the_threshold_is_the_quantile_of_resampled_differences():
    ours, theirs = marks(1), marks(2)
    verdict = judge(challenger(ours), theirs, GateConfig(tolerance=0.01, gate_confidence=0.95), samples=4000)
    difference = ours["recall_at_20"].to_numpy() - theirs["recall_at_20"].to_numpy()
    draw = np.random.default_rng(99)
    means = [difference[draw.integers(0, USERS, USERS)].mean() for _ in range(4000)]
    assert verdict.comparison.low == pytest.approx(np.quantile(means, 0.05), abs=0.002)
    assert verdict.comparison.high == pytest.approx(np.quantile(means, 0.95), abs=0.002)


def test_users_that_do_not_count_are_left_out():
    padded = pl.concat([marks(), marks(first=USERS).with_columns(warm=False)])
    assert judge(challenger(padded), padded, GateConfig()).comparison.users == USERS


def test_only_shared_users_are_compared_in_whatever_order():
    shifted = marks(3, first=100).sort("user_id", descending=True)
    verdict = judge(challenger(marks(3)), shifted, GateConfig())
    assert verdict.comparison.users == USERS - 100


@pytest.mark.parametrize("champion", [marks(first=5 * USERS), marks().drop("recall_at_20")])
def test_what_cannot_be_compared_is_not_promoted(champion):
    verdict = judge(challenger(marks()), champion, GateConfig())
    assert failed(verdict) == ["not worse than the champion"]
    assert "cannot be compared" in verdict.reason


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"vectors_finite": False}, "vectors finite"),
        ({"diagnostics": ONE_LIST}, "not collapsed"),
        ({"diagnostics": ONE_WAY}, "not collapsed"),
        ({"metrics": {"recall_at_20": 0.3, "coverage_at_20": 0.001}}, "coverage"),
        ({"metrics": {"recall_at_20": 0.3, "coverage_at_20": float("nan")}}, "coverage"),
        ({"metrics": {"recall_at_20": 0.3}}, "coverage"),
        ({"popularity": {"recall_at_20": 0.99}}, "beats popularity"),
        ({"popularity": None}, "beats popularity"),
        ({"index": replace(INDEX, recall=0.9)}, "index recall"),
    ],
)
def test_each_sanity_check_can_fail_alone(change, name):
    verdict = judge(replace(challenger(marks()), **change), None, GateConfig())
    assert failed(verdict) == [name]
    assert not verdict.promoted
    assert verdict.reason == next(check.detail for check in verdict.checks if check.name == name)


def test_a_collapsed_challenger_is_declined_with_a_reason_that_a_person_understands():
    verdict = judge(replace(challenger(marks()), diagnostics=ONE_WAY), marks(shift=-0.2), GateConfig())
    assert not verdict.promoted  # however much better its marks are
    assert "The vectors of items all point the same way: the mean cosine of two of them is 1.000" in verdict.reason
    assert (
        "All users are given nearly the same list"
        in judge(replace(challenger(marks()), diagnostics=ONE_LIST), None, GateConfig()).reason
    )


def test_what_counts_as_collapse_can_be_set():
    loose = GateConfig(min_rank_share=0, max_mean_cosine=1, min_list_spread=0)
    for space in (ONE_LIST, ONE_WAY):
        assert judge(replace(challenger(marks()), diagnostics=space), None, loose).promoted
    assert failed(judge(challenger(marks()), None, GateConfig(min_rank_share=1))) == ["not collapsed"]


def test_a_space_that_passes_is_told_with_its_figures():
    checks = {check.name: check for check in judge(challenger(marks()), None, GateConfig()).checks}
    ranks = f"{SPACE.users.effective_rank:.1f} and {SPACE.items.effective_rank:.1f}"
    told = f"Of 12 dimensions users and items use {ranks}; lists of 10 are as varied as "
    assert checks["not collapsed"].detail.startswith(told)


def test_popularity_need_not_be_beaten_if_so_set():
    easy = replace(challenger(marks()), popularity=None)
    assert judge(easy, None, GateConfig(beat_popularity=False)).promoted


def test_a_metric_that_was_not_measured_is_refused():
    with pytest.raises(ConfigError, match=r"'recall_at_21' was not measured. Did you mean 'recall_at_20'"):
        judge(challenger(marks()), None, GateConfig(gate_metric="recall_at_21"))


def test_a_verdict_is_json_ready():
    import json

    described = judge(challenger(marks()), marks(), GateConfig()).describe()
    assert json.loads(json.dumps(described))["promoted"] is True
