"""From a log that came after training to a retriever that reads its histories; nothing is trained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from recsys_cl.errors import ConfigError
from recsys_cl.interactions.snapshot import Snapshot, load
from recsys_cl.retrieval.bundle import Bundle
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.stages.ingest import Source, ingest
from recsys_cl.stages.job import Job


def log_to_fold_in(source: Source, *, of_latest: bool) -> Source | None:
    """Return the log that a command line asks to fold in; None if it asks for none.

    Args:
        source: where interactions come from.
        of_latest: whether the latest snapshot is asked for.

    Raises:
        ConfigError: two logs are asked for, or something about a log where there is none.
    """
    if source.has_log:
        if of_latest:
            raise ConfigError("Give a log or --latest, not both; --append adds a log to the latest snapshot.")
        return source
    if source != Source(shared=source.shared):
        raise ConfigError(
            "--append, --items and --test are about a log, and none is given: add --input FILE, --dataset NAME or "
            "--sample, or say --latest alone for the latest snapshot as it is."
        )
    return source if of_latest else None


def fold_in(job: Job, retriever: Retriever, log: Source) -> tuple[Retriever, dict[str, Any]]:
    """Keep the log as a snapshot, and read histories in all of it.

    Only a log that is added to the latest snapshot becomes the latest itself: what is served does not decide what the
    next training learns from.

    Returns:
        The retriever, and what there is to say, JSON-ready: ``name``, ``rows`` and ``snapshot`` of the log, and
        ``folded_in``.

    Raises:
        ConfigError: the log has a test part.
        InputError: the log cannot be used, or is of other users or items than the model.
    """
    if log.test is not None:
        raise ConfigError(
            "Candidates are made from all that users did, so a log to fold in has no test part. Leave --test out, or "
            "give that file with --input as well."
        )
    snapshot = ingest(job, replace(log, aside=not log.append))
    folded = retriever.fold_in(load(snapshot))
    described = {} if folded.log is None else folded.log.describe()
    described["notes"] = _read_otherwise(folded.bundle, snapshot)
    return folded, {"name": job.name, **snapshot.describe(), "folded_in": described}


def _read_otherwise(bundle: Bundle, snapshot: Snapshot) -> list[str]:
    """Say where the log was read otherwise than the towers expect."""
    notes = []
    trained, here = bundle.config.get("ingest", {}).get("min_value"), snapshot.manifest["config"]["min_value"]
    if trained is not None and trained != here:
        other = "without" if here is None else f"with {here:g}"
        notes.append(f"The log that the model learned from was read with --min-value {trained:g}, this one {other}.")
    if snapshot.manifest["ordering"] == "none" and any(any(one.age_exponents) for one in bundle.towers.spec.readings):
        notes.append("The model heeds the order of a history, of which this log tells nothing.")
    return notes
