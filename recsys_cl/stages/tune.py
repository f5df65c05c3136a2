"""From pairs to the settings that validation likes best: a search over settings, resumable, told to MLflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna

from recsys_cl.config import RunConfig
from recsys_cl.errors import ConfigError, TrainingError
from recsys_cl.files import digest_of, whole_file, whole_folder, write_json
from recsys_cl.registry.reach import store_exists
from recsys_cl.registry.store import Store
from recsys_cl.registry.studies import StudyRecord, Tried
from recsys_cl.stages.foresight import require_sound
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import Prepared, prepare
from recsys_cl.stages.run import timed
from recsys_cl.stages.search_space import Dimension, require_searchable, search_space, settled
from recsys_cl.stages.settings_file import as_yaml
from recsys_cl.stages.study import finished, importances, lay_out, next_trial, opened, within_budget
from recsys_cl.stages.study_page import as_page
from recsys_cl.stages.trial import Attempt, metric_of, told

SETTINGS, FACTS, PAGE = "best.yaml", "study.json", "study.html"


@dataclass(frozen=True)
class Tuned:
    """A search that ended.

    Attributes:
        folder: of the study, with `best.yaml`, `study.json` and `study.html` in it.
        config: the settings that validation likes best, complete.
        facts: what is told of it, JSON-ready.
    """

    folder: Path
    config: RunConfig
    facts: dict[str, Any]

    def describe(self) -> dict[str, Any]:
        """Return what a person wants to know, JSON-ready."""
        return {"tuning": self.facts, "report": str(self.folder / PAGE)}


def tune(job: Job, prepared: Prepared) -> Tuned:
    """Try settings on the training and validation parts, the given ones first; the test part is not looked at.

    The same call goes on with a search that was killed, or that had fewer trials or less time.

    Raises:
        ConfigError: nothing can be searched so.
        InputError: nobody in the validation part can be asked.
        TrainingError: no settings could be learned with.
    """
    job = replace(job, config=to_be_searched(job.config))
    space, metric = search_space(job.config, ordered=prepared.ordered), metric_of(job, prepared)
    search = _Search(job, prepared, space, metric)
    if not search.folder.exists():
        with whole_folder(search.folder) as scratch:
            lay_out(scratch, space)
    with opened(search.folder, space, job.config.tune, job.config.train.epochs) as study:
        trials = search.carry_out(study)
        weights = importances(study)
    return search.close(trials, weights)


def search(job: Job, source: Source) -> dict[str, Any]:
    """Ingest, split and pair a log, and search settings on it; return what each has to say, JSON-ready.

    Raises:
        ConfigError: settings cannot work, or nothing can be searched so; nothing was begun.
    """
    require_tunable(job.config)
    result: dict[str, Any] = {"name": job.name, "seconds": {}}
    steps: dict[str, Callable[[Job, Any], Any]] = {"ingest": ingest, "pairs": prepare, "tune": tune}
    left: Any = source
    for stage, do in steps.items():
        with timed(stage, result["seconds"], job):
            left = do(job, left)
        result |= left.describe()
    return result


def require_tunable(config: RunConfig) -> None:
    """Look whether a search can work at all.

    Raises:
        ConfigError: settings cannot work, or nothing can be searched so.
    """
    asked = to_be_searched(config)
    require_sound(asked, "train")
    require_searchable(asked)


def to_be_searched(config: RunConfig) -> RunConfig:
    """Return the settings as a trial takes them: learned by gradient descent, nothing chosen by a budget.

    Raises:
        ConfigError: the closed form is asked for, which has a budget of its own.
    """
    train = config.train
    if train.method == "spectral":
        raise ConfigError(
            "The closed form takes no epochs, and --budget finds its exponents. Say --method gradient or hybrid."
        )
    method = "hybrid" if train.method == "auto" else train.method
    changed = train.model_copy(update={"method": method, "budget": "0s"})
    given = train.model_fields_set  # what a person said, which is held; `model_copy` would add to it
    return config.model_copy(update={"train": type(train).model_construct(given, **changed.__dict__)})


@dataclass(frozen=True)
class _Search:
    job: Job
    prepared: Prepared
    space: Sequence[Dimension]
    metric: str

    @property
    def key(self) -> str:
        """Digest of all that a trial's figure and the order of trials depend on; not of how many there are."""
        config = self.job.config
        searched = {one.name: one.describe() | {"start": one.start} for one in self.space}
        parts = digest_of([self.prepared.facts["key"], searched, config.tune.pruner, config.tune.prune_after])
        return self.job.key(parts, config.spectral, config.train)

    @property
    def folder(self) -> Path:
        return self.job.workspace.study(self.job.name, self.key)

    def carry_out(self, study: optuna.Study) -> list[Tried]:
        """Try until the budget is spent; return the trials it bought."""
        budget, say = self.job.config.tune, self.job.reporter.say
        if not store_exists(self.job.tracking_uri):
            say("Laying out the MLflow store, once; this takes some seconds.")
        while True:
            ended, is_spent = within_budget(finished(study), budget)
            trials = [told(one, number, self._values(one.params)) for number, one in enumerate(ended, 1)]
            self._record(trials)
            if is_spent:
                return trials
            label = f"trial {len(trials) + 1} of {budget.trials}"
            trial, values = next_trial(study, self.space, self.job.config.seed)
            attempt = Attempt(self.job, self.prepared, self.folder, label)
            attempt.carry_out(study, trial, settled(self.job.config, self.space, values))
            say(f"{label}: {_outcome(told(finished(study)[-1], len(trials) + 1, values), trials, self.metric)}")

    def close(self, trials: Sequence[Tried], weights: dict[str, float]) -> Tuned:
        """Write what was found, and tell MLflow that the search ended.

        Raises:
            TrainingError: no trial was complete.
        """
        complete = [one for one in trials if one.figure is not None and one.state == "complete"]
        if not complete:
            raise TrainingError(f"Nothing could be learned with any of {len(trials)} settings. {trials[0].note}")
        best = max(complete, key=lambda one: one.figure or 0.0)
        config = settled(self.job.config, self.space, best.settings)
        facts = self._facts(trials, best, weights)
        head = f"Found by recsys-cl tune on {self.job.name}: {self.metric} {best.figure:.4f} on validation."
        with whole_file(self.folder / SETTINGS) as scratch:
            scratch.write_text(as_yaml(config, head), encoding="utf-8")
        with whole_file(self.folder / PAGE) as scratch:
            scratch.write_text(as_page(self.job, self.prepared, self.space, trials, facts), encoding="utf-8")
        write_json(self.folder / FACTS, facts)
        self._record(trials, best)
        return Tuned(self.folder, config, facts)

    def _facts(self, trials: Sequence[Tried], best: Tried, weights: dict[str, float]) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "best": best.describe(),
            "given": trials[0].describe(),
            "searched": {one.name: one.describe() for one in self.space},
            "importances": weights,
            "trials": [one.describe() for one in trials],
            "seconds": round(sum(one.seconds for one in trials), 1),
            "key": self.key,
            "settings": str(self.folder / SETTINGS),
        }

    def _values(self, params: dict[str, Any]) -> dict[str, Any]:
        return {one.name: one.readable(params[one.name]) for one in self.space}

    def _record(self, trials: Sequence[Tried], best: Tried | None = None) -> None:
        shared = self.job.config.model_dump(mode="json", include={"seed", "spectral", "train"})  # what the key is of
        reports = [self.folder / SETTINGS, self.folder / PAGE] if best else []
        store = Store(self.job.tracking_uri, self.job.workspace.artifacts)
        record = StudyRecord(self.job.name, self.key, self.metric, trials, shared, best, reports)
        store.record_study(record)


def _outcome(trial: Tried, before: Sequence[Tried], metric: str) -> str:
    """Tell in a line what came of a trial."""
    settings = ", ".join(f"{name} {value}" for name, value in trial.settings.items())
    epochs = f"{len(trial.curve)} epoch{'' if len(trial.curve) == 1 else 's'}, {trial.seconds:.0f} s"
    if trial.state == "diverged":
        return f"diverged; {settings}"
    if trial.state == "given up":
        return f"given up after {epochs}, {metric} {trial.figure:.4f}; {settings}"
    highest = max((one.figure or 0.0 for one in before if one.state == "complete"), default=0.0)
    mark = " [bold]best so far[/bold]," if (trial.figure or 0.0) > highest else ""
    return f"{metric} {trial.figure:.4f},{mark} {epochs}; {settings}"
