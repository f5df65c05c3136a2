"""Facts about spaces, healthy and degenerate, and the alarms they raise."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from planted_space import KINDS, planted_space, rows_of

from recsys_cl.config import DiagnoseConfig, GateConfig
from recsys_cl.evaluation.alarms import alarms, rank_share
from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts
from recsys_cl.evaluation.diagnostics import diagnose
from recsys_cl.evaluation.space import Space
from recsys_cl.evaluation.space_findings import what_is_seen
from recsys_cl.evaluation.space_plots import space_plots
from recsys_cl.evaluation.space_tables import side_table

CONFIG = DiagnoseConfig()
HEALTHY = planted_space()
FACTS = diagnose(HEALTHY, CONFIG)


def test_figures_are_those_of_all_vectors_where_there_are_few():
    values = np.linalg.svd(HEALTHY.items, compute_uv=False)
    shares = values / values.sum()
    assert FACTS.items.effective_rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-5)
    units = HEALTHY.users / np.linalg.norm(HEALTHY.users, axis=1, keepdims=True)
    cosines = (units @ units.T)[np.triu_indices(len(units), 1)]
    assert FACTS.users.mean_cosine == pytest.approx(cosines.mean(), abs=1e-6)
    assert FACTS.users.uniformity == pytest.approx(np.log(np.exp(4 * cosines - 4).mean()), rel=1e-5)
    assert (FACTS.items.drawn, FACTS.items.there_are, FACTS.items.dim, FACTS.items.zero) == (90, 90, 12, 0)


def test_users_are_nearer_to_what_they_took_than_to_anything():
    assert FACTS.alignment.taken < FACTS.alignment.held_out < FACTS.alignment.random
    for share in (FACTS.alignment.taken_share, FACTS.alignment.held_out_share, FACTS.alignment.random_share):
        assert sum(share) == pytest.approx(1, abs=1e-3)


def test_lists_are_counted():
    lists = HEALTHY.lists
    shares = np.bincount(lists.ravel(), minlength=90) / lists.size
    shares = shares[shares > 0]
    assert FACTS.lists.entropy == pytest.approx(-(shares * np.log(shares)).sum())
    assert FACTS.lists.effective_items == pytest.approx(math.exp(FACTS.lists.entropy))
    assert FACTS.lists.share == pytest.approx(FACTS.lists.entropy / math.log(90))
    assert FACTS.lists.one_list_entropy == pytest.approx(math.log(10))
    assert FACTS.lists.curve[-1] == (1, 1)


def test_vectors_tell_of_what_comes_later_and_no_bound_is_above_its_ceiling():
    best = max(bound.by_popularity for bound in FACTS.information.bounds)
    blind = max(bound.by_popularity_without_vectors for bound in FACTS.information.bounds)
    assert best > blind + 0.3
    for bound in FACTS.information.bounds:
        assert max(bound.by_popularity, bound.evenly) <= bound.ceiling == math.log(bound.candidates)
    assert FACTS.information.pairs + FACTS.information.fitted_on == 200


def test_neighbours_share_categories_and_the_map_shows_them():
    assert FACTS.categories.kindred > 2 * FACTS.categories.chance
    assert set(FACTS.map.kinds) == set(KINDS)
    assert len(FACTS.map.x) == len(FACTS.map.kind) == 90
    assert FACTS.map.titles.keys() <= set(range(90))


def test_of_several_categories_the_rarest_that_is_frequent_enough_is_shown():
    categories = [["Drama", "Seldom"] if n % 2 else ["Comedy", "Drama"] for n in range(89)] + [None]
    shown = diagnose(replace(HEALTHY, categories=categories), CONFIG).map
    assert shown.kinds[0] == "Drama"
    assert {shown.kinds[kind] for kind in shown.kind} == {"Comedy", "Seldom"}
    assert len(shown.x) == 89


def test_equal_seeds_give_equal_facts_and_counts_are_kept_to():
    few = DiagnoseConfig(diagnosed_users=40, diagnosed_items=30, diagnosed_pairs=50, mapped_items=20)
    first, again, other = (diagnose(HEALTHY, few, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert (first.users.drawn, first.items.drawn, first.alignment.pairs, len(first.map.x)) == (40, 30, 50, 20)
    assert first.categories.drawn == 30


def test_lengths_and_offsets_are_set_against_popularity():
    interactions = np.arange(1, 91)
    longer = HEALTHY.items / np.linalg.norm(HEALTHY.items, axis=1, keepdims=True)
    facts = diagnose(
        replace(HEALTHY, items=(longer * interactions[:, None]).astype(np.float32), interactions=interactions), CONFIG
    )
    assert facts.items.length_correlation == pytest.approx(1)
    assert facts.popularity.offsets == ()
    offsets = -np.log(interactions).astype(np.float32)
    alike = diagnose(
        replace(HEALTHY, items=longer.astype(np.float32), offsets=offsets, interactions=interactions), CONFIG
    )
    assert alike.items.length.constant
    assert alike.items.length_correlation is None
    assert alike.popularity.offset_correlation == pytest.approx(-1)
    assert alike.items.direction_normality is None


def nothing_taken(users: int, items: int = 90):
    return rows_of([np.zeros(0)] * users, items)


FLAT = np.zeros((90, 12), dtype=np.float32)
NOT_FINITE = HEALTHY.items.copy()
NOT_FINITE[3, 0], NOT_FINITE[5, 1] = np.nan, np.inf
DEGENERATE = {
    "healthy": HEALTHY,
    "one item": planted_space(items=1),
    "two items": planted_space(items=2),
    "one user": planted_space(users=1),
    "one user and one item": planted_space(users=1, items=1, dim=1),
    "one dimension": planted_space(dim=1),
    "more dimensions than vectors": planted_space(users=15, items=14, dim=200),
    "zero items": replace(HEALTHY, items=FLAT),
    "zero users": replace(HEALTHY, users=np.zeros_like(HEALTHY.users)),
    "some zero items": replace(HEALTHY, items=np.vstack([FLAT[:50], HEALTHY.items[50:]])),
    "all items one": replace(HEALTHY, items=FLAT + 1),
    "not finite": replace(HEALTHY, items=NOT_FINITE),
    "nothing finite": replace(HEALTHY, items=FLAT + np.nan, users=HEALTHY.users * np.inf),
    "huge": replace(HEALTHY, items=HEALTHY.items * np.float32(1e30)),
    "tiny": replace(HEALTHY, items=HEALTHY.items * np.float32(1e-35)),
    "nobody": replace(HEALTHY, users=HEALTHY.users[:0], histories=nothing_taken(0), lists=None, one_list=None),
    "nothing taken": replace(HEALTHY, histories=nothing_taken(120), interactions=np.zeros(90, dtype=np.int64)),
    "empty lists": replace(HEALTHY, lists=np.full((120, 10), -1, dtype=np.int32)),
    "nothing known of items": replace(HEALTHY, categories=None, titles=None, held_out=None),
    "few categories": replace(HEALTHY, categories=[["A"], ["B"], *[None] * 88], titles=None),
    "offsets not finite": replace(HEALTHY, offsets=np.full(90, np.inf, dtype=np.float32)),
    "constant offsets": replace(HEALTHY, offsets=np.ones(90, dtype=np.float32)),
}


@pytest.mark.parametrize("space", DEGENERATE.values(), ids=DEGENERATE)
@pytest.mark.filterwarnings("error")
def test_every_space_gives_facts_without_nan_and_can_be_shown(space: Space):
    facts = diagnose(space, CONFIG)
    text = facts.model_dump_json()
    assert DiagnosticFacts.model_validate_json(text) == facts
    json.dumps(json.loads(text), allow_nan=False)
    assert "NaN" not in text
    assert what_is_seen(facts)
    assert side_table(facts).rows
    space_plots(facts)
    alarms(facts, GateConfig())


def told(space: Space, **settings: float) -> tuple[str, ...]:
    return alarms(diagnose(space, CONFIG), GateConfig(**settings))


@pytest.mark.parametrize(
    "name", ["healthy", "one item", "two items", "one user", "more dimensions than vectors", "some zero items", "huge"]
)
def test_no_alarm_where_nothing_has_collapsed(name):
    assert told(DEGENERATE[name]) == ()


def test_a_single_dimension_that_was_asked_for_is_no_collapse_of_dimensions():
    rng = np.random.default_rng(0)
    both_ways = replace(planted_space(dim=1), items=rng.normal(size=(90, 1)), users=rng.normal(size=(120, 1)))
    assert told(both_ways) == ()


def test_few_dimensions_in_use_raise_an_alarm_that_a_person_understands():
    wide = planted_space(dim=64)
    rng = np.random.default_rng(0)
    narrow = np.outer(rng.normal(size=90), rng.normal(size=64)) + 1e-3 * rng.normal(size=(90, 64))
    alarm = told(replace(wide, items=narrow.astype(np.float32)))
    assert len(alarm) == 1
    assert "The vectors of items have collapsed: of 64 dimensions they use 1.1 and random ones would use" in alarm[0]
    assert "below the 5.0% asked for" in alarm[0]
    assert told(replace(wide, items=narrow.astype(np.float32)), min_rank_share=0) == ()


def test_vectors_that_all_point_one_way_raise_an_alarm():
    pointing = HEALTHY.users * 0.03 + 1
    words = "The vectors of users all point the same way: the mean cosine of two of them is 0.99"
    assert any(words in alarm for alarm in told(replace(HEALTHY, users=pointing)))
    assert told(replace(HEALTHY, users=pointing), max_mean_cosine=1, min_rank_share=0) == ()


def test_one_list_for_all_raises_an_alarm():
    alarm = told(replace(HEALTHY, lists=HEALTHY.one_list))
    assert alarm == (
        "All users are given nearly the same list: 120 lists of 10 are as varied as 10 items of 90 given equally "
        "often. That is 0.0% of the way from one list for all to an even spread, below the 2.0% asked for.",
    )
    assert told(replace(HEALTHY, lists=HEALTHY.one_list), min_list_spread=0) == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zero items", "All vectors of items are zero."),
        ("zero users", "All vectors of users are zero."),
        ("all items one", "The vectors of items have collapsed"),
        ("not finite", "Vectors of items that are not finite: 2."),
        ("nothing finite", "Vectors of users that are not finite: 120."),
    ],
)
def test_what_is_no_space_at_all_raises_an_alarm(name, words):
    assert any(words in alarm for alarm in told(DEGENERATE[name]))


def test_the_share_of_rank_lies_between_one_dimension_and_random():
    side = FACTS.items
    assert rank_share(side.model_copy(update={"effective_rank": 1.0})) == 0
    assert rank_share(side.model_copy(update={"effective_rank": side.random_rank})) == 1
    assert rank_share(side.model_copy(update={"random_rank": 1.0})) is None
