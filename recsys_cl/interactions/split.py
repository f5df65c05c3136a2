"""Which interactions teach and which examine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

SplitKind = Literal["time", "last", "random", "given"]


@dataclass(frozen=True)
class Split:
    """Three parts of one log, each a frame of `schema.COLUMNS` in the log's order; no row is in two of them.

    Attributes:
        train: what models and vocabularies learn from.
        validation: what settings and early stopping are chosen on.
        test: what is looked at once, at the end.
        kind: how the parts were told apart.
        cutoffs: for kind "time", the two instants (UTC) with train < first <= validation < second <= test.
    """

    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    kind: SplitKind
    cutoffs: tuple[datetime, datetime] | None
