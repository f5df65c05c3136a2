"""External ids and the contiguous numbers that models use instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from recsys_cl.interactions.schema import IdKind, as_written

UNKNOWN = -1


@dataclass(frozen=True)
class Vocabulary:
    """Users and items of the training part, numbered from 0 in the order of their ids as text.

    Attributes:
        user_ids: String, unique, sorted; ``user_ids[user_num]`` is the external id.
        item_ids: the same for items.
        user_kind: how users are written outside.
        item_kind: how items are written outside.
    """

    user_ids: pl.Series
    item_ids: pl.Series
    user_kind: IdKind
    item_kind: IdKind

    @classmethod
    def fit(cls, frame: pl.DataFrame, user_kind: IdKind, item_kind: IdKind, listed: pl.Series | None = None) -> Self:
        """Number the users and items of ``frame`` (`user_id`, `item_id`), which should be training data only.

        Items that are ``listed`` besides (ids as text), and that nobody took, are numbered with them.
        """
        items = frame["item_id"] if listed is None else frame["item_id"].append(listed.cast(pl.String))
        return cls(
            frame["user_id"].unique().sort().rename("user_id"),
            items.unique().sort().rename("item_id"),
            user_kind,
            item_kind,
        )

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items, the size of the catalogue."""
        return len(self.item_ids)

    def user_nums(self, ids: pl.Series) -> npt.NDArray[np.int32]:
        """Return the number of each user id (n,), int32; -1 for the unknown."""
        return _numbers(self.user_ids, ids)

    def item_nums(self, ids: pl.Series) -> npt.NDArray[np.int32]:
        """Return the number of each item id (n,), int32; -1 for the unknown."""
        return _numbers(self.item_ids, ids)

    def users_as_written(self) -> pl.Series:
        """Return all user ids, by number, with the type they had outside."""
        return as_written(self.user_ids, self.user_kind)

    def items_as_written(self) -> pl.Series:
        """Return all item ids, by number, with the type they had outside."""
        return as_written(self.item_ids, self.item_kind)

    def save(self, folder: Path) -> None:
        """Write `users.parquet` and `items.parquet`; the column types tell how ids were written outside."""
        self.users_as_written().to_frame("user_id").write_parquet(folder / "users.parquet")
        self.items_as_written().to_frame("item_id").write_parquet(folder / "items.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        users = pl.read_parquet(folder / "users.parquet")["user_id"]
        items = pl.read_parquet(folder / "items.parquet")["item_id"]
        return cls(users.cast(pl.String), items.cast(pl.String), _kind(users), _kind(items))


def _numbers(known: pl.Series, ids: pl.Series) -> npt.NDArray[np.int32]:
    table = pl.DataFrame({"id": known, "num": pl.Series(np.arange(len(known), dtype=np.int32))})
    asked = pl.DataFrame({"id": ids.cast(pl.String)})
    found = asked.join(table, on="id", how="left", maintain_order="left")
    return found["num"].fill_null(UNKNOWN).to_numpy()


def _kind(ids: pl.Series) -> IdKind:
    return "integer" if ids.dtype.is_integer() else "string"
