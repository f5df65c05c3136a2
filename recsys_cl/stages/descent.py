"""Kinds of gradient descent from the closed form, and how many epochs of them a budget has time for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
import numpy.typing as npt

from recsys_cl.config import TrainConfig
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.stages.teach import popular_lists, taught_users
from recsys_cl.training.loop import seconds_an_epoch

SAFETY = 1.25  # an epoch takes so much longer than the steps that were timed
_MANY_EPOCHS = 8  # so many of each leave time to try several kinds
_DIM, _AGES = 64, (0.5, 3.0)  # of each reading of a history; one learns taste, the other what comes next


@dataclass
class Descent:
    """What gradient descent could do on one log.

    Three kinds are worth trying. "hybrid" learns what the closed form recommends, too, and holds in few dimensions what
    that needs many for. "untaught" learns from the log alone, and so knows other things than the closed form with
    which it can be joined. "sequential" reads an ordered history in two ways besides.

    Attributes:
        pairs: the training part.
        config: settings that are given.
        ordered: whether the order of histories means something.
        seed: of all draws.
        device: "auto", "cpu" or "cuda".
        validating: seconds that are added to each epoch, but for those of refits.
    """

    pairs: PairSet
    config: TrainConfig
    ordered: bool
    seed: int
    device: str
    validating: float = 0.0

    def __post_init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @property
    def is_joined(self) -> bool:
        """Whether what is learned may be joined with the closed form, so that vectors are as long as both."""
        return self.config.method == "auto" and self.config.embedding_dim is None

    @cached_property
    def kinds(self) -> dict[str, TrainConfig]:
        """Settings by name; where there is time for one kind alone, it is the first."""
        learns = self.config.targets == "one" or self.pairs.histories.lengths.max() > 1
        if self.config.method == "spectral" or not (learns or self.config.method == "hybrid"):
            return {}
        hybrid = self.config.model_copy(update={"method": "hybrid", "embedding_dim": self.config.dim})
        untaught = hybrid.model_copy(update={"taught_items": 0})
        two = {"age_exponents": _AGES, "embedding_dim": self.config.embedding_dim or _DIM * len(_AGES)}
        kinds = {"hybrid": hybrid, "sequential": untaught.model_copy(update=two), "untaught": untaught}
        if not hybrid.taught:
            del kinds["hybrid"]
        if not self.ordered or self.config.targets == "one" or self.config.age_exponents:
            del kinds["sequential"]
        if self.is_joined and hybrid.taught:  # what differs most from the closed form adds most to it
            first = "sequential" if "sequential" in kinds else "untaught"
            kinds = {first: kinds[first]} | kinds
        return kinds

    @cached_property
    def taught(self) -> npt.NDArray[np.int64]:
        """Numbers of the users who are taught by any kind."""
        taught = any(config.taught for config in self.kinds.values())
        return taught_users(self.pairs.histories, self.seed) if taught else np.empty(0, np.int64)

    def seconds(self, kind: str) -> float:
        """Return how long an epoch takes, timed when it is first asked for."""
        if kind not in self._seconds:
            config, histories, lists = self.kinds[kind], self.pairs.histories, None
            if config.taught:
                lists = popular_lists(histories, config.taught_items, self.taught, self.seed)
            self._seconds[kind] = seconds_an_epoch(
                self.pairs, config, ordered=self.ordered, seed=self.seed, device=self.device, lists=lists
            )
        return self._seconds[kind]

    def least_seconds(self, epochs: int, teaching: float) -> float:
        """Return how long so many epochs of the first kind take, and as many of its refit; nothing without kinds."""
        for kind, config in self.kinds.items():
            return 2 * (epochs * self._epoch(kind, fits=1) + teaching * config.taught)
        return 0.0

    def epochs(self, seconds: float, teaching: float, judging: float) -> dict[str, int]:
        """Return how many epochs there is time for: of as many kinds as can have many, else of the first with any.

        Args:
            seconds: for one fit of each kind, and a refit of one.
            teaching: how long a teacher takes to say what it recommends.
            judging: how long it takes to judge and to join what one kind learned.
        """
        several: dict[str, int] = {}
        for count in range(2, len(self.kinds) + 1):
            kinds = list(islice(self.kinds, count))
            taught = any(self.kinds[kind].taught for kind in kinds)
            each = (seconds - count * judging - 2 * teaching * taught) / (1 + count)
            # Epochs are timed when they are first asked for, so that the dear ones are asked for last.
            if any(self._epochs(kind, each, fits=count) < min(_MANY_EPOCHS, self.config.epochs) for kind in kinds):
                break
            several = {kind: self._epochs(kind, each, fits=count) for kind in kinds}
        if several:
            return several
        for kind, config in self.kinds.items():
            if epochs := self._epochs(kind, (seconds - judging) / 2 - (teaching if config.taught else 0), fits=1):
                return {kind: epochs}
        return {}

    def _epochs(self, kind: str, seconds: float, *, fits: int) -> int:
        return int(min(self.config.epochs, max(seconds, 0) / max(self._epoch(kind, fits=fits), 1e-6)))

    def _epoch(self, kind: str, *, fits: int) -> float:
        """Return how long an epoch takes on average, among so many fits and one refit, which is not validated."""
        return SAFETY * self.seconds(kind) + self.validating * fits / (fits + 1)
