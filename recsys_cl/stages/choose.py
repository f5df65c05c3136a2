"""Settings chosen without a person, on the validation part, within a budget of seconds.

First the exponents of the closed form, by successive halving over few users and few dimensions, then more of both. Then
its dimensions, while more of them improve validation and time allows. Then how many epochs of gradient descent the rest
of the budget pays for. What comes of it is one to three complete settings, to be fitted and judged alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from recsys_cl.config import SpectralConfig, TrainConfig
from recsys_cl.evaluation.protocol import Examination
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.progress import Reporter
from recsys_cl.stages.judge import Judge, some_of
from recsys_cl.stages.teach import popular_lists, taught_users
from recsys_cl.training.halving import halve
from recsys_cl.training.loop import seconds_an_epoch
from recsys_cl.training.spectral import ClosedForm, Solver

# Exponents of R, for each of which it is solved anew, and of vectors, which are tried at no such cost.
_SOLVED = {
    "user_exponent": (0.35, 0.2, 0.5),
    "item_exponent": (0.4, 0.3, 0.5),
    "pair_age_exponent": (0.15, 0.0, 0.4),
}
_FREE = {"spectral_age_exponent": (1.0, 0.0, 0.5, 1.5)}
_BY_ORDER = {"pair_age_exponent", "spectral_age_exponent"}  # these say nothing where there is no order
_DIMS = ((32, 64), (128, 256), (512, 1024))  # those of a tuple are found by one solution
_POWERS = (0.7, 0.35, 1.0)  # that are tried with each
_ROUGHLY = 256  # dimensions from which one round of the solver is enough
_MANY_ITEMS = 10_000  # beyond this few dimensions are never best, and each look at the catalogue is dear
_TRIALS, _KEEP = 12, 4
_USERS = 2000  # who are asked which dimension is best
_FOR_DIMS = 0.95  # share of the budget within which more dimensions, all done with them later and some epochs must fit
_MANY_EPOCHS = 8  # so many leave time to try without a teacher too
_SAFETY = 1.15  # an epoch and its validation take so much longer than the steps that were timed
_JUDGED = 6  # looks' worth of time go into priors and weights
_GAIN = 1.002  # less than this is no improvement


@dataclass(frozen=True)
class _Rung:
    """What a trial of exponents costs: users and dimensions; none begins after a share ``until`` of the budget."""

    users: int
    dim: int
    until: float


_RUNGS = (_Rung(1000, 64, 0.06), _Rung(2000, 128, 0.12))


@dataclass(frozen=True)
class _Cost:
    """What a closed form costs in seconds.

    Attributes:
        dim: its dimensions.
        solving: to solve it.
        looking: to see how it fares on the users asked.
        teaching: to see what it recommends to those whom it teaches.
    """

    dim: int
    solving: float
    looking: float
    teaching: float

    def grown(self, dim: int) -> _Cost:
        """Return what more dimensions would cost, by how costs were seen to grow."""
        times = dim / self.dim
        return _Cost(dim, self.solving * times**1.3, self.looking * times**0.66, self.teaching * times**0.66)

    @property
    def now(self) -> float:
        """Seconds until its settings are known."""
        return self.solving + (1 + len(_POWERS)) * self.looking


@dataclass(frozen=True)
class Recipe:
    """Complete settings of one fit."""

    train: TrainConfig
    spectral: SpectralConfig


@dataclass(frozen=True)
class Choice:
    """What a budget bought.

    Attributes:
        recipes: what to fit and compare, by name: "spectral", "hybrid" and "untaught", a hybrid without a teacher.
        told: how it came about, sentence by sentence.
        trials: everything tried, with its figure (NDCG on validation) and the seconds after which it was known.
    """

    recipes: dict[str, Recipe]
    told: list[str]
    trials: list[dict[str, Any]]

    def describe(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        recipes = {
            method: {"train": one.train.model_dump(mode="json"), "spectral": one.spectral.model_dump(mode="json")}
            for method, one in self.recipes.items()
        }
        return {"recipes": recipes, "told": self.told, "trials": self.trials}

    @classmethod
    def of(cls, described: dict[str, Any]) -> Self:
        """Return the choice that was described."""
        recipes = {
            method: Recipe(TrainConfig.of(parts["train"]), SpectralConfig.of(parts["spectral"]))
            for method, parts in described["recipes"].items()
        }
        return cls(recipes, described["told"], described["trials"])


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
        solver: gives the closed form of the training part.
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
    solver: Solver
    reporter: Reporter
    clock: Callable[[], float] = time.monotonic

    def choose(self) -> Choice:
        """Search, and return what to fit."""
        self._began, self._later = self.clock(), 0.0
        self._trials, self._told = list[dict[str, Any]](), list[str]()
        dim, exponents = self._dimension(self._exponents())
        recipes: dict[str, Recipe] = {}
        if self.config.method in {"auto", "hybrid"}:  # first, since the teacher has just been solved
            hybrids = self._hybrids(dim, required=self.config.method == "hybrid")
            for name, hybrid in hybrids.items():
                solved_dim = hybrid.teacher_dim if name == "hybrid" and len(self._taught) else hybrid.dim
                recipes[name] = Recipe(hybrid, self._rounded(exponents, solved_dim))
        if self.config.method in {"auto", "spectral"}:
            served = self.config.embedding_dim or dim
            closed = self.config.model_copy(update={"method": "spectral", "embedding_dim": served})
            recipes["spectral"] = Recipe(closed, self._rounded(exponents, served))
        if len(recipes) > 1:
            self._told.append("All were fitted, and what validation liked best was kept.")
        return Choice(recipes, self._told, self._trials)

    def _exponents(self) -> SpectralConfig:
        """Return the best exponents that were tried, or those given where these are as good but for chance."""
        self._marks: dict[SpectralConfig, npt.NDArray[np.float64]] = {}
        found = [config for config, _ in halve(self._drawn(), _RUNGS, self._try_out, keep=_KEEP, is_over=self._is_over)]
        given = next(config for config in found if self._of_one_solution(config, self.spectral))
        gain = self._marks[found[0]] - self._marks[given]
        chosen = found[0] if gain.mean() > gain.std() / np.sqrt(len(gain)) else given
        what = ", ".join(
            f"{name.replace('_', ' ')} {getattr(chosen, name):g}" for name in self._names((*_SOLVED, *_FREE))
        )
        trials = len(self._trials)
        said = f"After {trials} trial{'' if trials == 1 else 's'} of exponents "
        said += "those given were kept" if chosen == given else "others were chosen"
        self._told.append(f"{said}: {what}.")
        return chosen

    def _drawn(self) -> list[SpectralConfig]:
        """Return the settings given, those that differ in one exponent, then others, each in an order drawn."""
        names = self._names(_SOLVED)
        grid = [dict(zip(names, values, strict=True)) for values in product(*(_SOLVED[name] for name in names))]
        np.random.default_rng(self.seed).shuffle(grid)
        others = [self.spectral.model_copy(update=values) for values in grid]
        others.sort(key=lambda one: sum(getattr(one, name) != getattr(self.spectral, name) for name in names) > 1)
        return [self.spectral, *islice((one for one in others if one != self.spectral), _TRIALS - 1)]

    def _names(self, exponents: Iterable[str]) -> list[str]:
        return [name for name in exponents if self.ordered or name not in _BY_ORDER]

    def _of_one_solution(self, left: SpectralConfig, right: SpectralConfig) -> bool:
        return all(getattr(left, name) == getattr(right, name) for name in _SOLVED)

    def _is_over(self, rung: _Rung) -> bool:
        return self._spent() > rung.until * self.config.budget_seconds

    def _try_out(self, config: SpectralConfig, rung: _Rung) -> tuple[SpectralConfig, float]:
        given = self.config.embedding_dim if self.config.method == "spectral" else None
        dim = min(rung.dim, given or rung.dim)
        solved = self.solver.solve(config, dim)
        judge = Judge(some_of(self.validation, rung.users, self.seed))
        found = {config: self._marks_of(solved, config, dim, judge)}
        for name in self._names(_FREE):
            best = max(found, key=lambda one: found[one].mean())
            for value in _FREE[name]:
                other = best.model_copy(update={name: value})
                if other not in found:
                    found[other] = self._marks_of(solved, other, dim, judge)
        best = max(found, key=lambda one: found[one].mean())
        self._marks[best] = found[best]
        figure = float(found[best].mean())
        self._keep_trial(figure, judge, {"dim": dim, **best.model_dump()})
        return best, figure

    def _dimension(self, spectral: SpectralConfig) -> tuple[int, SpectralConfig]:
        """Return the dimensions of the closed form that validation likes best, and its exponents.

        What is solved in many dimensions is solved in fewer, so solutions are few and each is looked at twice. With
        method hybrid the closed form is but the teacher, so that its dimensions are free even where those to serve
        are given.
        """
        judge = Judge(some_of(self.validation, _USERS, self.seed))
        best, chosen, refined, cost = -1.0, 0, spectral, None
        for rung in self._ladder():
            dims = rung if cost is None else tuple(dim for dim in rung if self._has_time_for(cost.grown(dim)))
            if not dims:
                self._told.append(f"More than {chosen} dimensions would have gone beyond the budget.")
                break
            began = self.clock()
            rung_config = self._rounded(spectral, dims[-1])
            solved = self.solver.solve(rung_config, dims[-1])
            solving = self.clock() - began
            powers = (_POWERS if dim == dims[-1] else (spectral.spectral_power,) for dim in dims)
            variants = [
                (dim, rung_config.model_copy(update={"spectral_power": power}))
                for dim, tried in zip(dims, powers, strict=True)
                for power in tried
            ]
            found = [(float(self._marks_of(solved, one, dim, judge).mean()), dim, one) for dim, one in variants]
            looking = (self.clock() - began - solving) / len(variants)
            figure, dim, config = max(found, key=lambda one: one[0])
            self._keep_trial(figure, judge, {"dim": dim, **config.model_dump()})
            cost = _Cost(dims[-1], solving, looking, looking / len(judge.users) * len(self._taught))
            if figure <= best * _GAIN:
                break
            best, chosen, refined, self._later = figure, dim, config, self._seconds_later(cost)
            if dim < dims[-1]:
                break
        self._told.append(f"The closed form has {chosen} dimensions.")
        return chosen, refined

    def _rounded(self, config: SpectralConfig, dim: int) -> SpectralConfig:
        # Many dimensions are best solved roughly: it takes less time and gives more recall (docs/experiments.md).
        return config.model_copy(update={"most_rounds": 1 if dim >= _ROUGHLY else self.spectral.most_rounds})

    def _has_time_for(self, cost: _Cost) -> bool:
        # Where few dimensions are served, epochs are worth more than a better teacher.
        epochs = 2 if self.config.embedding_dim or self.config.method == "hybrid" else 1
        needed = cost.now + self._seconds_later(cost) + 2 * epochs * _SAFETY * self._seconds_an_epoch
        return self._spent() + needed < _FOR_DIMS * self.config.budget_seconds

    def _seconds_later(self, cost: _Cost) -> float:
        """Return how long all will take that is done with the closed form once settings are known.

        It is solved anew for the refit, and teaches twice; what it serves is judged with priors and weights.
        """
        served = self.config.method != "hybrid" and not self.config.embedding_dim
        return cost.solving + 2 * cost.teaching + (_JUDGED * cost.looking if served else 0)

    @cached_property
    def _seconds_an_epoch(self) -> float:
        """Seconds of an epoch of gradient descent; 0 where there is none."""
        cut = self.config.targets == "one" or self.pairs.histories.lengths.max() > 1
        if self.config.method == "spectral" or not (cut or self.config.method == "hybrid"):
            return 0.0
        if len(self._taught):
            return self._epoch_of(popular_lists(self.pairs.histories, self.config.taught_items, self.seed))
        return self._epoch_of(None)

    def _epoch_of(self, lists: npt.NDArray[np.int32] | None) -> float:
        return seconds_an_epoch(
            self.pairs, self.config, ordered=self.ordered, seed=self.seed, device=self.device, lists=lists
        )

    @cached_property
    def _taught(self) -> npt.NDArray[np.int64]:
        learns = self.config.method != "spectral" and self.config.targets == "many" and self.config.taught_items
        return taught_users(self.pairs.histories, self.seed) if learns else np.empty(0, np.int64)

    def _ladder(self) -> list[tuple[int, ...]]:
        """Return the dimensions to be tried; those of a tuple by one solution."""
        if self.config.embedding_dim and self.config.method == "spectral":
            return [(self.config.embedding_dim,)]
        limit = min(len(self.pairs.histories), self.pairs.n_items)
        steps = [tuple(dim for dim in dims if dim < limit) for dims in _DIMS]
        if self.pairs.n_items > _MANY_ITEMS:
            steps = steps[1:]
        return [dims for dims in steps if dims] or [(_RUNGS[0].dim,)]

    def _hybrids(self, teacher_dim: int, *, required: bool) -> dict[str, TrainConfig]:
        """Return settings for as many epochs as a fit and a refit have time for, by name; none if there is none.

        Some logs are learned better without the teacher, so where there is time enough for that too both are tried.
        """
        if not required and self.config.targets == "many" and self.pairs.histories.lengths.max() < 2:
            self._told.append("Gradient descent was left out: no history can be cut in two.")
            return {}
        left = (self.config.budget_seconds - self._spent() - self._later) / _SAFETY
        taught = self._epochs_in(left / 2, self._seconds_an_epoch)
        changes = {"method": "hybrid", "embedding_dim": self.config.dim, "teacher_dim": teacher_dim}
        hybrid = self.config.model_copy(update=changes)
        if len(self._taught):
            alone = self._epochs_in(left / 3, self._epoch_of(None))
            # Lessons may take several times as long as what they are to help.
            if alone >= min(_MANY_EPOCHS, self.config.epochs):
                taught = self._epochs_in(left / 3, self._seconds_an_epoch)
                untaught = hybrid.model_copy(update={"taught_items": 0, **_all_of(alone)})
                self._told.append(
                    f"Gradient descent had time for {max(taught, 1)} and, without a teacher, {alone} epochs."
                )
                return {"hybrid": hybrid.model_copy(update=_all_of(max(taught, 1))), "untaught": untaught}
        if taught < 1 and not required:
            self._told.append("Gradient descent was left out: one epoch and its refit would go beyond the budget.")
            return {}
        taught = max(taught, 1)
        self._told.append(f"Gradient descent had time for {taught} epoch{'' if taught == 1 else 's'}.")
        return {"hybrid": hybrid.model_copy(update=_all_of(taught))}

    def _epochs_in(self, seconds: float, each: float) -> int:
        return int(min(self.config.epochs, seconds / max(each, 1e-6)))

    def _marks_of(self, solved: ClosedForm, config: SpectralConfig, dim: int, judge: Judge) -> npt.NDArray[np.float64]:
        longest = self.pairs.config.history_length
        return judge.marks(solved.towers(config, dim=dim, history_length=longest, device=self.device))

    def _spent(self) -> float:
        return self.clock() - self._began

    def _keep_trial(self, figure: float, judge: Judge, settings: dict[str, Any]) -> None:
        users = len(judge.users)
        self._trials.append({"figure": figure, "seconds": round(self._spent(), 3), "users": users, **settings})
        self.reporter.say(
            f"{settings['dim']} dimensions, {users:,} users: NDCG@{judge.k} {figure:.4f} after {self._spent():.0f} s"
        )


def _all_of(epochs: int) -> dict[str, int]:
    """Return changes for so many epochs: there is time for them, and while the rate is high a pause means little."""
    return {"epochs": epochs, "patience": epochs}
