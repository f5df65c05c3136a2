"""Which settings can be searched, and where: read from the settings themselves (`settings.Search`)."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic.fields import FieldInfo

from recsys_cl.config import RunConfig, SpectralConfig, TrainConfig
from recsys_cl.contrast.mixture import OBJECTIVES, TEMPERINGS
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.errors import ConfigError, nearest
from recsys_cl.families import member
from recsys_cl.settings import Method, Search, Settings
from recsys_cl.towers.two_tower import QUERY_ENCODERS

Value = float | int | str | bool

_DIGITS = 4  # that count of a number that is tried, so that people can read and write it
_RANGE = re.compile(r"(?P<low>[^.]+(?:\.[^.]+)?)\.\.(?P<high>.+)")


@dataclass(frozen=True)
class Dimension:
    """A setting that can be searched.

    Attributes:
        name: as people say it: ``temperature``, ``loss.margin``, ``adversarial.epsilon``.
        path: where it lies in a `RunConfig` as JSON.
        given: what the settings say.
        held: whether it is searched only where it is named, since it was given or is of that kind.
        search: the range.
        whole: whether it takes whole numbers alone.
        choices: instead of a range.
    """

    name: str
    path: tuple[str | int, ...]
    given: Any
    held: bool
    search: Search
    whole: bool = False
    choices: tuple[Value, ...] = ()

    @property
    def start(self) -> Value:
        """What is given, or what in the range is nearest to it."""
        if self.choices:
            return self.given if self.given in self.choices else self.choices[0]
        value = self.given[0] if isinstance(self.given, list) else self.given
        nearest_value = min(max(value, self.search.low), self.search.high)
        return round(nearest_value) if self.whole else self.readable(nearest_value)

    def readable(self, value: Value) -> Value:
        """Return a value with no more digits than are worth reading."""
        return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value

    def describe(self) -> dict[str, Any]:
        """Return where is searched, JSON-ready."""
        if self.choices:
            return {"choices": list(self.choices)}
        return {"low": self.search.low, "high": self.search.high, "log": self.search.log}


def search_space(config: RunConfig, *, ordered: bool) -> list[Dimension]:
    """Return what is searched: what `TuneConfig.search` names, else all that the methods heed and nobody gave.

    Args:
        config: all settings.
        ordered: whether the order of histories means something.

    Raises:
        ConfigError: a name is not known, or not heeded; a range is none; or nothing is left to search.
    """
    known = {one.name: one for one in _dimensions(config, ordered=ordered)}
    if config.tune.search:
        chosen = [_asked(text, known) for text in config.tune.search]
        for one in chosen:
            for end in one.choices or (one.search.low, one.search.high):
                settled(config, [one], {one.name: int(end) if one.whole else end})
        return list({one.name: one for one in chosen}.values())
    chosen = [one for one in known.values() if not one.held]
    if not chosen:
        raise ConfigError(f"All that could be searched is given. Name with --search what may change: {_listed(known)}.")
    return chosen


def settled(config: RunConfig, space: Sequence[Dimension], values: Mapping[str, Value]) -> RunConfig:
    """Return the settings with such values, by the names of dimensions, in their places.

    Raises:
        ConfigError: a value is out of range.
    """
    whole = config.model_dump(mode="json", include={"train", "spectral"})
    for dimension in space:
        value = values[dimension.name]
        *path, last = dimension.path
        place: Any = whole
        for key in path:
            place = place[key]
        place[last] = [value] if isinstance(dimension.given, list) else value
    parts = {"train": TrainConfig.of(whole["train"]), "spectral": SpectralConfig.of(whole["spectral"])}
    return config.model_copy(update=parts)


def require_searchable(config: RunConfig) -> None:
    """Look whether what `TuneConfig.search` names can be searched, before the log is read.

    Raises:
        ConfigError: it cannot.
    """
    search_space(config, ordered=True)


def _asked(text: str, known: Mapping[str, Dimension]) -> Dimension:
    name, told, ends = text.partition("=")
    if name not in known:
        every = f" With these methods, {_listed(known)} can be searched."
        raise ConfigError(f"There is no {name!r} to search.{nearest(name, known) if _close(name, known) else every}")
    return _within(known[name], ends) if told else known[name]


def _within(dimension: Dimension, ends: str) -> Dimension:
    if dimension.choices:
        raise ConfigError(f"{dimension.name!r} is one of {dimension.choices}, not within a range.")
    match = _RANGE.fullmatch(ends)
    try:
        low, high = (float(match[side]) for side in ("low", "high")) if match else (0.0, 0.0)
    except ValueError:
        low, high = 0.0, 0.0
    if not low < high:
        raise ConfigError(f"{ends!r} is no range for {dimension.name!r}; say it like {dimension.name}=0.05..0.5.")
    return replace(dimension, search=Search(low, high, log=dimension.search.log and low > 0))


def _close(name: str, known: Mapping[str, Dimension]) -> bool:
    return nearest(name, known).startswith(" Did")


def _listed(known: Mapping[str, Dimension]) -> str:
    return ", ".join(known)


def _dimensions(config: RunConfig, *, ordered: bool) -> Iterator[Dimension]:
    """Yield all that can be searched and means something with these settings."""
    train = config.train
    heeded = _heeded(train, ordered=ordered)
    for stage, part in (("train", train), ("spectral", config.spectral)):
        shown = part.model_dump(mode="json")
        if stage == "train":
            shown |= {"embedding_dim": train.dim, "age_exponents": list(train.ages)}
        elif train.method != "hybrid":
            continue
        for name, field in type(part).model_fields.items():
            if _search_of(field) and heeded.get(name, True):
                yield _dimension(name, (stage, name), field, shown[name], given=name in part.model_fields_set)
    several = len(train.objective) + (train.loss is not None) > 1
    if train.loss is not None:
        yield from _of_method("loss", LOSSES, train.loss, ("train", "loss"), weighed=several)
    yield from _of_method("tempering", TEMPERINGS, train.tempering, ("train", "tempering"), weighed=False)
    for number, method in enumerate(train.objective):
        place = ("train", "objective", number)
        yield from _of_method(method.name, OBJECTIVES, method, place, weighed=several)
    for number, method in enumerate(train.pretrain):
        place = ("train", "pretrain", number)
        yield from _of_method(f"pretrain.{method.name}", OBJECTIVES, method, place, weighed=len(train.pretrain) > 1)


def _of_method(
    prefix: str, family: str, method: Method, path: tuple[str | int, ...], *, weighed: bool
) -> Iterator[Dimension]:
    """Yield a method's weight, where there are others, and its own settings."""
    if weighed:
        weight, given = Method.model_fields["weight"], "weight" in method.model_fields_set
        given |= prefix == "loss"  # only what it is beside those of the others matters
        yield _dimension(f"{prefix}.weight", (*path, "weight"), weight, method.weight, given=given)
    model: type[Settings] = member(family, method.name).Config
    own = model.of(method.settings).model_dump(mode="json")
    for name, field in model.model_fields.items():
        if _search_of(field) or _choices_of(field):
            place = (*path, "settings", name)
            yield _dimension(f"{prefix}.{name}", place, field, own[name], given=name in method.settings)


