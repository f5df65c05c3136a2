"""From a registered version, or any bundle, to candidates and recommendations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from recsys_cl.errors import ConfigError
from recsys_cl.registry.store import CHAMPION, Store
from recsys_cl.retrieval.candidates import write_candidates
from recsys_cl.retrieval.id_files import read_ids
from recsys_cl.retrieval.locations import Location, locate
from recsys_cl.retrieval.retriever import Retriever
from recsys_cl.stages.fold_in import fold_in
from recsys_cl.stages.foresight import require_writable
from recsys_cl.stages.ingest import Source
from recsys_cl.stages.job import Job


def write(
    job: Job, location: str | None, users: Path | None, out: Path | None, log: Source | None = None
) -> dict[str, Any]:
    """Write candidates.

    Args:
        job: place, name, settings.
        location: a bundle's path or address; None for the champion of the job's name.
        users: file of user ids; None for every user the model knows, or of the log, if there is one.
        out: the table to write; by default in the workspace.
        log: where to read histories instead of those the bundle holds; one that names none is the latest snapshot.

    Returns:
        ``candidates`` with path, rows, users, fallback_users and version; with a log also ``name``, ``rows`` and
        ``snapshot`` of it, and ``folded_in`` with users, new_users, interactions, unknown_interactions, unknown_items
        and notes.
    """
    require_writable(job.config, out)
    asked = None if users is None else read_ids(users, "user_id")
    retriever = Retriever.load(locate_bundle(job, location))
    told: dict[str, Any] = {}
    if log is not None:
        retriever, told = fold_in(job, retriever, log)
    path = out or job.workspace.candidates(job.name) / "candidates.parquet"
    result = write_candidates(retriever, asked, path, job.config.candidates, job.reporter)
    return {**told, "candidates": result.describe()}


def recommend(
    job: Job,
    user_ids: tuple[str, ...],
    location: str | None = None,
    from_history: str | None = None,
    similar_to: str | None = None,
) -> dict[str, Any]:
    """Answer for users, for a history (item ids, comma separated), or with items similar to one.

    Raises:
        ConfigError: there is not exactly one of the three.
    """
    if sum([bool(user_ids), from_history is not None, similar_to is not None]) != 1:
        raise ConfigError("Give user ids, or --history, or --similar-to: one of the three.")
    retriever = Retriever.load(locate_bundle(job, location))
    config = job.config.candidates
    allow, deny = (None if path is None else read_ids(path, "item_id") for path in (config.allow, config.deny))
    ways: dict[str, Any] = {"exclude_seen": config.exclude_seen, "allow": allow, "deny": deny}
    if from_history is not None:
        history = [[item.strip() for item in from_history.split(",")]]
        found = retriever.recommend_from_history(history, config.k, **ways)
    elif similar_to is not None:
        found = retriever.similar_items([similar_to], config.k)
    else:
        found = retriever.recommend(list(user_ids), config.k, **ways)
    return {"version": retriever.version, "recommendations": _titled(found, retriever).to_dicts()}


def locate_bundle(job: Job, location: str | None) -> Location:
    """Find the bundle at ``location``, by default the champion; addresses are looked up in the job's own store."""
    address = location or f"models:/{job.name}@{CHAMPION}"
    if address.startswith("models:/"):
        return Store(job.tracking_uri, job.workspace.artifacts).locate(address)
    return locate(address)


def _titled(found: pl.DataFrame, retriever: Retriever) -> pl.DataFrame:
    column = "similar_item_id" if "similar_item_id" in found.columns else "item_id"
    items = retriever.bundle.items
    if items["title"].null_count() == items.height:
        return found
    titles = items.select(pl.col("item_id").alias(column), "title")
    return found.join(titles, on=column, how="left", maintain_order="left")
