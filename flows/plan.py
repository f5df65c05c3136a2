"""What a flow is told: plain values that a person can type into a form."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict, Field

from recsys_cl.config import RunConfig
from recsys_cl.progress import SILENT, Reporter
from recsys_cl.stages.ingest import Source, shared_folder
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
    shared: Path | None = Field(
        None, description="folder that may hold public data sets already [env: RECSYS_CL_SHARED_DATA]"
    )
    home: Path | None = Field(None, description="workspace folder; by default the checkout [env: RECSYS_CL_HOME]")
    tracking_uri: str | None = Field(
        None, description="MLflow store; by default in the workspace [env: MLFLOW_TRACKING_URI]"
    )
    settings: dict[str, Any] = Field({}, description="settings nested by stage, as in the YAML file")
    wait: float = Field(0, ge=0, description="seconds to wait while another run holds the workspace")

    @property
    def workspace(self) -> Workspace:
        """Where everything is kept."""
        return Workspace.at(self.home or _path_from("RECSYS_CL_HOME"))

    @property
    def config(self) -> RunConfig:
        """All settings, checked.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        return RunConfig.of(self.settings)

    def job(self, reporter: Reporter = SILENT) -> Job:
        """Return the job the stages work on; the instant is now.

        Raises:
            ConfigError: a setting is unknown or out of range, or the name cannot be one.
        """
        workspace = self.workspace
        uri = self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or workspace.tracking_uri
        return Job(workspace, self.name, self.config, uri, datetime.now(UTC), reporter)

    def source(self) -> Source:
        """Return where the interactions come from."""
        return Source(
            self.inputs,
            self.dataset,
            sample=self.sample,
            test=self.test,
            items=self.items,
            append=self.append,
            shared=self.shared or shared_folder(os.environ),
        )


def run_name() -> str:
    """Return what the present flow run is called: the log and the minute (UTC) it was due."""
    plan = Plan.model_validate(flow_run.parameters["plan"])
    return f"{plan.name} {flow_run.scheduled_start_time:%Y-%m-%d %H:%M}"


def _path_from(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None
