"""From files, a public data set or the synthetic sample to a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from recsys_cl import __version__
from recsys_cl.config import IngestConfig
from recsys_cl.errors import InputError
from recsys_cl.interactions import datasets
from recsys_cl.interactions.sample import DESCRIPTION, write_sample
from recsys_cl.interactions.snapshot import Snapshot, latest
from recsys_cl.interactions.snapshot import ingest as ingest_files
from recsys_cl.stages.job import Job


@dataclass(frozen=True)
class Source:
    """Where interactions come from: exactly one of inputs, dataset and sample; or none for the latest snapshot.

    Attributes:
        inputs: files or folders, read as one log.
        dataset: name of a public data set.
        sample: the built-in synthetic log.
        test: file with the test part of a given split.
        items: file with item titles and categories.
        append: add the inputs to the latest snapshot instead of starting anew.
        aside: let the latest snapshot stay the latest.
        shared: folder that may hold public data sets already.
    """

    inputs: tuple[Path, ...] = ()
    dataset: str | None = None
    sample: bool = False
    test: Path | None = None
    items: Path | None = None
    append: bool = False
    aside: bool = False
    shared: Path | None = None

    @property
    def has_log(self) -> bool:
        """Whether a log is named; if not, the latest snapshot is meant."""
        return bool(self.inputs or self.dataset or self.sample)


def shared_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder that may hold public data sets: RECSYS_CL_SHARED_DATA, else `../shared/data`."""
    return Path(environment.get("RECSYS_CL_SHARED_DATA") or Path("..") / "shared" / "data")


def ingest(job: Job, source: Source) -> Snapshot:
    """Store the log as a snapshot, or find that this was done before.

    Raises:
        InputError: there is not exactly one source, or it cannot be used.
    """
    if sum([bool(source.inputs), source.dataset is not None, source.sample]) > 1:
        raise InputError("Give one of --input, --dataset and --sample, not several.")
    if source.sample:
        return _ingest_sample(job, source)
    if source.dataset is not None:
        return _ingest_dataset(job, source.dataset, source)
    if source.inputs:
        return _ingest_files(job, source.inputs, source, job.config.ingest)
    return _latest(job)


def _ingest_sample(job: Job, source: Source) -> Snapshot:
    path = job.workspace.downloads / f"sample-{__version__}.csv"
    if not path.exists():
        write_sample(path, seed=0)  # the same log for every run; the run's own seed is for training
    return _ingest_files(job, (path,), source, job.config.ingest, DESCRIPTION)


def _ingest_dataset(job: Job, name: str, source: Source) -> Snapshot:
    found = datasets.locate(name, job.workspace.downloads, source.shared)
    given = job.config.ingest.model_dump(exclude_unset=True)
    config = IngestConfig.of({**found.settings, **given})
    source = replace(source, test=source.test or found.test, items=source.items or found.items)
    return _ingest_files(job, found.paths, source, config, name)


def _ingest_files(
    job: Job, paths: tuple[Path, ...], source: Source, config: IngestConfig, described: str | None = None
) -> Snapshot:
    return ingest_files(
        list(paths),
        job.workspace.snapshots,
        job.name,
        config,
        test=source.test,
        items=source.items,
        append=source.append,
        aside=source.aside,
        described=described,
        now=job.now,
        reporter=job.reporter,
    )


def _latest(job: Job) -> Snapshot:
    snapshot = latest(job.workspace.snapshots, job.name)
    if snapshot is None:
        raise InputError(f"There is no snapshot named {job.name!r} yet: give --input FILE, --dataset NAME or --sample.")
    return snapshot
