"""What a flow is told: plain values that a person can type into a form."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from recsys_cl.config import RunConfig
from recsys_cl.stages.ingest import Source
from recsys_cl.stages.job import Job
from recsys_cl.workspace import Workspace


class Plan(BaseModel):
    """One log, its name and its settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="name of the log and of the model made from it")
    inputs: tuple[Path, ...] = Field((), description="files or folders of interactions")
    dataset: str | None = Field(None, description="a public data set by name, instead of inputs")
    sample: bool = Field(False, description="the built-in synthetic sample, instead of inputs")
    test: Path | None = Field(None, description="the test part of a given split")
    items: Path | None = Field(None, description="file of item titles and categories")
    append: bool = Field(False, description="add the inputs to the latest snapshot")
    shared: Path | None = Field(None, description="folder that may hold public data sets already")
    home: Path | None = Field(None, description="workspace folder; by default the checkout")
    tracking_uri: str | None = Field(None, description="MLflow store; by default in the workspace")
    settings: dict[str, Any] = Field({}, description="settings nested by stage, as in the YAML file")

    def job(self) -> Job:
        """Return the job the stages work on; the instant is now.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        workspace = Workspace.at(self.home)
        tracking_uri = self.tracking_uri or workspace.tracking_uri
        return Job(workspace, self.name, RunConfig.of(self.settings), tracking_uri, datetime.now(UTC))

    def source(self) -> Source:
        """Return where the interactions come from."""
        return Source(
            self.inputs,
            self.dataset,
            sample=self.sample,
            test=self.test,
            items=self.items,
            append=self.append,
            shared=self.shared,
        )
