"""Command-line flags: those that verbs share, and those made from the settings, so that a setting is written once."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
from pydantic.fields import FieldInfo

from recsys_cl.config import STAGES, RunConfig
from recsys_cl.settings import Method

Command = TypeVar("Command", bound=Callable[..., Any])

SHARED = ("seed", "device")
_PATH = click.Path(path_type=Path)


class SettingOption(click.Option):
    """A flag that belongs to a stage."""

    def __init__(self, *args: Any, stage: str, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.stage = stage


class StagedCommand(click.Command):
    """A command whose help lists the flags of each stage under a heading of its own."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of all flags, those of no stage first."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None and isinstance(parameter, click.Option):
                heading = f"Settings of {parameter.stage}" if isinstance(parameter, SettingOption) else "Options"
                sections.setdefault(heading, []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class Verbs(click.Group):
    """Commands in the order in which they were made, which is the order of the work."""

    def list_commands(self, context: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the verbs, the first things first."""
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a verb; under ``--json`` a command that click refuses is told as one JSON object too."""
        as_json = "--json" in context.args  # read before click takes the arguments apart
        try:
            return super().invoke(context)
        except click.UsageError as error:
            if as_json:
                click.echo(json_error("UsageError", error.format_message()))
            raise


def json_error(kind: str, message: str) -> str:
    """Return the JSON object that tells of an error."""
    return json.dumps({"error": {"kind": kind, "message": message}}, ensure_ascii=False)


def settings_options(
    *stages: str, shared: tuple[str, ...] = SHARED, only: tuple[str, ...] | None = None
) -> Callable[[Command], Command]:
    """Add a flag for every setting of ``stages``, or ``only`` for some, and for those ``shared`` by stages."""

    def decorate(command: Command) -> Command:
        for stage in reversed(stages):
            for name, field in reversed(STAGES[stage].model_fields.items()):
                if only is None or name in only:
                    command = _flag(name, field, stage)(command)
        for name in reversed(shared):
            command = _flag(name, RunConfig.model_fields[name], "all stages")(command)
        return command

    return decorate


def common_options(command: Callable[..., None], *, named: bool) -> Callable[..., None]:
    """Add the flags that all verbs have, and ``--name`` where a verb is about one log or model."""
    options = [
        click.option(
            "--home",
            type=_PATH,
            envvar="RECSYS_CL_HOME",
            help="workspace folder; by default data/ and mlflow/ of the checkout [env: RECSYS_CL_HOME]",
        ),
        click.option(
            "--tracking-uri",
            envvar="MLFLOW_TRACKING_URI",
            help="MLflow store; by default in the workspace [env: MLFLOW_TRACKING_URI]",
        ),
        click.option("--config", "config_file", type=_PATH, help="YAML file of settings, nested by stage"),
        click.option("--json", "as_json", is_flag=True, help="print exactly one JSON object on standard output"),
        click.option("--quiet", "-q", is_flag=True, help="say nothing but the result and errors"),
    ]
    if named:
        options.insert(0, click.option("--name", help="name of the log and of the model made from it"))
    for option in reversed(options):
        command = option(command)
    return command


def source_options(command: Callable[..., None], *, splits: bool) -> Callable[..., None]:
    """Add the flags that name a log, and its test part where a verb ``splits`` it."""
    options = [
        click.option("--input", "inputs", type=_PATH, multiple=True, help="file or folder of interactions; repeatable"),
        click.option("--dataset", help="a public data set by name: ml-100k, ml-1m, ml-latest-small, gowalla"),
        click.option("--sample", is_flag=True, help="the built-in synthetic sample"),
        click.option("--test", type=_PATH, hidden=not splits, help="the test part of a given split"),
        click.option("--items", type=_PATH, help="file of item titles and categories"),
        click.option("--append", is_flag=True, help="add to the latest snapshot of this name"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def all_settings(*stages: str, but: str) -> tuple[str, ...]:
    """Return the names of all settings of ``stages`` but one."""
    return tuple(name for stage in stages for name in STAGES[stage].model_fields if name != but)


def given_settings(values: dict[str, Any], stages: tuple[str, ...]) -> dict[str, Any]:
    """Return those of the parsed flags ``values`` that are settings of ``stages``, or shared, and were given."""
    known = {name for stage in stages for name in STAGES[stage].model_fields} | set(SHARED)
    return {name: value for name, value in values.items() if name in known and value is not None}


def _flag(name: str, field: FieldInfo, stage: str) -> Callable[[Command], Command]:
    kind = _plain(field.annotation)
    flag = f"--{name.replace('_', '-')}"
    shared: dict[str, Any] = {"cls": SettingOption, "stage": stage, "default": None, "help": _help(field)}
    if kind is bool:
        return click.option(f"{flag}/--no-{name.replace('_', '-')}", name, **shared)
    if typing.get_origin(kind) is tuple:
        return click.option(flag, name, callback=_comma_separated, metavar="A,B,…", **shared)
    return click.option(flag, name, type=_parameter(kind), metavar=_METAVARS.get(kind), **shared)


_METAVARS: dict[Any, str] = {Method: "NAME:…", int: "N", float: "X", str: "TEXT", datetime: "INSTANT", Path: "FILE"}


def _help(field: FieldInfo) -> str:
    return f"{field.description} {_shown(field.default)}".strip()


def _plain(annotation: Any) -> Any:  # noqa: ANN401 - annotations have no common type
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next(part for part in typing.get_args(annotation) if part is not type(None))
    return annotation


def _parameter(kind: Any) -> Any:  # noqa: ANN401 - click parameter types have no common type
    if typing.get_origin(kind) is Literal:
        return click.Choice(typing.get_args(kind))
    if kind is Path:
        return click.Path(path_type=Path)
    if kind is Method:
        return str
    return str if kind is datetime else kind


def _comma_separated(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def _shown(default: Any) -> str:  # noqa: ANN401 - settings have all kinds of defaults
    if default is None:
        return ""
    if isinstance(default, bool):
        return f"[{'on' if default else 'off'}]"
    return f"[{', '.join(map(str, default))}]" if isinstance(default, tuple) else f"[{default}]"
