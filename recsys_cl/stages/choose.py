"""Settings chosen without a person, on the validation part, within a budget of seconds.

First the exponents of the closed form, by successive halving over few users and few dimensions, then more of both. Then
its dimensions, while more of them improve validation and time allows. Then how many epochs of gradient descent the rest
of the budget pays for. What comes of it are complete settings of one fit or of several, to be fitted and judged alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product
from typing import Any

import numpy as np

from recsys_cl.config import SpectralConfig, TrainConfig
from recsys_cl.evaluation.protocol import Examination
from recsys_cl.pairs.neighbours import has_neighbours, most_entries
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.progress import Reporter
from recsys_cl.stages.choice import Choice, Recipe
from recsys_cl.stages.cost import Cost, Judging
from recsys_cl.stages.descent import Descent
from recsys_cl.stages.judge import Judge, Marks, best_of, some_of
from recsys_cl.stages.teach import lists_of
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.halving import halve
from recsys_cl.training.spectral import ClosedForm, Solver

# Exponents of R, for each of which it is solved anew, and of vectors, which are tried at no such cost.
_SOLVED = {
    "user_exponent": (0.35, 0.2, 0.5),
    "item_exponent": (0.4, 0.3, 0.5),
    "pair_age_exponent": (0.15, 0.0, 0.4),
}
_FREE = {
    "spectral_power": (0.35, 0.7, 1.0),
    "spectral_age_exponents": ((0.0,), (0.0, 1.0), (0.5, 1.5), (0.5, 3.0)),  # ever steeper
}
_BY_ORDER = {"pair_age_exponent", "spectral_age_exponents"}  # these say nothing where there is no order
_OF_USERS = {"user_exponent", "pair_age_exponent"}  # nor these where items belong together
_DIMS = ((32, 64), (128, 256), (512, 1024))  # those of a tuple are found by one solution
_ROUGHLY = 256  # dimensions from which one round of the solver is enough
_MANY_ITEMS = 10_000  # beyond this few dimensions are never best, and are not tried
_TRIALS, _KEEP = 12, 4
_USERS = 2000  # who are asked which dimension is best
_FEW = 1024  # by whom it is told how long lists of lessons take
_FOR_DIMS = 0.95  # share of the budget within which more dimensions, all done with them later and some epochs must fit
_MOST_ENTRIES = 1 << 28  # of pairs of neighbours, of 8 bytes each; what has more is left to positives of users
_GAIN = 1.002  # less than this is no improvement
_WAYS = {
    "hybrid": "with a teacher",
    "untaught": "without a teacher",
    "sequential": "without a teacher, with two readings of histories",
}
_UNCUT = "no history can be cut in two"


@dataclass(frozen=True)
class _Rung:
    """What a trial of exponents costs: users and dimensions; none begins after a share ``until`` of the budget."""

    users: int
    dim: int
    until: float


# Exponents that are best in few dimensions are not so in many; what many items need is tried in many.
_FEW_ITEMS_RUNGS = (_Rung(1000, 64, 0.06), _Rung(2000, 128, 0.12))
_MANY_ITEMS_RUNGS = (_Rung(1000, 256, 0.07), _Rung(2000, 512, 0.14))


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
        gone: seconds of the budget that were spent before the search begins.
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
    gone: float = 0.0

    def choose(self) -> Choice:
        """Search, and return what to fit."""
        self._began = self.clock() - self.gone
        self._judging = Judging.timed(
            self.validation, self.pairs.histories, self.seed, self.clock, with_prior=self.config.popularity_prior
        )
        validating = self._judging.epoch
        self._descent = Descent(self.pairs, self.config, self.ordered, self.seed, self.device, validating)
        self._trials, self._told, self._looks = list[dict[str, Any]](), list[str](), 0
        dim, exponents = self._dimension(self._exponents())
        if not self._are_given(exponents):
            exponents = self._confirmed(dim, exponents)
        self._told.append(f"The closed form has {dim} dimensions, {self._listed(exponents, _FREE)}.")
        neighbours = self._neighbours(self.config.embedding_dim or dim)
        recipes: dict[str, Recipe] = {}
        if self.config.method in {"auto", "hybrid"}:
            for name, hybrid in self._hybrids(dim, neighbours=neighbours is not None).items():
                recipes[name] = Recipe(hybrid, self._rounded(exponents, hybrid.solved_dim))
        if self.config.method in {"auto", "spectral"}:
            served = self.config.embedding_dim or dim
            closed = self.config.model_copy(update={"method": "spectral", "embedding_dim": served})
            recipes["spectral"] = Recipe(closed, self._rounded(exponents, served))
            if neighbours is not None:
                recipes["neighbours"] = Recipe(closed, self._rounded(neighbours, served))
        if len(recipes) > 1:
            self._told.append("All were fitted and judged on validation; less than two standard errors is chance.")
        return Choice(recipes, self._told, self._trials)

    def _exponents(self) -> SpectralConfig:
        """Return the best exponents that were tried, or those given where these are as good but for chance."""
        self._marks: dict[SpectralConfig, Marks] = {}
        rungs = _MANY_ITEMS_RUNGS if self._has_many_items else _FEW_ITEMS_RUNGS
        found = [config for config, _ in halve(self._drawn(), rungs, self._try_out, keep=_KEEP, is_over=self._is_over)]
        chosen = best_of({one: self._marks[one] for one in (found[0], self.spectral)}, self.spectral)
        trials = len(self._trials)
        said = f"After {trials} trial{'' if trials == 1 else 's'} of exponents "
        said += "those given were kept" if chosen == self.spectral else "others were chosen"
        self._told.append(f"{said}: {self._listed(chosen, _SOLVED)}.")
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
        unheeded = set() if self.ordered else _BY_ORDER
        if self.spectral.spectral_positives == "item_item":
            unheeded = unheeded | _OF_USERS
        return [name for name in exponents if name not in unheeded]

    def _listed(self, config: SpectralConfig, exponents: Iterable[str]) -> str:
        found = ((name.replace("_", " "), getattr(config, name)) for name in self._names(exponents))
        return ", ".join(f"{name} {_in_words(value)}" for name, value in found)

    def _is_over(self, rung: _Rung) -> bool:
        return self._spent() > rung.until * self.config.budget_seconds

    def _try_out(self, config: SpectralConfig, rung: _Rung) -> float:
        given = self.config.embedding_dim if self.config.method == "spectral" else None
        dim = min(rung.dim, given or rung.dim)
        judge = Judge(some_of(self.validation, rung.users, self.seed))
        solved = self.solver.solve(self._rounded(config, dim), dim)
        marks = self._marks[config] = self._marks_of(solved, config, dim, judge)
        figure = float(marks.mean())
        self._keep_trial(figure, judge, dim, config)
        return figure

    def _dimension(self, spectral: SpectralConfig) -> tuple[int, SpectralConfig]:
        """Return the dimensions of the closed form that validation likes best, and its exponents.

        What is solved in many dimensions is solved in fewer, so solutions are few and each is looked at twice. With
        method hybrid the closed form is but the teacher, so that its dimensions are free even where those to serve
        are given.
        """
        judge = Judge(some_of(self.validation, _USERS, self.seed))
        best, chosen, refined, cost = -1.0, 0, spectral, None
        for rung in self._ladder():
            dims = rung if cost is None else tuple(dim for dim in rung if self._has_time_for(cost.grown(dim), spectral))
            if not dims:
                self._told.append(f"More than {chosen} dimensions would have gone beyond the budget.")
                break
            began = self.clock()
            rung_config = self._rounded(spectral, dims[-1])
            solved = self.solver.solve(rung_config, dims[-1])
            solving = self.clock() - began
            # The largest is looked at most closely.
            looked = self._looks
            found = [(*self._refined(solved, rung_config, dim, judge, closely=dim == dims[-1]), dim) for dim in dims]
            looking = (self.clock() - began - solving) / (self._looks - looked)
            marks, config, dim = max(found, key=lambda one: one[0].mean())
            figure = float(marks.mean())
            self._keep_trial(figure, judge, dim, config)
            teaching, looks = self._seconds_to_teach(solved, config, dims[-1]), 1 + 2 * len(self._names(_FREE))
            cost = Cost(dims[-1], solving, looking, teaching, 1 + looks)
            if figure <= best * _GAIN:
                break
            best, chosen, refined, self._cost = figure, dim, config, cost
            if dim < dims[-1]:
                break
        return chosen, refined

    def _confirmed(self, dim: int, chosen: SpectralConfig) -> SpectralConfig:
        """Return what was chosen in few dimensions, or what was given if in ``dim`` it is as good but for chance."""
        judge = Judge(some_of(self.validation, _USERS, self.seed))
        kept = chosen.model_copy(update={name: getattr(self.spectral, name) for name in _SOLVED})
        found = {one: self._marks_of(self.solver.solve(one, dim), one, dim, judge) for one in (kept, chosen)}
        self._keep_trial(float(found[kept].mean()), judge, dim, kept)
        best = best_of(found, kept)
        if best == kept:
            listed = self._listed(kept, _SOLVED)
            self._told.append(f"In {dim} dimensions the exponents given were as good, and were kept: {listed}.")
        return best

    def _neighbours(self, dim: int) -> SpectralConfig | None:
        """Return the best exponents of the closed form of items and their neighbours, or None where there is none."""
        if not self._has_neighbours:
            return None
        needed = self._cost.search_of_neighbours + self._seconds_later(self._cost, neighbours=True)
        if self._spent() + needed > self.config.budget_seconds:
            self._told.append("That of items and their neighbours would have gone beyond the budget.")
            return None
        judge = Judge(some_of(self.validation, _USERS, self.seed))
        given = self._rounded(self.spectral.model_copy(update={"spectral_positives": "item_item"}), dim)
        marks, kept = self._refined(self.solver.solve(given, dim), given, dim, judge, closely=True)
        self._keep_trial(float(marks.mean()), judge, dim, kept)
        self._told.append(f"That of items and their neighbours has {dim}, {self._listed(kept, _FREE)}.")
        return kept

    @cached_property
    def _has_neighbours(self) -> bool:
        entries = most_entries(self.pairs.histories, self.spectral.neighbour_window)
        # Short vectors that gradient descent learned are better than a closed form cut short.
        wanted = self._descent.is_joined or self.config.method == "spectral"
        others = self.spectral.spectral_positives == "user_item"
        return self.ordered and wanted and others and entries <= _MOST_ENTRIES and has_neighbours(self.pairs.histories)

    def _are_given(self, config: SpectralConfig) -> bool:
        return all(getattr(config, name) == getattr(self.spectral, name) for name in _SOLVED)

    def _refined(
        self, solved: ClosedForm, given: SpectralConfig, dim: int, judge: Judge, *, closely: bool
    ) -> tuple[Marks, SpectralConfig]:
        """Return what is given or, ``closely``, the best exponents that need no other solution, and their marks."""

        def look(config: SpectralConfig) -> Marks:
            self._looks += 1
            return self._marks_of(solved, config, dim, judge)

        best, marks = given, look(given)
        for name in self._names(_FREE) if closely else ():
            at = getattr(best, name)
            below = [value for value in _FREE[name] if value < at][::-1]
            for way in (below, [value for value in _FREE[name] if value > at]):
                for value in way:  # further, as long as that is better by more than chance
                    other = best.model_copy(update={name: value})
                    found = {best: marks, other: look(other)}
                    if best_of(found, best) == best:
                        break
                    best, marks = other, found[other]
        return marks, best

    def _seconds_to_teach(self, solved: ClosedForm, config: SpectralConfig, dim: int) -> float:
        """Return the seconds it takes to see what is recommended to all who are taught, by those for a few."""
        taught, teacher, seconds = self._descent.taught, self._towers(solved, config, dim), []
        if not len(taught):
            return 0.0
        for few in (taught[:1], taught[:1], taught[:_FEW]):  # one tells what it takes whoever is taught, once warm
            began = self.clock()
            lists_of(teacher, self.pairs.histories, self.config.taught_items, few)
            seconds.append(self.clock() - began)
        return seconds[1] + max(seconds[2] - seconds[1], 0.0) / len(few) * len(taught)

    def _rounded(self, config: SpectralConfig, dim: int) -> SpectralConfig:
        # Many dimensions are best solved roughly: it takes less time and gives more recall (docs/experiments.md).
        return config.model_copy(update={"most_rounds": 1 if dim >= _ROUGHLY else self.spectral.most_rounds})

    def _has_time_for(self, cost: Cost, spectral: SpectralConfig) -> bool:
        anew = 0 if self._are_given(spectral) else cost.search  # a solution of what was given
        needed = cost.search + anew + self._seconds_later(cost, neighbours=False)
        if not self._descent.is_joined:  # few dimensions are served: epochs are worth more than a better teacher
            needed += self._descent.least_seconds(2, cost.teaching)
        return self._spent() + needed < _FOR_DIMS * self.config.budget_seconds

    def _seconds_later(self, cost: Cost, *, neighbours: bool) -> float:
        """Return how long all will take that is done with the closed forms once settings are known, but teaching."""
        served = self.config.method != "hybrid" and not self.config.embedding_dim
        return cost.later(self._judging, neighbours=neighbours, served=served)

    def _ladder(self) -> list[tuple[int, ...]]:
        """Return the dimensions to be tried; those of a tuple by one solution."""
        if self.config.embedding_dim and self.config.method == "spectral":
            return [(self.config.embedding_dim,)]
        limit = min(len(self.pairs.histories), self.pairs.n_items)
        steps = [tuple(dim for dim in dims if dim < limit) for dims in _DIMS]
        if self._has_many_items:
            steps = steps[1:]
        return [dims for dims in steps if dims] or [(_DIMS[0][-1],)]

    @property
    def _has_many_items(self) -> bool:
        return self.pairs.n_items > _MANY_ITEMS

    def _hybrids(self, teacher_dim: int, *, neighbours: bool) -> dict[str, TrainConfig]:
        """Return settings for as many epochs as a fit and a refit have time for, by name; none if there is none."""
        left = self.config.budget_seconds - self._spent() - self._seconds_later(self._cost, neighbours=neighbours)
        judging = self._judging.fit + (self._judging.join if self._descent.is_joined else 0)
        epochs = self._descent.epochs(left, self._cost.teaching, judging)
        if self.config.method == "hybrid":
            epochs = epochs or {next(iter(self._descent.kinds)): 1}
        if not epochs:
            why = "one epoch and its refit would go beyond the budget" if self._descent.kinds else _UNCUT
            self._told.append(f"Gradient descent was left out: {why}.")
            return {}
        told = [f"{most} epoch{'' if most == 1 else 's'} {_WAYS[kind]}" for kind, most in epochs.items()]
        self._told.append(f"Gradient descent had time for {'; for '.join(told)}.")
        # There is time for all epochs, and while the rate is high a pause means little.
        return {
            kind: self._descent.kinds[kind].model_copy(
                update={"teacher_dim": self.config.teacher_dim or teacher_dim, "epochs": most, "patience": most}
            )
            for kind, most in epochs.items()
        }

    def _marks_of(self, solved: ClosedForm, config: SpectralConfig, dim: int, judge: Judge) -> Marks:
        return judge.marks(self._towers(solved, config, dim))

    def _towers(self, solved: ClosedForm, config: SpectralConfig, dim: int) -> TwoTower:
        longest = self.pairs.config.history_length
        return solved.towers(config, dim=dim, history_length=longest, device=self.device)

    def _spent(self) -> float:
        return self.clock() - self._began

    def _keep_trial(self, figure: float, judge: Judge, dim: int, config: SpectralConfig) -> None:
        users, settings = len(judge.users), config.model_dump(mode="json")
        found = {"figure": figure, "seconds": round(self._spent(), 3), "users": users, "dim": dim}
        self._trials.append(found | settings)
        self.reporter.say(f"{dim} dimensions, {users:,} users: NDCG@{judge.k} {figure:.4f} after {self._spent():.0f} s")


def _in_words(value: float | tuple[float, ...]) -> str:
    return " and ".join(f"{one:g}" for one in (value if isinstance(value, tuple) else (value,)))
