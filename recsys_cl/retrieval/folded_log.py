"""A log of what happened after training: newer histories, and users the model has never seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from recsys_cl.errors import InputError
from recsys_cl.files import digest_of
from recsys_cl.interactions.schema import COLUMNS, Interactions
from recsys_cl.pairs.histories import Histories, histories_of
from recsys_cl.pairs.vocabulary import UNKNOWN, Vocabulary
from recsys_cl.retrieval.frames import Frame, as_text, table


@dataclass(frozen=True)
class FoldedLog:
    """What the users of a log did, in the item numbers of a model that was not trained on it.

    Attributes:
        vocabulary: the users of the log, with the items of the model.
        histories: a row for each of those users; items that the model lacks are left out of it.
        new: (users of the log,) bool, whom the model lacks. They have no number for its towers.
        unknown_interactions: those left out because the model lacks their item.
        unknown_items: how many items that concerns.
        digest: of the log (64 hex digits).
    """

    vocabulary: Vocabulary
    histories: Histories
    new: npt.NDArray[np.bool_]
    unknown_interactions: int
    unknown_items: int
    digest: str

    @classmethod
    def of(cls, log: Interactions | Frame, model: Vocabulary) -> Self:
        """Map a log on the items of a model.

        Args:
            log: a log, or a frame with `user_id` and `item_id`, oldest first.
            model: the vocabulary of the model.

        Raises:
            InputError: the frame lacks a column or an id, a user's id is not of the kind the model knows, or the model
                knows no item of the log.
        """
        frame, digest = (log.frame, log.digest) if isinstance(log, Interactions) else _as_interactions(log)
        items = frame["item_id"].unique()
        unknown_items = int((model.item_nums(items) == UNKNOWN).sum())
        if unknown_items and unknown_items == len(items):
            raise InputError(
                f"The model knows none of the {len(items):,} items of the log, such as {items.min()!r}; its own are "
                f"like {model.item_ids[0]!r}. If the wrong column was taken, name it with --item-col; if not, train on "
                "this log."
            )
        users = frame["user_id"].unique().sort()
        _require_kind(users, model)
        vocabulary = replace(model, user_ids=users)
        histories = histories_of(frame, vocabulary)
        unknown = frame.height - len(histories.item_nums)
        return cls(vocabulary, histories, model.user_nums(users) == UNKNOWN, unknown, unknown_items, digest)

    def histories_for(self, user_ids: pl.Series, stored: Histories) -> Histories:
        """Return a row for each user: what the log says; where it says nothing that the model can read, what is stored.

        Args:
            user_ids: (q,) ids as text.
            stored: q rows, what the model itself holds of them.
        """
        logged = self.histories.take(self.vocabulary.user_nums(user_ids))
        rows = np.arange(len(logged))
        return _stacked(logged, stored).take(np.where(logged.lengths > 0, rows, rows + len(rows)))

    def describe(self) -> dict[str, Any]:
        """Return what was folded in, JSON-ready."""
        return {
            "users": len(self.new),
            "new_users": int(self.new.sum()),
            "interactions": len(self.histories.item_nums),
            "unknown_interactions": self.unknown_interactions,
            "unknown_items": self.unknown_items,
        }


def _as_interactions(log: Frame) -> tuple[pl.DataFrame, str]:
    """Return a frame of `interactions.schema.COLUMNS` whose rows are in order, and its digest."""
    ids = table(log, ("user_id", "item_id"))
    frame = pl.DataFrame([as_text(ids[name]) for name in ids.columns]).with_columns(
        value=pl.lit(1.0, COLUMNS["value"]),
        time=pl.lit(None, COLUMNS["time"]),
        position=pl.Series(np.arange(ids.height)),
        part=pl.lit("train"),
    )
    return frame, digest_of([frame["user_id"].to_list(), frame["item_id"].to_list()])


def _require_kind(users: pl.Series, model: Vocabulary) -> None:
    """Refuse users that could not be written as the model writes its own, so that a table keeps its type."""
    if model.user_kind == "string":
        return
    odd = users.filter(users.cast(pl.Int64, strict=False).cast(pl.String).ne_missing(users))  # 007 is not 7
    if len(odd):
        raise InputError(
            f"The log has {len(odd):,} users such as {odd[0]!r}, but this model's user_id are integers. Correct these "
            "ids or leave their rows out, or train on this log."
        )


def _stacked(first: Histories, second: Histories) -> Histories:
    """Return the rows of both, one under the other."""
    return Histories(
        np.concatenate([first.indptr, first.indptr[-1] + second.indptr[1:]]),
        np.concatenate([first.item_nums, second.item_nums]),
        None,
        np.concatenate([first.values, second.values]),
        first.n_items,
    )
