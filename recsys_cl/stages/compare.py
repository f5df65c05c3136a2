"""Methods side by side: each tuned with equal means, fitted with several seeds, examined once on the test part.

All that is expensive is done apart (`apart`, `contest`) and kept as it comes, so that the same command goes on after a
kill with what is missing. The JSON beside a table keeps its rows, so that another workspace can go on with it, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from recsys_cl.config import RunConfig
from recsys_cl.errors import ConfigError, InputError, RecsysError, TrainingError
from recsys_cl.evaluation.findings import metric_label
from recsys_cl.files import read_json, whole_file, write_json
from recsys_cl.stages.apart import answer_of, order_of
from recsys_cl.stages.comparison_table import as_markdown, row_of, told_of
from recsys_cl.stages.contenders import Contender, budget_of, read_contenders, require_comparable
from recsys_cl.stages.contest import popularity_of
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job
from recsys_cl.stages.pairs import Prepared, prepare

Answer = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What is to be compared.

    Attributes:
        sources: the logs, by name.
        methods: by name; all of the file where there are none.
        methods_file: where they are; the package's own if None.
        seeds: how many, from the job's own on.
        out: the table to write, Markdown, with JSON beside it; in the workspace if None. Rows that are there already
            stay if they were made alike: with as many seeds, the same budget, data and settings.
    """

    sources: Mapping[str, Source]
    methods: Sequence[str] = ()
    methods_file: Path | None = None
    seeds: int = 3
    out: Path | None = None


def compare(job: Job, wanted: Wanted) -> Answer:
    """Tune, fit and examine all methods on all logs; the table is written anew with each row that is ready.

    A row that the table has, and that was made alike, is not made again.

    Returns:
        ``logs``, by name: ``popularity`` and ``rows``, the best first; ``failures``, what could not be done and why;
        ``table`` and ``data``, the files; ``ok``, whether nothing failed.

    Raises:
        ConfigError: a method is not known or cannot work; nothing was begun.
    """
    contenders = read_contenders(wanted.methods_file)
    known, asked = contenders.chosen(()), contenders.chosen(wanted.methods)
    require_comparable(asked, job.config)
    out = wanted.out or job.workspace.comparisons / "methods.md"
    if out.suffix != ".md":
        raise ConfigError(f"The table is Markdown; let the name of {out} end in .md.")
    result: Answer = {"seeds": wanted.seeds, "budget": budget_of(job.config.tune), "logs": {}, "failures": []}
    result["logs"] = _logs_before(out, result)
    for name, source in wanted.sources.items():
        contest = _Contest(replace(job, name=name), source, known, tuple(asked), wanted.seeds)
        rows = result["logs"].get(name, {"rows": []})["rows"]
        for log in contest.carry_out(rows, result["failures"].append):
            result["logs"][name] = log
            _write(out, result, job, wanted, known)
    files = {"table": str(out), "data": str(out.with_suffix(".json"))}
    return result | files | {"ok": not result["failures"]}


def sources_of(names: str | None, job_name: str, source: Source) -> dict[str, Source]:
    """Return logs by name: public data sets, or the one that ``source`` is.

    Raises:
        InputError: both are given.
    """
    if names is None:
        return {job_name: source}
    if source.has_log:
        raise InputError("Give --datasets or one of --input, --dataset and --sample, not both.")
    return {name.strip(): replace(source, dataset=name.strip()) for name in names.split(",") if name.strip()}


