"""Command-line flags made from the settings, so that a setting is written once."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
from pydantic.fields import FieldInfo

from recsys_cl.config import STAGES, RunConfig

Command = TypeVar("Command", bound=Callable[..., Any])

SHARED = ("seed", "device")


def settings_options(*stages: str) -> Callable[[Command], Command]:
    """Add a flag for every setting of ``stages``, and for those that all stages share."""

    def decorate(command: Command) -> Command:
        for stage in reversed(stages):
            for name, field in reversed(STAGES[stage].model_fields.items()):
                command = _flag(name, field, stage)(command)
        for name in reversed(SHARED):
            command = _flag(name, RunConfig.model_fields[name], "all stages")(command)
        return command

    return decorate


def given_settings(values: dict[str, Any]) -> dict[str, Any]:
    """Return those of the parsed flags ``values`` that are settings and were given."""
    known = {name for model in STAGES.values() for name in model.model_fields} | set(SHARED)
    return {name: value for name, value in values.items() if name in known and value is not None}


def _flag(name: str, field: FieldInfo, stage: str) -> Callable[[Command], Command]:
    kind = _plain(field.annotation)
    text = f"{field.description} [{stage}; default: {_shown(field.default)}]"
    flag = f"--{name.replace('_', '-')}"
    if kind is bool:
        return click.option(f"{flag}/--no-{name.replace('_', '-')}", name, default=None, help=text)
    if typing.get_origin(kind) is tuple:
        return click.option(flag, name, default=None, callback=_comma_separated, metavar="A,B,…", help=text)
    return click.option(flag, name, default=None, type=_parameter(kind), help=text)


def _plain(annotation: Any) -> Any:  # noqa: ANN401 - annotations have no common type
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next(part for part in typing.get_args(annotation) if part is not type(None))
    return annotation


def _parameter(kind: Any) -> Any:  # noqa: ANN401 - click parameter types have no common type
    if typing.get_origin(kind) is Literal:
        return click.Choice(typing.get_args(kind))
    if kind is Path:
        return click.Path(path_type=Path)
    return str if kind is datetime else kind


def _comma_separated(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def _shown(default: Any) -> str:  # noqa: ANN401 - settings have all kinds of defaults
    if default is None:
        return "inferred or none"
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return str(default).lower() if isinstance(default, bool) else str(default)
