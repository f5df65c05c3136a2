"""Every loss that is a function of scores, from its paper's equation, in plain Python: no tensor, no trick."""

from __future__ import annotations

import math

from random_contrasts import Asked


def in_catalogue(one: Asked) -> float:
    """How many items the negatives stand for."""
    return sum(1 / often for _, often in one.negatives)


def mean_over_negatives(one: Asked, function) -> float:
    """The mean over the catalogue, for which negatives stand; nought where there are none."""
    total = sum(function(score) / often for score, often in one.negatives)
    return total / in_catalogue(one) if one.negatives else 0.0


def sum_of_negatives(one: Asked) -> float:
    return sum(math.exp(score / one.temperature) / often for score, often in one.negatives)


def sum_of_positives(one: Asked) -> float:
    return sum(math.exp(score / one.temperature) for score in one.positives)


def info_nce(one, positive):
    e = math.exp(positive / one.temperature)
    return -math.log(e / (e + sum_of_negatives(one)))


def supcon_out(one, positive):
    return -math.log(math.exp(positive / one.temperature) / (sum_of_positives(one) + sum_of_negatives(one)))


def supcon_in(one, _positive):
    among = sum_of_positives(one) + sum_of_negatives(one)
    return -math.log(sum(math.exp(one_of / one.temperature) / among for one_of in one.positives) / len(one.positives))


def decoupled(one, positive):
    return -math.log(math.exp(positive / one.temperature) / sum_of_negatives(one)) if one.negatives else 0.0


def bilateral(one, positive, power, pooled):
    mean = sum_of_positives(one) / len(one.positives) if pooled else math.exp(positive / one.temperature)
    return -math.log(mean / sum_of_negatives(one) ** power) if one.negatives else 0.0


def debiased(one, positive, positive_prior):
    e, items = math.exp(positive / one.temperature), in_catalogue(one)
    among_true_negatives = (sum_of_negatives(one) - items * positive_prior * e) / (1 - positive_prior)
    return -math.log(e / (e + max(among_true_negatives, items * math.exp(-1 / one.temperature))))


def hard_negatives(one, positive, hardness):
    e = math.exp(positive / one.temperature)
    if not one.negatives:
        return 0.0
    weights = [(math.exp(hardness * score / one.temperature) / often) for score, often in one.negatives]
    exponentials = [math.exp(score / one.temperature) for score, _ in one.negatives]
    mean = sum(w * x for w, x in zip(weights, exponentials, strict=True)) / sum(weights)
    return -math.log(e / (e + in_catalogue(one) * mean))


def cosine_contrastive(one, positive, margin, negative_weight):
    return 1 - positive + negative_weight * mean_over_negatives(one, lambda score: max(0.0, score - margin))


def margin_contrastive(one, positive, margin, negative_weight):
    near = mean_over_negatives(one, lambda score: max(0.0, margin - math.sqrt(-score)) ** 2 / 2)
    return math.sqrt(-positive) ** 2 / 2 + negative_weight * near


def triplet(one, positive, margin, mining, by_rank=False):
    scores = [score for score, _ in one.negatives]
    if mining == "all":
        loss = mean_over_negatives(one, lambda score: max(0.0, score - positive + margin))
    else:
        left = [score for score in scores if mining == "hard" or score < positive]
        loss = max(0.0, max(left) - positive + margin) if left else 0.0
    rank = sum(1 / often for score, often in one.negatives if score > positive - margin)
    return loss * (math.log(1 + rank) if by_rank else 1)


def spectral(one, positive, scale):
    entries = [*one.negatives, *zip(one.positives, one.own, strict=True)]
    items, squares = (
        sum(x / often for x, often in pairs)
        for pairs in ([(1, often) for _, often in entries], [((scale * score) ** 2, often) for score, often in entries])
    )
    return -2 * scale * positive + (squares / items if items else 0.0)


SLOW = [
    ("info_nce", {}, info_nce),
    ("sampled_softmax", {}, supcon_out),
    ("supcon", {"form": "out"}, supcon_out),
    ("supcon", {"form": "in"}, supcon_in),
    ("decoupled", {}, decoupled),
    ("bilateral_softmax", {"power": 1.3, "pooled": False}, bilateral),
    ("bilateral_softmax", {"power": 1.3, "pooled": True}, bilateral),
    ("debiased", {"positive_prior": 0.05}, debiased),
    ("debiased", {"positive_prior": 0.6}, debiased),
    ("hard_negatives", {"hardness": 0.7}, hard_negatives),
    ("cosine_contrastive", {"margin": 0.3, "negative_weight": 5.0}, cosine_contrastive),
    ("margin", {"margin": 3.0, "negative_weight": 2.0}, margin_contrastive),
    ("triplet", {"margin": 0.5, "mining": "all"}, triplet),
    ("triplet", {"margin": 3.0, "mining": "semi_hard"}, triplet),
    ("triplet", {"margin": 0.5, "mining": "hard"}, triplet),
    ("triplet", {"margin": 0.5, "mining": "all", "by_rank": True}, triplet),
    ("triplet", {"margin": 0.5, "mining": "hard", "by_rank": True}, triplet),
    ("spectral", {"scale": 1.5}, spectral),
]
"""Name, settings, and the loss of one positive, given its query and its similarity."""


def mean_loss(queries: list[Asked], function, settings) -> float:
    """The mean over positives by their weights; nought where there are none."""
    total = sum(
        weight * function(one, positive, **{name: value for name, value in settings.items() if name != "form"})
        for one in queries
        for positive, weight in zip(one.positives, one.weights, strict=True)
    )
    weights = sum(sum(one.weights) for one in queries)
    return total / weights if weights else 0.0