@dataclass(frozen=True)
class _Contest:
    """Methods on one log: all that are ``known``, and those that are ``asked`` for."""

    job: Job
    source: Source
    known: Mapping[str, Contender]
    asked: tuple[str, ...]
    seeds: int

    def carry_out(self, before: Sequence[Answer], failed: Callable[[Answer], None]) -> Iterator[Answer]:
        """Yield what is known of the log, again with each method that ended; rows from ``before`` stand if they can."""
        snapshot = ingest(self.job, self.source)
        prepared = prepare(self.job, snapshot)
        seed = self.job.config.seed
        folder = self._folder("popularity", self.job.key(prepared.facts["key"]))
        popularity = _kept(folder / "marks.json", lambda: popularity_of(prepared, seed))
        about = {"split": prepared.facts["split"], "parts": prepared.facts["rows"], "popularity": popularity}
        rows = {row["method"]: row for row in before if self._was_made_alike(row, prepared)}
        if len(rows) < len(before):
            self.job.reporter.say(f"{self.job.name}: {len(before) - len(rows)} rows of the table were made otherwise")
        yield about | {"rows": self._ranked(rows)}
        for name in self.asked:
            contender = self.known[name]
            if name in rows or (contender.logs is not None and self.job.name not in contender.logs):
                continue
            try:
                rows[name] = self._row(name, contender, prepared)
            except RecsysError as error:
                if not isinstance(error, TrainingError) and type(error) is not RecsysError:
                    raise
                self._say(name, f"failed: {error}")
                failed({"log": self.job.name, "method": name, "reason": str(error)})
            yield about | {"rows": self._ranked(rows)}

    def _was_made_alike(self, row: Answer, prepared: Prepared) -> bool:
        return row["method"] in self.known and row.get("key") == _key(self._job(row["method"]), prepared)

    def _ranked(self, rows: Mapping[str, Answer]) -> list[Answer]:
        told = [told_of(row, self.known[name], self.job.name) for name, row in rows.items()]
        return sorted(told, key=lambda row: -row["ndcg_at_20"]["mean"])

    def _job(self, name: str) -> Job:
        return replace(self.job, config=self.known[name].config(self.job.config))

    def _row(self, name: str, contender: Contender, prepared: Prepared) -> Answer:
        """Tune a method, fit it with each seed, and lay the figures together."""
        job = self._job(name)
        key = _key(job, prepared)
        folder = self._folder(name, key)
        budget = budget_of(job.config.tune) if contender.is_tuned else "as given"
        self._say(name, f"on the training part, {budget}")
        order = order_of(job, prepared=prepared.folder, scratch=folder / "given", label=f"{self.job.name}, {name}")
        task = "tune" if contender.is_tuned else "given"
        best = _kept(folder / "validated.json", partial(answer_of, task, order))
        self._say(name, f"validation {metric_label(best['metric'])} {best['figure']:.4f}")
        job = replace(job, config=_with(job.config, best["config"]))
        runs = []
        for seed in range(job.config.seed, job.config.seed + self.seeds):
            label = f"{self.job.name}, {name}, seed {seed}"
            seeded = replace(job, config=job.config.model_copy(update={"seed": seed}))
            place = {"prepared": prepared.folder, "scratch": folder / f"seed-{seed}"}
            order = order_of(seeded, **place, label=label, like=best["like"])
            runs.append(_kept(folder / f"seed-{seed}.json", partial(answer_of, "fit", order)))
            self._say(name, f"seed {seed}: recall@20 {runs[-1]['recall_at_20']:.4f}, {runs[-1]['seconds']:.0f} s")
        return row_of(name, key, best, runs)

    def _folder(self, name: str, key: str) -> Path:
        """Return where that is kept which depends on log, settings and budget, as told by their digest."""
        return self.job.workspace.comparisons / self.job.name / f"{name}-{key[:16]}"

    def _say(self, method: str, text: str) -> None:
        self.job.reporter.say(f"{self.job.name}, {method}: {text}")


def _key(job: Job, prepared: Prepared) -> str:
    """Return the digest of all that a row depends on, but for how many seeds it has."""
    return job.key(prepared.facts["key"], job.config.spectral, job.config.train, job.config.tune)


def _logs_before(out: Path, result: Answer) -> dict[str, Answer]:
    """Return the logs of the table that is there, by name; none if it was made with other seeds or another budget.

    Raises:
        InputError: what is there was not written by `compare`.
    """
    path = out.with_suffix(".json")
    before = read_json(path) if path.exists() else result
    if not isinstance(before, dict) or not result.keys() <= before.keys():
        raise InputError(f"{path} is not what belongs to a table of methods; give another --out.")
    logs: dict[str, Answer] = before["logs"]
    return logs if (before["seeds"], before["budget"]) == (result["seeds"], result["budget"]) else {}


def _kept(path: Path, make: Callable[[], Answer]) -> Answer:
    """Return what is in a file, made if it is not there."""
    if not path.exists():
        write_json(path, make())
    answer: Answer = read_json(path)
    return answer


def _with(config: RunConfig, found: Answer) -> RunConfig:
    """Return settings with those of training that were found."""
    parts = RunConfig.of(found)
    return config.model_copy(update={"train": parts.train, "spectral": parts.spectral})


def _write(out: Path, result: Answer, job: Job, wanted: Wanted, known: Mapping[str, Contender]) -> None:
    shown = {row["method"] for log in result["logs"].values() for row in log["rows"]}
    asked = set(wanted.methods or known)
    all_asked = shown <= asked and set(result["logs"]) <= set(wanted.sources)
    made = f"{'Made' if all_asked else 'Last added to'} by `{_command(job, wanted)}`"
    about = {name: one for name, one in known.items() if name in shown | set(wanted.methods)}
    with whole_file(out) as scratch:
        scratch.write_text(as_markdown(result, made, job.now, about), encoding="utf-8")
    write_json(out.with_suffix(".json"), result)


def _command(job: Job, wanted: Wanted) -> str:
    """Return the command that makes the table, without places of this machine."""
    tune, parts = job.config.tune, ["recsys-cl compare"]
    if wanted.methods_file is not None:
        parts.append(f"--methods-file {wanted.methods_file.name}")
    if wanted.methods:
        parts.append(f"--methods {','.join(wanted.methods)}")
    logs = [name if source.dataset else "" for name, source in wanted.sources.items()]
    parts.append(f"--datasets {','.join(logs)}" if all(logs) else f"--input FILE --name {job.name}")
    parts.append(f"--seeds {wanted.seeds} --trials {tune.trials}")
    parts += [f"--tuning-time {tune.tuning_time}"] if tune.tuning_time else []
    given = job.config.train.model_dump(mode="json", exclude_unset=True)
    parts += [f"--{name.replace('_', '-')} {value}" for name, value in given.items()]
    return " ".join(parts)
