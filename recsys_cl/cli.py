"""The command line: one verb a stage, each a thin call of the function that does the work.

Results go to standard output, everything else to standard error. Exit codes: 0 done; 1 failed; 2 a setting or the
command is wrong; 3 the input cannot be used; 4 a stored artefact is damaged; 5 the registry cannot answer; 6 another
run holds the workspace; 7 the disk refuses; 8 training diverged; 130 interrupted.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys_cl import __version__
from recsys_cl.config import DiagnoseConfig, load_config
from recsys_cl.errors import RecsysError
from recsys_cl.options import (
    SHARED,
    StagedCommand,
    Verbs,
    all_settings,
    common_options,
    given_settings,
    json_error,
    settings_options,
    source_options,
)
from recsys_cl.workspace import Workspace

if TYPE_CHECKING:
    from recsys_cl.stages.ingest import Source
    from recsys_cl.stages.job import Job

Verb = Callable[..., dict[str, Any]]
_PATH = click.Path(path_type=Path)
_MODEL_STAGES = ("ingest", "split", "pairs", "spectral", "train")
_DIAGNOSED = (*DiagnoseConfig.model_fields, "min_rank_share", "max_mean_cosine", "min_list_spread")


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong setting, 3 unusable input, 4 damaged artefact, 5 registry trouble, "
    "6 workspace in use, 7 disk trouble, 8 training diverged, 130 interrupted.",
)
@click.version_option(__version__, prog_name="recsys-cl")
def main() -> None:
    """From a file of interactions to a trained, evaluated, registered retriever and candidates for every user."""


def _verb(
    *stages: str,
    shared: tuple[str, ...] = (),
    only: tuple[str, ...] | None = None,
    source: bool = False,
    named: bool = True,
    writes: bool = True,
    champion: bool = False,
) -> Callable[[Verb], None]:
    """Make a function ``(job, **arguments) -> result`` a verb.

    Args:
        stages: whose settings are flags of the verb.
        shared: which of the settings that stages share are, too.
        only: the settings that are, where not all of the stages' are.
        source: whether the verb reads a log.
        named: whether it is about one log or model.
        writes: whether it needs the workspace for itself.
        champion: whether ``--name`` is a model's, of which it asks the champion, unless ``--from`` names a bundle.
    """

    def decorate(function: Verb) -> None:
        @functools.wraps(function)
        def command(**values: Any) -> None:
            settings = given_settings(values, stages)
            _run(function, values, settings, source=source, named=named, writes=writes, champion=champion)

        wrapped: Callable[..., None] = settings_options(*stages, shared=shared, only=only)(command)
        wrapped = source_options(wrapped, splits=not champion) if source else wrapped
        main.command(cls=StagedCommand, name=function.__name__)(common_options(wrapped, named=named))

    return decorate


def _run(
    function: Verb,
    values: dict[str, Any],
    settings: dict[str, Any],
    *,
    source: bool,
    named: bool,
    writes: bool,
    champion: bool,
) -> None:
    quiet, as_json = values.pop("quiet"), values.pop("as_json")
    with _told(as_json=as_json):
        values = {key: value for key, value in values.items() if key not in settings and value is not None}
        by_log = source and (not champion or "location" in values)
        known = not source and "location" in values  # a bundle that is named needs no log's name
        job = _job(values, settings, by_log=by_log, named=named and not known, quiet=quiet)
        if source:
            values["source"] = _source(values)
        if writes:
            with job.workspace.held():
                result = function(job, **values)
        else:
            result = function(job, **values)
        _print(function.__name__, result, as_json=as_json)
    if result.get("ok") is False:
        sys.exit(1)


def _job(values: dict[str, Any], settings: dict[str, Any], *, by_log: bool, named: bool, quiet: bool) -> Job:
    from recsys_cl.progress import Reporter
    from recsys_cl.stages.job import Job

    workspace = Workspace.at(values.pop("home", None))
    config = load_config(values.pop("config_file", None), settings)
    tracking = values.pop("tracking_uri", None) or workspace.tracking_uri
    name = values.pop("name", None)
    if named and name is None:
        name = _name_of_source(values) if by_log else None
        name = name or workspace.only_name()
    return Job(workspace, name or "unnamed", config, tracking, datetime.now(UTC), Reporter(quiet=quiet))


def _name_of_source(values: dict[str, Any]) -> str | None:
    if values.get("sample"):
        return "sample"
    if named := values.get("dataset") or values.get("datasets"):
        return str(named).partition(",")[0]
    inputs = values.get("inputs") or ()
    stem = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in inputs[0].stem) if inputs else ""
    return stem.strip("-")[:64] or None


def _source(values: dict[str, Any]) -> Source:
    from recsys_cl.stages.ingest import Source, shared_folder

    return Source(
        inputs=tuple(values.pop("inputs", ())),
        dataset=values.pop("dataset", None),
        sample=values.pop("sample", False),
        test=values.pop("test", None),
        items=values.pop("items", None),
        append=values.pop("append", False),
        shared=shared_folder(os.environ),
    )


@contextmanager
def _told(*, as_json: bool) -> Iterator[None]:
    """Turn an error we foresaw into a message and its exit code."""
    try:
        yield
    except RecsysError as error:
        if as_json:
            click.echo(json_error(type(error).__name__, str(error)))
        click.secho(f"Error: {error}", err=True, fg="red")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        if as_json:
            click.echo(json_error("Interrupted", "The same command goes on from here."))
        click.secho("Interrupted. The same command goes on from here.", err=True)
        sys.exit(130)
    except Exception as error:
        if as_json:
            click.echo(json_error(type(error).__name__, str(error)))
        raise


def _print(verb: str, result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False, allow_nan=False, default=str))
        return
    from rich.console import Console

    from recsys_cl.summary import show

    show(verb, result, Console(highlight=False))


@_verb(*_MODEL_STAGES, "evaluate", "diagnose", "index", "gate", "candidates", shared=SHARED, source=True)
@click.option("--out", type=_PATH, help="where to write candidates; by default in the workspace")
def run(job: Job, source: Source, out: Path | None = None) -> dict[str, Any]:
    """Do everything: from a log to a judged version and candidates.

    The stages are ingest, pairs, train, evaluate, index, register (which lets the gate judge) and candidates. What was
    done before with the same data and settings is found, not done again.
    """
    from recsys_cl.stages.run import run as run_stages

    return run_stages(job, source, out=out)


@_verb("ingest", shared=("seed",), source=True)
def ingest(job: Job, source: Source) -> dict[str, Any]:
    """Read, clean and store a log of interactions as a snapshot."""
    return _until("ingest", job, source)


@_verb("ingest", "split", "pairs", shared=("seed",), source=True)
def pairs(job: Job, source: Source) -> dict[str, Any]:
    """Split a snapshot; write and describe its contrastive pairs."""
    return _until("pairs", job, source)


@_verb(*_MODEL_STAGES, shared=SHARED, source=True)
def train(job: Job, source: Source) -> dict[str, Any]:
    """Train the two towers."""
    return _until("train", job, source)


@_verb(*_MODEL_STAGES, "tune", shared=SHARED, source=True)
def tune(job: Job, source: Source) -> dict[str, Any]:
    """Search the settings that validation likes best.

    Each trial learns by gradient descent from the training part. Nothing is registered; what was found is a file of
    settings for --config.
    """
    from recsys_cl.stages.tune import search

    return search(job, source)


@_verb(*_MODEL_STAGES, "tune", shared=SHARED, only=all_settings(*_MODEL_STAGES, "tune", but="search"), source=True)
@click.option("--methods", metavar="A,B,…", help="what is compared, by name; by default all of the file")
@click.option("--methods-file", type=_PATH, help="YAML file of methods; by default the package's own")
@click.option("--datasets", metavar="A,B,…", help="public data sets by name, one after the other, instead of one log")
@click.option("--seeds", type=click.IntRange(1), metavar="N", default=3, help="fits of each method [3]")
@click.option("--out", type=_PATH, help="table to write (.md, with .json beside it); by default in the workspace")
def compare(job: Job, source: Source, methods: str = "", datasets: str | None = None, **more: Any) -> dict[str, Any]:
    """Compare methods, each tuned with equal means.

    A method is tuned on the validation part, fitted with several seeds, and examined on the test part. What was done
    is kept, so that the same command goes on.
    """
    from recsys_cl.stages.compare import Wanted, sources_of
    from recsys_cl.stages.compare import compare as compare_methods

    names = tuple(name.strip() for name in methods.split(",") if name.strip())
    return compare_methods(job, Wanted(sources_of(datasets, job.name, source), names, **more))


@_verb(*_MODEL_STAGES, "evaluate", "diagnose", shared=SHARED, source=True)
@click.option("--bundle", help="examine this bundle (a path or models:/NAME@ALIAS) on the log instead")
def evaluate(job: Job, source: Source, bundle: str | None = None) -> dict[str, Any]:
    """Compare the model with the baselines on the test part."""
    if bundle is None:
        return _until("evaluate", job, source)
    from recsys_cl.stages.evaluate import evaluate_bundle

    return evaluate_bundle(job, source, bundle)


@_verb(*_MODEL_STAGES, "evaluate", "diagnose", "index", shared=SHARED, source=True)
def index(job: Job, source: Source) -> dict[str, Any]:
    """Build the FAISS index and bundle it with the towers."""
    return _until("index", job, source)


@_verb(*_MODEL_STAGES, "evaluate", "diagnose", "index", "gate", shared=SHARED, source=True)
def register(job: Job, source: Source) -> dict[str, Any]:
    """Register the bundle; promote it if the gate agrees."""
    return _until("register", job, source)


def _until(stage: str, job: Job, source: Source) -> dict[str, Any]:
    from recsys_cl.stages.run import run as run_stages

    return run_stages(job, source, until=stage)


# A live model must be changeable at any time, so neither of the next two waits for a run to end.
@_verb(writes=False)
@click.argument("version", type=int)
@click.option("--reason", default="promoted by hand", show_default=True, help="why, for the record")
def promote(job: Job, version: int, reason: str) -> dict[str, Any]:
    """Make VERSION the champion, gate or no gate."""
    from recsys_cl.registry.store import Store

    return Store(job.tracking_uri, job.workspace.artifacts).promote(job.name, version, reason)


@_verb(writes=False)
def rollback(job: Job) -> dict[str, Any]:
    """Make the previous champion the champion again."""
    from recsys_cl.registry.store import Store

    return Store(job.tracking_uri, job.workspace.artifacts).rollback(job.name)


@_verb(writes=False)
def versions(job: Job) -> dict[str, Any]:
    """List the registered versions with their figures and fate."""
    from recsys_cl.registry.store import Store

    store = Store(job.tracking_uri, job.workspace.artifacts)
    return {"name": job.name, "versions": store.versions(job.name)}


@_verb("ingest", "candidates", source=True, champion=True)
@click.option("--latest", is_flag=True, help="fold in the latest snapshot of this name, as it is")
@click.option("--for", "users", default="all", show_default=True, help="all, or a file of user ids")
@click.option("--from", "location", help="bundle path or models:/NAME@ALIAS; by default the champion of --name")
@click.option("--out", type=_PATH, help="parquet, CSV or JSON Lines file; by default in the workspace")
def candidates(
    job: Job, source: Source, users: str, *, latest: bool, location: str | None = None, out: Path | None = None
) -> dict[str, Any]:
    """Write the best items for every user.

    With a log its interactions are folded in, without training: histories are read in the log instead of the bundle,
    and new users are served like any other.
    """
    from recsys_cl.stages.candidates import write
    from recsys_cl.stages.fold_in import log_to_fold_in

    log = log_to_fold_in(source, of_latest=latest)
    return write(job, location, None if users == "all" else Path(users), out, log)


@_verb("candidates", only=("exclude_seen", "allow", "deny"), writes=False)
@click.argument("user_ids", nargs=-1)
@click.option(
    "--history", "from_history", metavar="ITEM,ITEM,…", help="recommend from these items instead of for a user"
)
@click.option("--k", type=click.IntRange(1), metavar="N", default=10, help="items to list [10]")
@click.option("--similar-to", metavar="ITEM", help="list the items most similar to this one instead")
@click.option("--from", "location", help="bundle path or models:/NAME@ALIAS; by default the champion of --name")
def recommend(job: Job, user_ids: tuple[str, ...], **wanted: str) -> dict[str, Any]:
    """Recommend to users, or from a history, and print the result."""
    from recsys_cl.stages.candidates import recommend as answer

    return answer(job, user_ids, **wanted)


@_verb("diagnose", "gate", only=_DIAGNOSED, shared=("seed",), writes=False)
@click.argument("location", metavar="[BUNDLE]", required=False)
@click.option("--out", type=_PATH, help="HTML page to write; by default in the workspace")
def diagnose(job: Job, location: str | None = None, out: Path | None = None) -> dict[str, Any]:
    """Look into the space of vectors and write a page about it.

    BUNDLE is a path or models:/NAME@ALIAS; by default the champion of --name.
    """
    from recsys_cl.stages.diagnose import diagnose as look

    return look(job, location, out)


@_verb(shared=("seed",), named=False, writes=False)
@click.option(
    "--out", type=_PATH, required=True, help="file to write: .csv, .tsv or .jsonl, each also with .gz, or .parquet"
)
@click.option("--users", type=click.IntRange(2), metavar="N", default=2000, help="users, at most [2000]")
@click.option("--items", type=click.IntRange(2), metavar="N", default=1000, help="items, at most [1000]")
@click.option("--interactions", type=click.IntRange(10), metavar="N", default=60_000, help="rows [60000]")
def sample(job: Job, out: Path, users: int, items: int, interactions: int) -> dict[str, Any]:
    """Write a synthetic log of any size."""
    from recsys_cl.interactions.sample import write_sample

    planted = write_sample(out, users=users, items=items, interactions=interactions, seed=job.config.seed)
    return {"path": out, "synthetic": True, "rows": interactions, "dirty": planted}


@_verb(named=False, writes=False)
def methods(job: Job) -> dict[str, Any]:  # noqa: ARG001 - they are the same everywhere
    """List all contrastive methods with their settings."""
    from recsys_cl.stages.methods import describe

    return describe()


@_verb(named=False, writes=False)
def doctor(job: Job) -> dict[str, Any]:
    """Check this machine, the workspace and the registry."""
    from recsys_cl.doctor import examine

    return examine(job)
