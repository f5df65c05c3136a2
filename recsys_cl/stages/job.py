"""What all stages of one run share."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recsys_cl import __version__
from recsys_cl.config import RunConfig
from recsys_cl.files import digest_of
from recsys_cl.progress import SILENT, Reporter
from recsys_cl.settings import Settings
from recsys_cl.workspace import Workspace, checked_name


@dataclass(frozen=True)
class Job:
    """One run's place, name, settings, clock and voice.

    Attributes:
        workspace: where everything is kept.
        name: the name of the log, of the model made from it and of its candidates.
        config: all settings.
        tracking_uri: where the MLflow store is.
        now: the instant the run began (UTC); nothing else asks the clock for dates.
        reporter: what a person sees while it runs.
    """

    workspace: Workspace
    name: str
    config: RunConfig
    tracking_uri: str = field(repr=False)  # it may hold a password
    now: datetime
    reporter: Reporter = SILENT

    def __post_init__(self) -> None:
        checked_name(self.name)

    def key(self, upstream: str, *settings: Settings) -> str:
        """Return the digest (64 hex digits) of what a stage's result depends on: data, settings, seed and version."""
        parts: list[Any] = [
            upstream,
            __version__,
            self.config.seed,
            [part.model_dump(mode="json") for part in settings],
        ]
        return digest_of(parts)
