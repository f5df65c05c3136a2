"""Sources with what was found out about them before they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recsys_cl.config import IngestConfig
from recsys_cl.errors import InputError
from recsys_cl.interactions.batches import Layout
from recsys_cl.interactions.infer import Columns, infer_columns
from recsys_cl.interactions.schema import Ordering
from recsys_cl.interactions.sources import Source


@dataclass(frozen=True)
class Input:
    """A source, the SHA-256 of its bytes, and whether it is the test of a given split."""

    source: Source
    digest: str
    test: bool


@dataclass(frozen=True)
class Opened(Input):
    """An input with its layout and columns."""

    layout: Layout
    columns: Columns


def open_sources(inputs: Sequence[Input], config: IngestConfig) -> list[Opened]:
    """Find the layout and columns of every source; the first decides for all that have the same columns.

    Raises:
        InputError: a source cannot be read, lacks a column, or has times where the first has none.
    """
    opened: list[Opened] = []
    for one in inputs:
        source = one.source
        layout = source.layout(config)
        columns = _columns(layout, config, source, opened[0] if opened else None)
        if opened and ("time" in columns.by_role) != ("time" in opened[0].columns.by_role):
            raise InputError(
                f"Of {opened[0].source.name} and {source.name} only one has times. Give both the same columns, "
                "or name them with --time-col."
            )
        opened.append(Opened(source, one.digest, one.test, layout, columns))
    return opened


def _columns(layout: Layout, config: IngestConfig, source: Source, first: Opened | None) -> Columns:
    if first is None or not set(first.columns.by_role.values()) <= set(layout.columns):
        return infer_columns(layout, config, source.name)
    when = first.columns.by_role.get("time")
    if when and layout.sample[when].dtype.is_temporal() != first.layout.sample[when].dtype.is_temporal():
        return infer_columns(layout, config, source.name)
    return first.columns


def ordering_of(opened: Sequence[Opened], config: IngestConfig) -> Ordering:
    """Tell what tells before from after: times, else row order if it is said or usual in the format, else nothing."""
    if "time" in opened[0].columns.by_role:
        return "time"
    if config.ordered is not None:
        return "order" if config.ordered else "none"
    given_split = any(one.test for one in opened)
    return "order" if opened[0].layout.ordered and not given_split else "none"