def _dimension(name: str, path: tuple[str | int, ...], field: FieldInfo, value: Any, *, given: bool) -> Dimension:  # noqa: ANN401 - values of any setting
    search = _search_of(field) or Search()
    whole = int in _kinds(field)
    return Dimension(name, path, value, given or search.named, search, whole, _choices_of(field))


def _search_of(field: FieldInfo) -> Search | None:
    return next((one for one in field.metadata if isinstance(one, Search)), None)


def _choices_of(field: FieldInfo) -> tuple[Value, ...]:
    if field.annotation is bool:
        return (False, True)
    return typing.get_args(field.annotation) if typing.get_origin(field.annotation) is Literal else ()


def _kinds(field: FieldInfo) -> tuple[Any, ...]:
    united = typing.get_origin(field.annotation) in (typing.Union, types.UnionType)
    return typing.get_args(field.annotation) if united else (field.annotation,)


def _heeded(train: TrainConfig, *, ordered: bool) -> dict[str, bool]:
    """Tell of settings that not all methods heed whether these do."""
    modules = [member(OBJECTIVES, one.name) for one in train.objective if one.weight]
    if train.loss is not None and train.loss.weight:
        modules.append(member(LOSSES, train.loss.name))
    contrasts = any(getattr(module, "USES_NEGATIVES", True) for module in modules)
    tempered = any(getattr(module, "USES_TEMPERATURE", True) for module in modules)
    reads = member(QUERY_ENCODERS, train.query_encoder).Encoder.reads
    return {
        "temperature": tempered and getattr(member(TEMPERINGS, train.tempering.name), "USES_TEMPERATURE", True),
        "window": train.targets == "many",
        "pretrain_epochs": bool(train.pretrain),
        "taught_items": train.taught,
        "age_exponents": ordered and "context" in reads,
        "id_dropout": "user" in reads,
        "log_q_exponent": contrasts,
        "in_batch_negatives": contrasts,
        "uniform_negatives": contrasts,
        "popular_negatives": contrasts and train.popular_negatives > 0,
        "popularity_exponent": contrasts and train.popular_negatives > 0,
        "hardest_negatives": contrasts and train.hardest_negatives > 0,
        "queue_size": contrasts and train.queue_size > 0,
    }
