"""One fit: towers for one part of a log, with the settings given, whatever the method."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recsys_cl.config import TrainConfig
from recsys_cl.evaluation.facts import FitFacts
from recsys_cl.evaluation.findings import how_fitted
from recsys_cl.evaluation.protocol import Examination, examine
from recsys_cl.files import read_json, whole_folder, write_json
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.pair_set import PairSet
from recsys_cl.stages.choice import Recipe
from recsys_cl.stages.job import Job
from recsys_cl.stages.judge import Judge, Marks, best_of
from recsys_cl.stages.pairs import FittedOn, Prepared, add_pairs
from recsys_cl.stages.teach import lists_of, taught_users
from recsys_cl.towers.two_tower import TwoTower
from recsys_cl.training.loop import Trained, Watch, readings_of, train
from recsys_cl.training.prior import PopularityPrior, judged
from recsys_cl.training.spectral import Solver

WEIGHTS = (0.2, 0.35, 0.5, 0.65, 0.8)  # of the first of two that are joined, beside as much as it has parts
MARKS = "validation.npy"  # beside the towers: what the list of each user asked was worth
_SAID: dict[FittedOn, str] = {
    "train": "Fitting on the training part",
    "train_and_validation": "Fitting anew on the training and validation parts, for as long",
    "all": "Fitting once more on all data, for as long",
}


@dataclass(frozen=True)
class Fitter:
    """Fits towers to one part of a log; each fit is a folder with ``training.json`` beside the towers.

    Attributes:
        job: settings and the reporter.
        prepared: the log.
        fitted_on: the part.
    """

    job: Job
    prepared: Prepared
    fitted_on: FittedOn

    def fit(
        self, recipe: Recipe, folder: Path, *, like: dict[str, Any] | None = None, watch: Watch | None = None
    ) -> None:
        """Fit, choosing epochs and prior by validation or, given the facts of an earlier fit, ``like`` that one.

        Each epoch is told to ``watch``, which may end the fit by what it raises; nothing is left in ``folder`` then.
        """
        if folder.exists():
            return
        config, made = recipe.train, self._made(recipe, folder.name)
        self.job.reporter.say(f"{_SAID[self.fitted_on]}: {how_fitted(made, ())}, {made.dim:,} dimensions.")
        trained = self._trained(recipe, like, folder.with_name(f"{folder.name}-checkpoints"), watch)
        facts = {field.name: getattr(trained, field.name) for field in fields(trained) if field.name != "towers"}
        facts |= made.model_dump(include={"method", "dim", "positives", "taught", "readings", "learned"}) | {
            "validation_metric": self._metric
        }
        facts |= {name: like[name] for name in ("kept", "tried") if like and name in like}
        if like:
            self._keep(trained.towers, PopularityPrior(**like["prior"]), facts, folder)
        elif (judge := self._judge) is None:
            self._keep(trained.towers, PopularityPrior(), facts, folder)
        else:
            scores = self._scores[folder] = judge.scores(trained.towers)
            prior, marks = best_prior(self.pairs.histories, config, scores, judge)
            if config.method == "spectral":
                facts |= {"best_validation": prior.validation}
            self._keep(trained.towers, prior, facts, folder, marks)

    def join(self, first: Path, second: Path, folder: Path) -> None:
        """Weigh what lies in two folders, itself fitted or joined, by validation; `join_like` makes the towers."""
        if folder.exists() or (judge := self._judge) is None:
            return
        self.job.reporter.say(f"Joining {first.name} and {second.name}.")
        ones, others = (self._scores_of(one, judge) for one in (first, second))
        before = read_json(first / "training.json")
        parts, weights = before.get("parts", [first.name]), before.get("weights", [1.0])
        even = len(parts) / (len(parts) + 1)
        tried = {one: judge.marks_by(torch.lerp(others, ones, one)) for one in (*WEIGHTS, even)}
        weight = best_of(tried, even)
        scores = self._scores[folder] = torch.lerp(others, ones, weight)
        prior, marks = best_prior(self.pairs.histories, self.job.config.train, scores, judge)
        facts = dict[str, Any](read_json(second / "training.json"))
        facts |= {"method": "joined", "parts": [*parts, second.name], "best_validation": prior.validation}
        facts |= {"dim": sum(read_json(one / "training.json")["dim"] for one in (first, second))}
        facts |= {"weights": [*(weight * one for one in weights), 1 - weight]}
        self._keep(None, prior, facts, folder, marks)

    def join_like(self, parts: Path, folder: Path, like: dict[str, Any]) -> None:
        """Join what lies in ``parts`` as is told by the facts of what was joined before."""
        if not folder.exists():
            towers = [TwoTower.load(parts / name) for name in like["parts"]]
            self._keep(TwoTower.joined(towers, like["weights"]), PopularityPrior(**like["prior"]), like, folder)

    @cached_property
    def pairs(self) -> PairSet:
        """What is learned from."""
        add_pairs(self.job, self.prepared, self.fitted_on)
        return self.prepared.pairs(self.fitted_on)

    @property
    def validation(self) -> Examination | None:
        """Users of the validation part who can be judged; None if there are none."""
        return self._validation_part if len(self._validation_part) else None

    @cached_property
    def _validation_part(self) -> Examination:
        seen, part = self.prepared.seen("train"), self.prepared.part("validation")
        return examine(seen, part, self.prepared.vocabulary(self.fitted_on)).asked

    @cached_property
    def solver(self) -> Solver:
        """Gives the closed form."""
        config = self.job.config
        return Solver(self.pairs.histories, self.prepared.ordered, config.seed, config.device, self.job.reporter)

    def _made(self, recipe: Recipe, name: str) -> FitFacts:
        config, positives = recipe.train, recipe.spectral.spectral_positives
        if config.method == "spectral":
            return FitFacts(name=name, method=config.method, dim=config.dim, positives=positives)
        readings = len(readings_of(config, ordered=self.prepared.ordered))
        by_default = TrainConfig().learned
        return FitFacts(
            name=name,
            method=config.method,
            dim=config.dim,
            taught=config.taught,
            readings=readings,
            learned=config.learned if config.learned != by_default else "",
        )

    def _trained(self, recipe: Recipe, like: dict[str, Any] | None, checkpoints: Path, watch: Watch | None) -> Trained:
        config, length = recipe.train, self.pairs.config.history_length
        judge = self._epoch_judge if like is None else None
        validate = None if judge is None else partial(self._figure, config, judge)
        start, lists = None, None
        if config.method != "gradient":
            solved = self.solver.solve(recipe.spectral, config.solved_dim, checkpoints / "spectral")
            width = max(one.embedding_dim for one in readings_of(config, ordered=self.prepared.ordered))
            dim = config.dim if config.method == "spectral" else width
            start = solved.towers(recipe.spectral, dim=dim, history_length=length, device=self.job.config.device)
            if config.taught:
                teacher_dim = config.teacher_dim or config.solved_dim
                teacher = solved.towers(recipe.spectral, dim=teacher_dim, history_length=length)
                histories, users = self.pairs.histories, taught_users(self.pairs.histories, self.job.config.seed)
                lists = lists_of(teacher, histories, config.taught_items, users)
        if start is not None and config.method == "spectral":
            return Trained.in_closed_form(start)
        if config.pretrain:
            start = self._pretrained(config, start, checkpoints / "pretraining")
        return train(
            self.pairs,
            len(self.pairs.histories),
            config,
            ordered=self.prepared.ordered,
            seed=self.job.config.seed,
            device=self.job.config.device,
            start=start,
            lists=lists,
            epochs=None if like is None else like["best_epoch"],
            validate=validate,
            watch=watch,
            checkpoints=checkpoints,
            reporter=self.job.reporter,
        )

    def _pretrained(self, config: TrainConfig, start: TwoTower | None, checkpoints: Path) -> TwoTower:
        """Return towers that learned what comes first, all epochs of it: nothing is validated by users and items."""
        self.job.reporter.say(f"First: {', '.join(map(str, config.pretrain))}.")
        return train(
            self.pairs,
            len(self.pairs.histories),
            config.pretraining,
            ordered=self.prepared.ordered,
            seed=self.job.config.seed,
            device=self.job.config.device,
            start=start,
            checkpoints=checkpoints,
            reporter=self.job.reporter,
        ).towers

    def _figure(self, config: TrainConfig, judge: Judge, towers: TwoTower) -> float:
        """Return what validation gives, as the towers would be served: with their best prior."""
        return float(best_prior(self.pairs.histories, config, judge.scores(towers), judge)[1].mean())

    @property
    def _metric(self) -> str:
        return "" if self._judge is None else f"ndcg_at_{self._judge.k}"

    def _scores_of(self, folder: Path, judge: Judge) -> torch.Tensor:
        """Return what users' items score by what lies in a folder, remembered or made anew."""
        if folder not in self._scores:
            facts = read_json(folder / "training.json")
            if facts["method"] != "joined":
                self._scores[folder] = judge.scores(TwoTower.load(folder))
            else:
                parts = (self._scores_of(folder.with_name(name), judge) for name in facts["parts"])
                self._scores[folder] = sum(
                    (weight * part for weight, part in zip(facts["weights"], parts, strict=True)), torch.zeros(())
                )
        return self._scores[folder]

    @cached_property
    def _scores(self) -> dict[Path, torch.Tensor]:
        return {}

    def _keep(
        self,
        towers: TwoTower | None,
        prior: PopularityPrior,
        facts: dict[str, Any],
        folder: Path,
        marks: Marks | None = None,
    ) -> None:
        with whole_folder(folder) as scratch:
            if towers is not None:
                towers.set_prior(prior.scores(self.pairs.histories, self.job.config.train.temperature))
                towers.save(scratch)
            write_json(scratch / "training.json", facts | {"prior": asdict(prior)})
            if marks is not None:
                np.save(scratch / MARKS, marks, allow_pickle=False)

    @cached_property
    def _judge(self) -> Judge | None:
        return None if self.validation is None else Judge.of_fits(self.validation, self.job.config.seed)

    @cached_property
    def _epoch_judge(self) -> Judge | None:
        return None if self.validation is None else Judge.of_epochs(self.validation, self.job.config.seed)


def best_prior(
    histories: Histories, config: TrainConfig, scores: torch.Tensor, judge: Judge
) -> tuple[PopularityPrior, Marks]:
    """Return the best prior of such scores, none where that is as good but for chance or none is wanted.

    Beside it stands what each user's list is worth with it, (users,).
    """
    none = PopularityPrior()
    if config.popularity_prior:
        marks = judged(histories, config.temperature, partial(judge.marks_by, scores))
    else:
        marks = {none: judge.marks_by(scores)}
    chosen = best_of(marks, none)
    return replace(chosen, validation=float(marks[chosen].mean())), marks[chosen]
