"""The promise of `schema.COLUMNS`, checked by pandera on every batch before it is written."""

from __future__ import annotations

from datetime import UTC, datetime

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from recsys_cl.errors import InputError
from recsys_cl.interactions.schema import COLUMNS


def _finite(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_finite())


class Promise:
    """What a clean frame must be: types, no nulls, finite values, ids of a proper length.

    Args:
        longest: characters an id may have.
        timed: whether every row has a time; else none must.
    """

    def __init__(self, longest: int, *, timed: bool) -> None:
        identity = pa.Check.str_length(1, longest)
        checks = {
            "user_id": identity,
            "item_id": identity,
            "value": pa.Check(_finite, name="finite"),
            "time": pa.Check.ge(datetime(1970, 1, 1, tzinfo=UTC)) if timed else None,
            "position": pa.Check.ge(0),
            "part": pa.Check.isin(["train", "test"]),
        }
        columns = {
            name: pa.Column(dtype, checks[name], nullable=name == "time" and not timed)
            for name, dtype in COLUMNS.items()
        }
        self._schema = pa.DataFrameSchema(columns, strict=True, ordered=True)

    def kept(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a frame, held in memory (pandera skips the checks of values on lazy ones), that keeps the promise.

        Raises:
            InputError: it does not; the first failing column, check and value are named.
        """
        try:
            return self._schema.validate(frame, lazy=True)
        except SchemaErrors as error:
            case = error.failure_cases.row(0, named=True)
            raise InputError(
                f"The cleaned log fails its check {case['check']!r} in column {case['column']!r} at "
                f"{case['failure_case']!r}. This is a fault of the cleaning: please report it with the file."
            ) from error
