"""Which column of a log tells who, what, how much and when, and in what unit the times are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import polars as pl

from recsys_cl.config import IngestConfig
from recsys_cl.errors import InputError, nearest
from recsys_cl.interactions.batches import Layout, Role, Wanted
from recsys_cl.interactions.headers import is_quantity, named_like
from recsys_cl.interactions.times import FORMS, TimeUnit, forms_of, looks_like_time, number_type, unit_of

_FLAGS: dict[Role, str] = {
    "user": "user_col",
    "item": "item_col",
    "value": "value_col",
    "time": "time_col",
    "title": "title_col",
    "category": "category_col",
}
_TELLS = {"user": "who", "item": "what"}
_LEAST: tuple[Role, ...] = ("user", "item")


@dataclass(frozen=True)
class Columns:
    """The columns of a log by what they tell, and how to read two of them.

    Attributes:
        by_role: column of each role that the log has.
        time_unit: unit of the times; None where there are none.
        time_forms: forms in which times written as text are read, the commonest first.
        unit_given: whether a person named the unit, so that it is not doubted.
        quantity: whether values count pieces, so that a negative one takes a purchase back.
        types: types that a text reader may try for values and times.
    """

    by_role: dict[Role, str]
    time_unit: TimeUnit | None
    time_forms: tuple[str, ...]
    unit_given: bool
    quantity: bool
    types: dict[Role, pl.DataType]

    def wanted(self, batch_rows: int) -> Wanted:
        """Return what a reader should take from the file."""
        return Wanted(self.by_role, self.types, batch_rows)


def infer_columns(layout: Layout, config: IngestConfig, source: str) -> Columns:
    """Tell the columns of a log from their names, or from their shape where they have none.

    What ``config`` names goes before what is inferred; a number counts columns from 1.

    Raises:
        InputError: a column that was named is not there, or none tells who or what.
    """
    given = {
        role: resolve(name, layout, flag, source)
        for role, flag in _FLAGS.items()
        if (name := getattr(config, flag)) is not None
    }
    found = _by_name(layout, given) if layout.named else _by_shape(layout, given)
    for role in _LEAST:
        if role not in found:
            _refuse(role, layout, source)
    if found["user"] == found["item"]:
        raise InputError(f"{source}: column {found['user']!r} cannot tell both who and what. Change --item-col.")
    return _with_units(found, layout, config)


def resolve(name: str, layout: Layout, flag: str, source: str) -> str:
    """Return the column that a person means by ``name``: a name, or a number from 1.

    Raises:
        InputError: there is no such column; the nearest names are suggested.
    """
    if name in layout.columns:
        return name
    if name.isdigit() and 1 <= int(name) <= len(layout.columns):
        return layout.columns[int(name) - 1]
    without_case = {column.lower(): column for column in layout.columns}
    if name.lower() in without_case:
        return without_case[name.lower()]
    raise InputError(
        f"{source} has no column {name!r}.{nearest(name, layout.columns)} "
        f"Its columns are {', '.join(layout.columns)}; change --{flag.replace('_', '-')}."
    )


def _by_name(layout: Layout, given: dict[Role, str]) -> dict[Role, str]:
    found = dict(given)
    for role in get_args(Role):
        if role in found or (role == "category" and "title" not in found):
            continue
        column = named_like(role, layout.columns, set(found.values()))
        if column is not None:
            found[role] = column
    return found


def _by_shape(layout: Layout, given: dict[Role, str]) -> dict[Role, str]:
    """Take the first column for who, the second for what, then a number for how much and a time for when."""
    found = dict(given)
    free = [column for column in layout.columns if column not in given.values()]
    for role in _LEAST:
        if role not in found and free:
            found[role] = free.pop(0)
    for column in free:
        sample = layout.sample[column]
        if "time" not in found and looks_like_time(sample):
            found["time"] = column
        elif "value" not in found and sample.cast(pl.Float64, strict=False).count() > 0.5 * len(sample):
            found["value"] = column
    return found


def _with_units(found: dict[Role, str], layout: Layout, config: IngestConfig) -> Columns:
    quantity = "value" in found and is_quantity(found["value"])
    types: dict[Role, pl.DataType] = {"value": pl.Float64()} if "value" in found else {}
    if "time" not in found:
        return Columns(found, None, FORMS, unit_given=False, quantity=quantity, types=types)
    sample = layout.sample[found["time"]]
    unit = config.time_unit or unit_of(sample)
    forms = forms_of(sample) if unit == "iso" else FORMS
    if unit in ("s", "ms", "us", "ns"):
        types["time"] = number_type(sample)
    return Columns(found, unit, forms, unit_given=config.time_unit is not None, quantity=quantity, types=types)


def _refuse(role: Literal["user", "item"] | Role, layout: Layout, source: str) -> None:
    raise InputError(
        f"{source}: no column's name tells {_TELLS[role]} ({role}). Its columns are {', '.join(layout.columns)}; "
        f"name one with --{role}-col, by name or by number from 1."
    )
