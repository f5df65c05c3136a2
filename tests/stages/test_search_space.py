"""What can be searched is read from the settings, and whatever is tried there is valid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_cl.config import RunConfig
from recsys_cl.contrast.mixture import OBJECTIVES, TEMPERINGS
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.errors import ConfigError
from recsys_cl.families import member, members
from recsys_cl.stages.foresight import require_sound
from recsys_cl.stages.search_space import Dimension, search_space, settled

GAUSSIAN = {"query_encoder": "gaussian_history", "candidate_encoder": "gaussian_item_id"}


def config_of(search: tuple[str, ...] = (), **train: Any) -> RunConfig:
    return RunConfig.of({"train": {"method": "gradient"} | train, "tune": {"search": list(search)}})


def names_of(config: RunConfig, *, ordered: bool = True) -> list[str]:
    return [one.name for one in search_space(config, ordered=ordered)]


def trained_by(family: str, name: str) -> dict[str, Any]:
    """Return settings with which one method learns."""
    module = member(family, name)
    distance = {"similarity": "euclidean"} if getattr(module, "NEEDS_DISTANCE", False) else {}
    if family == LOSSES:
        return {"loss": name} | distance
    if family == TEMPERINGS:
        return {"tempering": name}
    return {"objective": [name]} | ({} if getattr(module, "USES_NEGATIVES", True) else {"loss": "none"})


METHODS = [(family, name) for family in (LOSSES, OBJECTIVES, TEMPERINGS) for name in members(family)]
# Settings without which others are not heeded.
MORE = [
    {},
    {"popular_negatives": 512, "hardest_negatives": 64, "queue_size": 8192},
    {"query_encoder": "history_and_id"},
    {"similarity": "kl", **GAUSSIAN},
    {"method": "hybrid"},
    {"pretrain": ["simclr", "supcon"]},
]


def every_name(config: RunConfig) -> tuple[str, ...]:
    """Return all that can be searched, also what is searched only where it is named."""
    with pytest.raises(ConfigError) as caught:
        search_space(
            config.model_copy(update={"tune": config.tune.model_copy(update={"search": ("?",)})}), ordered=True
        )
    told = str(caught.value).partition("With these methods, ")[2].removesuffix(" can be searched.")
    return tuple(told.split(", "))


def values(dimension: Dimension) -> st.SearchStrategy[Any]:
    if dimension.choices:
        return st.sampled_from(dimension.choices)
    low, high = dimension.search.low, dimension.search.high
    if dimension.whole:
        return st.integers(int(low), int(high))
    return st.floats(low, high).map(dimension.readable)


@pytest.mark.parametrize(("family", "name"), METHODS, ids=lambda one: one.rpartition(".")[2])
@given(data=st.data())
@settings(max_examples=15)
def test_whatever_is_tried_is_valid(family, name, data):
    needs = any(flag.startswith("NEEDS_") for flag in dir(member(family, name)))  # a similarity of its own
    more = [one for one in MORE if not (needs and "similarity" in one)]
    train = trained_by(family, name) | data.draw(st.sampled_from(more))
    asked = every_name(config_of(**train))
    if train.get("method") == "hybrid":
        assert "user_exponent" in asked
    config = config_of(asked, **train)
    space = search_space(config, ordered=True)
    assert [one.name for one in space] == list(asked)
    tried = {one.name: data.draw(values(one), label=one.name) for one in space}
    found = settled(config, space, tried)
    require_sound(found, "train")
    again = {one.name: one.given for one in search_space(found, ordered=True)}
    for one in space:
        assert again[one.name] in (tried[one.name], [tried[one.name]])


@pytest.mark.parametrize(("family", "name"), METHODS, ids=lambda one: one.rpartition(".")[2])
def test_the_first_trial_is_what_was_given(family, name):
    config = config_of(**trained_by(family, name))
    space = search_space(config, ordered=True)
    found = settled(config, space, {one.name: one.start for one in space})
    wanted = config.train.model_copy(update={"age_exponents": config.train.ages})
    learned = {"loss": {}, "objective": {}, "tempering": {}}  # which name their settings now, though they are the same
    assert found.train.model_dump(exclude=set(learned)) == wanted.model_dump(exclude=set(learned))


@pytest.mark.parametrize(
    ("train", "heeded", "unheeded"),
    [
        ({}, {"temperature", "log_q_exponent", "window", "uniform_negatives"}, {"id_dropout", "queue_size"}),
        ({"loss": "triplet"}, {"loss.margin", "loss.mining"}, {"temperature"}),
        ({"loss": "none", "objective": ["byol"]}, {"byol.momentum"}, {"temperature", "uniform_negatives"}),
        ({"objective": ["adversarial"]}, {"adversarial.weight", "adversarial.epsilon"}, {"loss.weight"}),
        ({"objective": ["simclr"], "loss": "triplet"}, {"simclr.temperature", "simclr.weight"}, {"temperature"}),
        ({"tempering": "per_user"}, {"tempering.spread", "tempering.scale"}, {"temperature"}),
        ({"query_encoder": "history_and_id"}, {"id_dropout"}, {"age_exponents"}),
        ({"targets": "one"}, {"temperature"}, {"window"}),
        ({"method": "hybrid"}, {"taught_items", "user_exponent"}, set()),
        ({"pretrain": ["simclr"]}, {"pretrain.simclr.strength"}, {"pretrain_epochs", "pretrain.simclr.weight"}),
        ({"queue_size": 4096}, set(), {"queue_size"}),  # given, so it is held
    ],
    ids=str,
)
def test_what_the_methods_heed_is_searched(train, heeded, unheeded):
    names = set(names_of(config_of(**train)))
    assert heeded <= names
    assert not unheeded & names


def test_what_is_given_is_held_unless_it_is_named():
    assert "temperature" not in names_of(config_of(temperature=0.3))
    assert "loss.margin" not in names_of(config_of(loss="triplet:margin=0.3"))
    (named,) = search_space(config_of(("temperature",), temperature=0.3), ordered=True)
    assert named.start == 0.3


def test_a_log_without_order_has_no_ages_to_search():
    assert "age_exponents" in names_of(config_of())
    assert "age_exponents" not in names_of(config_of(), ordered=False)


def test_a_range_may_be_given():
    one, other = search_space(config_of(("temperature=0.5..2", "uniform_negatives=8..64")), ordered=True)
    assert (one.search.low, one.search.high, one.search.log, one.start) == (0.5, 2.0, True, 0.5)
    assert (other.search.low, other.search.high, other.start) == (8, 64, 64)
    assert type(other.start) is int
    (linear,) = search_space(config_of(("uniform_negatives=0..64",)), ordered=True)
    assert not linear.search.log


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("temprature", ["'temprature'", "Did you mean 'temperature'?"]),
        ("loss.margin", ["'loss.margin'", "learning_rate"]),
        ("temperature=2..1", ["'2..1'", "temperature=0.05..0.5"]),
        ("temperature=cold..hot", ["'cold..hot'"]),
        ("temperature=0.1", ["'0.1'"]),
        ("temperature=-1..1", ["'temperature'", "greater than 0"]),
        ("item_bias=0..1", ["'item_bias'", "(False, True)"]),
    ],
)
def test_what_cannot_be_searched_is_refused(search, words):
    with pytest.raises(ConfigError) as caught:
        search_space(config_of((search,)), ordered=True)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_where_all_is_given_there_is_nothing_to_search():
    found = config_of(loss="none", objective=["byol"])
    held = {one.name: one.start for one in search_space(found, ordered=False)}
    fixed = {name: value for name, value in held.items() if "." not in name}
    with pytest.raises(ConfigError, match=r"All that could be searched is given.*byol\.momentum"):
        search_space(config_of(loss="none", objective=["byol:momentum=0.99"], **fixed), ordered=False)
