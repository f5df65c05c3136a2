"""Users and items known inside by a number, so that rows are small and each id is looked at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from recsys_cl.interactions.schema import IdKind

_OK, _MISSING, _TOO_LONG, _UNUSED = 0, 1, 2, 3
_INTEGER = r"^(?:0|-?[1-9][0-9]*)$"
_WHOLE_FLOAT = r"^(?:0|-?[1-9][0-9]*)\.0$"


@dataclass(frozen=True)
class Names:
    """What the numbers of entities stand for.

    Attributes:
        texts: ids as text, String (n,), sorted.
        kind: how they are written outside.
        ranks: place in ``texts`` of each number, int64 (numbers,), -1 for one that is not among them.
    """

    texts: pl.Series
    kind: IdKind
    ranks: npt.NDArray[np.int64]


class Entities:
    """Numbers for the ids of one column, given in order of first sight and never taken back.

    Args:
        longest: characters an id may have.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._dtype = pl.Categorical(pl.Categories.random("ids", pl.UInt32))
        self._anchor = pl.Series([], dtype=self._dtype)  # polars forgets categories that no series has
        self._troubles = np.zeros(0, np.uint8)  # by number; `_UNUSED` until the id was looked at
        self._troubled = False
        self._suffix = ""

    def __len__(self) -> int:
        return len(self._troubles)

    def encode(self, ids: pl.Series) -> pl.Series:
        """Return the number of each id, UInt32; null for null. Numbers and other types are taken as text."""
        texts = as_text(ids)
        if self._suffix:
            texts = texts + self._suffix
        numbers = texts.cast(self._dtype).to_physical()
        self._examine(numbers.drop_nulls())
        return numbers

    def troubles(self, numbers: pl.Series) -> pl.Series | None:
        """Return the reason (missing_id, id_too_long; else null) why each cannot be used; None if all can."""
        if not numbers.null_count() and not self._troubled:
            return None
        known = numbers.fill_null(0).to_numpy()
        troubles = self._troubles[known] if len(self) else np.zeros(len(known), np.uint8)
        troubles = np.where(numbers.is_null().to_numpy(), _MISSING, troubles)
        if not troubles.any():
            return None
        words = pl.Series([None, "missing_id", "id_too_long"], dtype=pl.String)
        return words.gather(pl.Series(troubles, dtype=pl.UInt32))

    def texts(self, numbers: pl.Series) -> pl.Series:
        """Return ids as they were written (String)."""
        written = numbers.cat.to(self._dtype).cast(pl.String)
        return written.str.strip_suffix(self._suffix) if self._suffix else written

    def settle(self) -> None:
        """Decide that ids all written as 17850.0 mean 17850, now that the new files are read.

        What is encoded later is taken to be written as it should be.
        """
        texts = self._usable()
        if len(texts) and texts.str.contains(_WHOLE_FLOAT).all():
            self._suffix = ".0"

    def names(self, used: npt.NDArray[np.bool_]) -> Names:
        """Name the numbers in ``used``, a mask over all numbers."""
        numbers = np.flatnonzero(used)
        frame = pl.DataFrame({"number": numbers, "text": self.texts(pl.Series(numbers, dtype=pl.UInt32))})
        frame = frame.sort("text")
        ranks = np.full(len(self), -1, np.int64)
        ranks[frame["number"].to_numpy()] = np.arange(len(numbers))
        return Names(frame["text"], kind_of(frame["text"]), ranks)

    def _usable(self) -> pl.Series:
        return self.texts(pl.Series(np.flatnonzero(self._troubles == _OK), dtype=pl.UInt32))

    def _examine(self, numbers: pl.Series) -> None:
        highest = numbers.max()
        if not isinstance(highest, int):
            return
        grown = np.full(max(len(self), highest + 1), _UNUSED, np.uint8)
        grown[: len(self)] = self._troubles
        self._troubles = grown
        fresh = numbers.filter(pl.Series(grown[numbers.to_numpy()] == _UNUSED, dtype=pl.Boolean)).unique()
        text = pl.col("text")
        blank, long = text.str.strip_chars() == "", text.str.len_chars() > self._longest
        trouble = pl.when(blank).then(_MISSING).when(long).then(_TOO_LONG).otherwise(_OK).cast(pl.UInt8)
        found = pl.DataFrame({"text": self.texts(fresh)}).select(trouble).to_series().to_numpy()
        self._troubles[fresh.to_numpy()] = found
        self._troubled |= bool(found.any())


def as_text(ids: pl.Series) -> pl.Series:
    """Return ids as text: a whole float as an integer, NaN as null, all else as it is written."""
    if not ids.dtype.is_float():
        return ids.cast(pl.String)
    frame = pl.DataFrame({"id": ids.cast(pl.Float64)})
    number = pl.col("id")
    whole = (number == number.round()) & (number.abs() < 2**53)
    text = pl.when(whole).then(number.cast(pl.Int64, strict=False).cast(pl.String)).otherwise(number.cast(pl.String))
    return frame.select(pl.when(number.is_not_nan()).then(text)).to_series()


def kind_of(texts: pl.Series) -> IdKind:
    """Return "integer" if every id is an integer of 64 bits as one is usually written, else "string"."""
    if texts.is_empty() or not texts.str.contains(_INTEGER).all():
        return "string"
    return "integer" if texts.cast(pl.Int64, strict=False).null_count() == 0 else "string"


def near_alike(texts: pl.Series) -> pl.DataFrame:
    """Return ids that differ only in case or white space: `folded` and the list `written`, most first."""
    frame = pl.DataFrame({"written": texts})
    folded = pl.col("written").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    groups = frame.group_by(folded.alias("folded"), maintain_order=True).agg(pl.col("written"))
    return groups.filter(pl.col("written").list.len() > 1).sort(pl.col("written").list.len(), descending=True)
