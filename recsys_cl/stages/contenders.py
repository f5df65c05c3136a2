"""What `compare` compares: settings by name, from a file that people can read and replace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field

from recsys_cl.config import RunConfig, TuneConfig
from recsys_cl.errors import ConfigError, nearest
from recsys_cl.settings import Settings
from recsys_cl.stages.foresight import require_sound
from recsys_cl.stages.tune import require_tunable

FILE = Path(__file__).with_name("contenders.yaml")


class Published(Settings):
    """What others measured on a log."""

    recall_at_20: float | None = Field(None, description="on its given test part")
    ndcg_at_20: float | None = Field(None, description="alike")
    what: str = Field(description="what was measured")
    source: str = Field(description="where that is told")


class Contender(Settings):
    """One method with all that belongs to it."""

    about: str = Field(description="one line for readers")
    train: dict[str, Any] = Field({}, description="settings of training")
    spectral: dict[str, Any] = Field({}, description="settings of the closed form")
    search: tuple[str, ...] | None = Field(
        None, description="what is tuned; all that the method heeds and nobody gave, or nothing if empty"
    )
    logs: tuple[str, ...] | None = Field(None, description="by name, those that have what it needs; all if not given")
    published: dict[str, Published] = Field({}, description="figures of others, by name of the log")

    @property
    def is_tuned(self) -> bool:
        """Whether anything of it is searched."""
        return self.search is None or len(self.search) > 0

    def config(self, base: RunConfig) -> RunConfig:
        """Return complete settings: what ``base`` was given, before what the method asks for, before the defaults.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        told = base.model_dump(mode="json", exclude_unset=True)
        for stage, own in (("train", self.train), ("spectral", self.spectral)):
            told[stage] = own | told.get(stage, {})
        return RunConfig.of(told | {"tune": told.get("tune", {}) | {"search": self.search or ()}})


class Contenders(Settings):
    """All methods of a file."""

    shared: dict[str, dict[str, Any]] = Field(
        {}, description="settings of all, by stage; and as `search` ranges, LOW..HIGH, of what is searched"
    )
    methods: dict[str, Contender] = Field(min_length=1, description="each with its own")

    def chosen(self, names: Sequence[str]) -> dict[str, Contender]:
        """Return those of these names, all of them where there are none, with the settings that all share.

        Raises:
            ConfigError: a name is not known; the nearest one is named.
        """
        for name in names:
            if name not in self.methods:
                raise ConfigError(f"There is no method {name!r} to compare.{nearest(name, self.methods)}")
        found = {name: self.methods[name] for name in names or self.methods}
        return {name: self._whole(one) for name, one in found.items()}

    def _whole(self, one: Contender) -> Contender:
        train, spectral = (
            self.shared.get(stage, {}) | own for stage, own in (("train", one.train), ("spectral", one.spectral))
        )
        ranges = self.shared.get("search", {})
        search = one.search and tuple(f"{name}={ranges[name]}" if name in ranges else name for name in one.search)
        return one.model_copy(update={"train": train, "spectral": spectral, "search": search})


def read_contenders(path: Path | None) -> Contenders:
    """Read a file of methods, by default the one of this package.

    Raises:
        ConfigError: it cannot be read, is not YAML, or lacks something.
    """
    path = path or FILE
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The file of methods {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"The file of methods {path} is not YAML: {error}") from error
    try:
        return Contenders.of(found)
    except ConfigError as error:
        raise ConfigError(f"The file of methods {path} cannot be used. {error}") from error


def require_comparable(contenders: Mapping[str, Contender], base: RunConfig) -> None:
    """Look whether all methods can work with such settings, before hours are spent on some of them.

    Raises:
        ConfigError: one cannot; it is named.
    """
    for name, one in contenders.items():
        try:
            config = one.config(base)
            if one.is_tuned:
                require_tunable(config)
            else:
                require_sound(config, "evaluate")
        except ConfigError as error:
            raise ConfigError(f"The method {name!r} cannot be compared so. {error}") from error


def budget_of(tune: TuneConfig) -> str:
    """Say what each method may spend on tuning."""
    trials = f"{tune.trials} trial{'' if tune.trials == 1 else 's'}"
    return trials if tune.tuning_time is None else f"{trials}, or as many as begin within {tune.tuning_time}"
