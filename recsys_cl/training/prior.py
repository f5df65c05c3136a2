"""The popularity prior: how much the taste of the moment counts beside the taste of the user.

In-batch softmax learns what was popular over the whole of the training part. What is popular shortly afterwards is
told better by the latest interactions, most of all on logs that span years. So each item gets one number more, the log
of its (recent) popularity, which every query takes with the same weight. It is one more coordinate of the vectors:
search is still one inner product. A weight of zero leaves the towers as they were; a large one is popularity itself.
Weight and half-life are chosen on the validation part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.histories import Histories

Offsets = npt.NDArray[np.float32]
Validate = Callable[[Offsets], npt.NDArray[np.float64]]

HALF_LIVES = (None, 1 / 4, 1 / 16, 1 / 64, 1 / 256)
"""Half-lives that are tried, as shares of the period the log spans; None counts all interactions alike."""

STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 32.0)
"""Strengths that are tried beside none, in the units of the logits."""


@dataclass(frozen=True)
class PopularityPrior:
    """One choice of prior.

    Attributes:
        half_life: share of the period the log spans after which an interaction counts half; None if all count alike.
        strength: what the log of popularity is multiplied by, in the units of the logits; 0 is no prior.
        validation: what validation gave with it.
    """

    half_life: float | None = None
    strength: float = 0.0
    validation: float | None = None

    def scores(self, histories: Histories, temperature: float) -> Offsets:
        """Return what each item's score gains, (n_items,) float32; ``histories`` should be what was learned from."""
        return self.weighed(log_popularity(histories, self.half_life), temperature)

    def weighed(self, popularity: Offsets, temperature: float) -> Offsets:
        """Return what each item's score gains, (n_items,) float32, by its `log_popularity` with this half-life."""
        return self.strength * temperature * popularity  # scores are logits times temperature


def log_popularity(histories: Histories, half_life: float | None) -> Offsets:
    """Return log(1 + interactions) of each item, (n_items,) float32, older interactions counting less.

    Args:
        histories: whose interactions are counted; they need times for a half-life to tell.
        half_life: as in `PopularityPrior`.
    """
    if half_life is None or histories.times is None:
        return np.log1p(histories.counts()).astype(np.float32)
    age = histories.times.max() - np.asarray(histories.times)
    period = max(int(age.max()), 1)
    weights = np.exp2(-age / (half_life * period))
    return np.log1p(np.bincount(histories.item_nums, weights, histories.n_items)).astype(np.float32)


def judged(
    histories: Histories, temperature: float, validate: Validate
) -> dict[PopularityPrior, npt.NDArray[np.float64]]:
    """Return what the lists of the users asked are worth with each prior, (users,), and with none first of all.

    Args:
        histories: what the towers learned from.
        temperature: of their objective.
        validate: what each user's list is worth when so much, (n_items,) float32, is added to scores; higher is better.
    """
    none, counted = PopularityPrior(), dict[float | None, Offsets]()
    marks = {none: validate(np.zeros(histories.n_items, np.float32))}
    for prior in priors(histories):
        if prior.half_life not in counted:
            counted[prior.half_life] = log_popularity(histories, prior.half_life)
        marks[prior] = validate(prior.weighed(counted[prior.half_life], temperature))
    return marks


def priors(histories: Histories) -> Iterator[PopularityPrior]:
    """Yield all that are tried beside none."""
    half_lives = HALF_LIVES if histories.times is not None else (None,)
    for strength in STRENGTHS:
        for half_life in half_lives:
            yield PopularityPrior(half_life, strength)
