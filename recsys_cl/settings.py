"""What all settings share: how they are checked, how methods are named, how they are searched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recsys_cl.errors import ConfigError, nearest


class Settings(BaseModel):
    """The one base of all settings: frozen, strict about unknown keys and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Validate ``values``.

        Raises:
            ConfigError: a key is unknown (the nearest known one is named) or a value is out of range.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError("\n".join(_explain(cls, dict(problem)) for problem in error.errors())) from error


@dataclass(frozen=True)
class Search:
    """How `recsys-cl tune` searches a setting: between two ends, or among the choices that its type tells.

    Attributes:
        low: lower end.
        high: upper end.
        log: whether equal factors are equal steps.
        named: whether it is searched only where ``--search`` names it.
    """

    low: float = 0.0
    high: float = 1.0
    log: bool = False
    named: bool = False


class Method(Settings):
    """A member of a family of methods, by name, with settings of its own: ``name:setting=value:setting=value``."""

    name: str = Field(description="name of its file")
    weight: Annotated[float, Search(0.01, 10.0, log=True)] = Field(
        1.0, ge=0, description="of its loss in the sum of all"
    )
    settings: dict[str, Any] = Field({}, description="its own settings, which its file checks")

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:  # noqa: ANN401 - whatever a person wrote
        """Read the short form, and gather what is not common to all methods in ``settings``."""
        if isinstance(value, str):
            name, *parts = value.split(":")
            pairs = [part.partition("=") for part in parts]
            if lost := [key for key, equals, _ in pairs if not equals]:
                raise ValueError(f"{lost[0]!r} of {value!r} has no value; write name:setting=value:setting=value")
            value = {"name": name} | {key.replace("-", "_"): given for key, _, given in pairs}
        if not isinstance(value, dict):
            return value
        common = {key: given for key, given in value.items() if key in cls.model_fields}
        own = {key: given for key, given in value.items() if key not in cls.model_fields}
        return common | {"settings": {**common.get("settings", {}), **own}}

    def __str__(self) -> str:
        """Return the short form."""
        own = {key: str(value) for key, value in self.settings.items()}
        common = {} if self.weight == 1 else {"weight": f"{self.weight:g}"}
        return ":".join([self.name, *(f"{key}={value}" for key, value in (common | own).items())])


def stages_of(model: type[Settings]) -> Iterator[tuple[str, type[Settings]]]:
    """Yield the settings that lie within others, by name."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
            yield name, field.annotation


def _explain(model: type[Settings], problem: dict[str, Any]) -> str:
    where = [str(part) for part in problem["loc"]]
    if problem["type"] == "extra_forbidden":
        owner = dict(stages_of(model)).get(where[0], model) if len(where) > 1 else model
        place = _place_of(where[-1], model)
        return f"Unknown setting {'.'.join(where)!r}.{place or nearest(where[-1], owner.model_fields)}"
    if problem["type"] == "string_pattern_mismatch":  # only a time has a pattern
        return f"The setting {'.'.join(where)!r} is {problem['input']!r}, which is no time; say it like 30s, 2m or 1h."
    return f"The setting {'.'.join(where)!r} is {problem['input']!r}: {problem['msg']}."


def _place_of(name: str, model: type[Settings]) -> str:
    """Tell where a setting belongs that stands in the wrong place."""
    stage = next((stage for stage, part in stages_of(model) if name in part.model_fields), None)
    if stage is not None:
        return f" It belongs under {stage!r}."
    return " It belongs at the top, under no stage." if name in model.model_fields else ""
