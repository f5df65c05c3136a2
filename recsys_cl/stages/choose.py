"""Settings chosen without a person, on the validation part, within a budget of seconds.

First the exponents of the closed form, by successive halving over few users and few dimensions, then more of both. Then
its dimensions, doubled while validation improves and time allows. Then how many epochs of gradient descent the rest of
the budget pays for. What comes of it is one or two complete settings, to be fitted and judged alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, Self

import numpy as np

from recsys_cl.config import SpectralConfig, TrainConfig
from recsys_cl.evaluation import metrics
from recsys_cl.evaluation.protocol import Examination, mean_of_vectors
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.progress import Reporter
from recsys_cl.training.halving import halve
from recsys_cl.training.loop import seconds_an_epoch
from recsys_cl.training.prior import HALF_LIVES, STRENGTHS
from recsys_cl.training.spectral import ClosedForm, solve_log

# Exponents of R, for each of which it is solved anew, and of vectors, which are tried at no such cost.
_SOLVED = {
    "user_exponent": (0.35, 0.2, 0.5),
    "item_exponent": (0.4, 0.3, 0.5),
    "pair_age_exponent": (0.15, 0.0, 0.4),
}
_FREE = {"spectral_power": (0.5, 0.2, 0.8), "spectral_age_exponent": (1.0, 0.0, 0.3, 0.6, 1.5)}
_BY_ORDER = {"pair_age_exponent", "spectral_age_exponent"}  # these say nothing where there is no order
_RUNGS = ((500, 64), (2000, 128))  # users and dimensions
_DIMS = (32, 64, 128, 256, 512, 1024)
_MANY_ITEMS = 10_000  # beyond this few dimensions are never best, and each look at the catalogue is dear
_TRIALS, _KEEP = 12, 4
_USERS = 2000  # who are asked which dimension is best
_FOR_EXPONENTS, _FOR_DIMS = 0.2, 0.8  # share of the budget after which each search ends
_SAFETY = 1.5  # an epoch and its validation take so much longer than the steps that were timed
_FEWEST_USERS, _SCORES = 500, 1 << 25  # asked at least; and scores that one look ranks at most
_GAIN = 1.002  # less than this is no improvement


def some_of(validation: Examination, users: int, seed: int) -> Examination:
    """Draw so many users, fewer where the catalogue is so large that each is dear to ask, or take all there are."""
    users = min(users, max(_FEWEST_USERS, _SCORES // validation.n_items))
    if len(validation) <= users:
        return validation
    rows = np.random.default_rng(seed).permutation(len(validation))[:users]
    return validation.take(np.sort(rows))


@dataclass(frozen=True)
class Choice:
    """What a budget bought.

    Attributes:
        settings: complete settings to fit and compare, by method.
        told: how it came about, sentence by sentence.
        trials: everything tried, with its figure (NDCG@100 on validation) and the seconds after which it was known.
    """

    settings: dict[str, tuple[TrainConfig, SpectralConfig]]
    told: list[str]
    trials: list[dict[str, Any]]

    def describe(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        settings = {
            method: {"train": train.model_dump(mode="json"), "spectral": spectral.model_dump(mode="json")}
            for method, (train, spectral) in self.settings.items()
        }
        return {"settings": settings, "told": self.told, "trials": self.trials}

    @classmethod
    def of(cls, described: dict[str, Any]) -> Self:
        """Return the choice that was described."""
        settings = {
            method: (TrainConfig.of(parts["train"]), SpectralConfig.of(parts["spectral"]))
            for method, parts in described["settings"].items()
        }
        return cls(settings, described["told"], described["trials"])


@dataclass
class Chooser:
    """One search.

    Attributes:
        pairs: the training part.
        validation: what is asked of everything that is tried; only users who can be judged.
        config: settings that are given, the budget among them.
        spectral: exponents to begin with.
        ordered: whether the order of histories means something.
        seed: of the draws and the solver.
        device: "auto", "cpu" or "cuda".
        reporter: told of progress.
        clock: seconds.
    """

    pairs: PairSet
    validation: Examination
    config: TrainConfig
    spectral: SpectralConfig
    ordered: bool
    seed: int
    device: str
    reporter: Reporter
    clock: Callable[[], float] = time.monotonic

    def choose(self) -> Choice:
        """Search, and return what to fit."""
        self._began, self._later = self.clock(), 0.0
        self._trials, self._told = list[dict[str, Any]](), list[str]()
        spectral = self._exponents()
        settings: dict[str, tuple[TrainConfig, SpectralConfig]] = {}
        if self.config.method in {"auto", "spectral"}:
            settings["spectral"] = self._dimension(spectral)
        if self.config.method in {"auto", "hybrid"}:
            hybrid = self._epochs(required=not settings)
            settings |= {} if hybrid is None else {"hybrid": (hybrid, spectral)}
        if len(settings) > 1:
            self._told.append("Both were fitted, and what validation liked best was kept.")
        return Choice(settings, self._told, self._trials)

    def _exponents(self) -> SpectralConfig:
        best = halve(
            self._drawn_settings(),
            _RUNGS,
            self._try_exponents,
            keep=_KEEP,
            is_over=lambda: self._spent() > _FOR_EXPONENTS * self.config.budget_seconds,
        )
        chosen = best[0][0]
        names = [name for name in (*_SOLVED, *_FREE) if self.ordered or name not in _BY_ORDER]
        what = ", ".join(f"{name.replace('_', ' ')} {getattr(chosen, name):g}" for name in names)
        trials = len(self._trials)
        self._told.append(f"Of {trials} trial{'' if trials == 1 else 's'} of exponents the best had {what}.")
        return chosen

    def _drawn_settings(self) -> list[SpectralConfig]:
        """Return the settings given, then others in an order drawn by the seed."""
        names = [name for name in _SOLVED if self.ordered or name not in _BY_ORDER]
        grid = [dict(zip(names, values, strict=True)) for values in product(*(_SOLVED[name] for name in names))]
        np.random.default_rng(self.seed).shuffle(grid)
        others = [self.spectral.model_copy(update=values) for values in grid]
        return [self.spectral, *islice((one for one in others if one != self.spectral), _TRIALS - 1)]

    def _try_exponents(self, config: SpectralConfig, rung: tuple[int, int]) -> tuple[SpectralConfig, float]:
        users, dim = rung
        dim = min(dim, self.config.embedding_dim or dim)
        solved = self._solved(config, dim)
        asked = some_of(self.validation, users, self.seed)
        best = config, self._figure(solved, config, dim, asked)
        for name in (name for name in reversed(_FREE) if self.ordered or name not in _BY_ORDER):
            others = [
                best[0].model_copy(update={name: value}) for value in _FREE[name] if value != getattr(best[0], name)
            ]
            found = [(one, self._figure(solved, one, dim, asked)) for one in others]
            best = max(best, *found, key=lambda one: one[1])
        self._keep_trial(best[1], {"users": len(asked), "dim": dim, **best[0].model_dump()})
        return best

    def _dimension(self, spectral: SpectralConfig) -> tuple[TrainConfig, SpectralConfig]:
        """Return settings for the closed form with the dimensions that validation likes best."""
        asked = some_of(self.validation, _USERS, self.seed)
        limit = min(len(self.pairs.histories), self.pairs.n_items)
        least = _DIMS[2] if self.pairs.n_items > _MANY_ITEMS else _DIMS[0]
        dims = [dim for dim in _DIMS if least <= dim < limit] or [_RUNGS[0][1]]
        dims = [self.config.embedding_dim] if self.config.embedding_dim else dims
        best, best_dim, refined = -1.0, dims[0], spectral
        for dim in dims:
            began = self.clock()
            solved = self._solved(spectral, dim)
            solving = self.clock() - began
            powers = (refined.spectral_power, refined.spectral_power / 2)  # more dimensions want a lower power
            variants = [spectral.model_copy(update={"spectral_power": power}) for power in powers]
            found = [(self._figure(solved, one, dim, asked), one) for one in variants]
            looking = (self.clock() - began - solving) / len(variants)
            figure, config = max(found, key=lambda one: one[0])
            self._keep_trial(figure, {"users": len(asked), "dim": dim, **config.model_dump()})
            if figure <= best * _GAIN:
                break
            best, best_dim, refined = figure, dim, config
            # A fit and a refit, and all that is then asked of priors and of weights to join with.
            self._later = 2 * solving + self._looks * looking
            twice = 2 * (solving + len(variants) * looking + self._later)
            if dim != dims[-1] and self._spent() + twice > _FOR_DIMS * self.config.budget_seconds:
                self._told.append(f"More than {dim} dimensions would have gone beyond the budget.")
                break
        self._told.append(f"The closed form has {best_dim} dimensions.")
        return self.config.model_copy(update={"method": "spectral", "embedding_dim": best_dim}), refined

    @property
    def _looks(self) -> int:
        """How often validation is asked of long vectors once they are fitted: for two priors, and for weights."""
        half_lives = len(HALF_LIVES) if self.pairs.histories.times is not None else 1
        return 2 * (1 + len(STRENGTHS) * half_lives) + 5

    def _epochs(self, *, required: bool) -> TrainConfig | None:
        """Return settings for as many epochs as a fit and a refit have time for; None if for none."""
        if not required and self.config.targets == "many" and self.pairs.histories.lengths.max() < 2:
            self._told.append("Gradient descent was left out: no history can be cut in two.")
            return None
        seconds = seconds_an_epoch(self.pairs, self.config, ordered=self.ordered, seed=self.seed, device=self.device)
        left = self.config.budget_seconds - self._spent() - self._later
        epochs = int(min(self.config.epochs, left / (2 * _SAFETY * max(seconds, 1e-6))))
        if epochs < 1 and not required:
            self._told.append("Gradient descent was left out: one epoch and its refit would go beyond the budget.")
            return None
        epochs = max(epochs, 1)
        self._told.append(f"Gradient descent had time for {epochs} epoch{'' if epochs == 1 else 's'}.")
        return self.config.model_copy(update={"method": "hybrid", "embedding_dim": self.config.dim, "epochs": epochs})

    def _solved(self, config: SpectralConfig, dim: int) -> ClosedForm:
        histories = self.pairs.histories
        return solve_log(histories, config, dim=dim, ordered=self.ordered, seed=self.seed, device=self.device)

    def _figure(self, solved: ClosedForm, config: SpectralConfig, dim: int, asked: Examination) -> float:
        longest = self.pairs.config.history_length
        towers = solved.towers(config, dim=dim, history_length=longest, device=self.device)
        vectors = towers.query_vectors(asked.queries), towers.item_vectors()
        return mean_of_vectors(*vectors, asked, 100, metrics.ndcg_at_k)

    def _spent(self) -> float:
        return self.clock() - self._began

    def _keep_trial(self, figure: float, settings: dict[str, Any]) -> None:
        self._trials.append({"figure": figure, "seconds": round(self._spent(), 3), **settings})
        self.reporter.say(
            f"{settings['dim']} dimensions, {settings['users']:,} users: NDCG@100 {figure:.4f} "
            f"after {self._spent():.0f} s"
        )
