"""Contrastive methods that make no sense together are refused in the first second, with a remedy; others are not."""

from __future__ import annotations

import pytest

from recsys_cl.config import load_config
from recsys_cl.contrast.mixture import OBJECTIVES
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.errors import ConfigError
from recsys_cl.families import member, members
from recsys_cl.stages.foresight import require_sound
from recsys_cl.towers.two_tower import SIMILARITIES

GAUSSIAN = {"query_encoder": "gaussian_history", "candidate_encoder": "gaussian_item_id"}


def sound(**settings):
    require_sound(load_config(None, {"method": "gradient", **settings}))


@pytest.mark.parametrize("loss", members(LOSSES))
@pytest.mark.parametrize("similarity", members(SIMILARITIES))
def test_a_loss_is_refused_just_where_it_makes_no_sense_of_a_similarity(loss, similarity):
    compared, module = member(SIMILARITIES, similarity), member(LOSSES, loss)
    settings = {"loss": loss, "similarity": similarity, **(GAUSSIAN if compared.GAUSSIAN else {})}
    distance, product = (getattr(module, name, False) for name in ("NEEDS_DISTANCE", "NEEDS_PRODUCT"))
    if distance and similarity not in {"euclidean", "wasserstein"}:
        with pytest.raises(ConfigError, match=f"{loss}.* needs squared distances, which --similarity {similarity}.*"):
            sound(**settings)
    elif product and similarity not in {"cosine", "dot"}:
        with pytest.raises(ConfigError, match=f"{loss}.* needs inner products.*name one of cosine, dot"):
            sound(**settings)
    else:
        sound(**settings)


def test_who_needs_what():
    assert [name for name in members(LOSSES) if getattr(member(LOSSES, name), "NEEDS_DISTANCE", False)] == ["margin"]
    needy = [name for name in members(LOSSES) if getattr(member(LOSSES, name), "NEEDS_PRODUCT", False)]
    assert needy == ["alignment_uniformity", "spectral"]


def test_a_main_loss_needs_negatives_unless_it_uses_none():
    none = {"in_batch_negatives": False, "uniform_negatives": 0}
    with pytest.raises(ConfigError, match=r"info_nce needs negatives, and there are none.*--uniform-negatives"):
        sound(loss="info_nce", **none)
    sound(loss="info_nce", **none, popular_negatives=3)
    sound(loss="info_nce", **{**none, "in_batch_negatives": True})
    sound(loss="alignment_uniformity", **none)
    sound(loss="none", objective=["byol"], **none)


@pytest.mark.parametrize("way", [{"loss": "none"}, {"loss": "bpr:weight=0"}, {"pretrain": ["adversarial"]}])
def test_what_perturbs_a_main_loss_needs_one(way):
    with pytest.raises(ConfigError, match=r"'adversarial' needs a main loss, and there is none.*--loss"):
        sound(**{"objective": ["adversarial"]} | way)


@pytest.mark.parametrize("name", members(OBJECTIVES))
def test_an_objective_goes_with_the_main_loss_if_it_contrasts(name):
    if getattr(member(OBJECTIVES, name), "USES_NEGATIVES", True):
        sound(objective=[name])
        return
    with pytest.raises(ConfigError, match=f"'{name}' learns without negatives and cannot go with 'sampled_softmax'"):
        sound(objective=[name])
    sound(objective=[name], loss="none")
    sound(objective=[name], loss="alignment_uniformity")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "debiased:positive_priors=0.1"}, ["'debiased'", "positive_prior"]),
        ({"loss": "debiased:positive_prior=2"}, ["'debiased'", "less than 1"]),
        ({"tempering": "per_user:sprad=1"}, ["'per_user'", "spread"]),
        ({"objective": ["byol:momentum=1"], "loss": "none"}, ["'byol'", "less than 1"]),
        ({"loss": "none"}, ["Nothing would be learned"]),
        ({"loss": "info_nce:weight=0"}, ["Nothing would be learned"]),
        ({"queue_size": 100}, ["A queue of 100 does not hold a batch of 512", "--queue-size"]),
        ({"objective": ["moco:queue_size=100"]}, ["A queue of 100", "moco:queue_size"]),
        ({"similarity": "kl"}, ["compares Gaussians", "aged_history", "gaussian_history"]),
        (GAUSSIAN, ["'cosine' compares points", "'gaussian_history'"]),
        ({"loss": "sampled_softmx"}, ["sampled_softmax"]),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(settings, words):
    with pytest.raises(ConfigError) as caught:
        sound(**settings)
    assert all(word in str(caught.value) for word in words), str(caught.value)
