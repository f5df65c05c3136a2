"""From users to items: towers, vocabulary and index together, spoken to in external ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from recsys_cl.errors import InputError, nearest
from recsys_cl.interactions.schema import Interactions
from recsys_cl.pairs.histories import Histories, Queries
from recsys_cl.pairs.ragged import offsets_of
from recsys_cl.pairs.vocabulary import UNKNOWN
from recsys_cl.retrieval.bundle import Bundle, read_bundle
from recsys_cl.retrieval.exact import rank_exact, rank_same
from recsys_cl.retrieval.faiss_index import Vectors
from recsys_cl.retrieval.folded_log import FoldedLog
from recsys_cl.retrieval.frames import Frame, Ids, as_came, as_text, ids_of, is_pandas, table, written_as
from recsys_cl.retrieval.locations import Location, locate
from recsys_cl.retrieval.matches import Matches
from recsys_cl.retrieval.recommendations import Recommendations, long_frame

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Retriever:
    """Recommends from a bundle.

    Frames come back in the library in which was asked: pandas for pandas, polars for all else. Ids come back with
    the type with which they were written.

    Attributes:
        bundle: what it recommends from.
        name: the name reports use.
        version: the registered version, or the first digits of the bundle's digest.
        digest: of the bundle (64 hex digits).
        log: what was folded in after training; None where nothing was.
    """

    bundle: Bundle
    name: str
    version: str = ""
    digest: str = ""
    log: FoldedLog | None = None

    @classmethod
    def load(cls, address: str | Path | Location) -> Self:
        """Verify and load a bundle.

        Args:
            address: its folder, or an address such as ``models:/NAME@champion`` or ``models:/NAME/3``.

        Raises:
            IntegrityError: a file of the bundle is missing, was changed or does not belong there.
            ConfigError: no installed package knows the scheme of the address.
            RegistryError: the store cannot be reached, or has no such version.
        """
        location = locate(address)
        bundle, manifest = read_bundle(location.folder)
        return cls(bundle, manifest.name, location.version or manifest.digest[:12], manifest.digest)

    def fold_in(self, log: Interactions | Frame) -> Self:
        """Return a retriever of the same bundle that reads users' histories in a newer log; nothing is trained.

        Users whom the model has never seen are served like any other. The history of a user in the log is what the log
        holds, no more: give it whole. Only where it holds nothing that the model can read, as for a user who is not in
        it, is the history the one that the bundle holds.

        Args:
            log: a log (`interactions.snapshot.load`), or a frame with `user_id` and `item_id`, oldest first. Items that
                the model lacks are left out; they need the next training.

        Raises:
            InputError: the frame lacks a column or an id, a user's id is not of the kind the model knows, or the model
                knows no item of the log.
        """
        return replace(self, log=FoldedLog.of(log, self.bundle.vocabulary))

    @property
    def user_ids(self) -> pl.Series:
        """The users there are, as text: those of the log folded in, if one was, else those of the bundle."""
        return (self.log or self.bundle).vocabulary.user_ids

    def rank(self, queries: Queries, k: int, *, exclude_seen: bool = True, allowed: Mask | None = None) -> Matches:
        """Return the best ``k`` items for each query, (q, k).

        Args:
            queries: who asks. Those of whom nothing is known get the most popular items.
            k: items wanted a query; rows with fewer left are padded with -1.
            exclude_seen: return no item of a query's own history.
            allowed: (n_items,) bool, the only items that may be returned; None allows all.
        """
        return self.rank_with_source(queries, k, exclude_seen=exclude_seen, allowed=allowed)[0]

    def rank_with_source(
        self, queries: Queries, k: int, *, exclude_seen: bool = True, allowed: Mask | None = None
    ) -> tuple[Matches, Mask]:
        """Rank as `rank` does, and tell which queries (q,) were answered with the most popular items.

        Their scores are numbers of interactions, not inner products.
        """
        vectors = self.bundle.towers.query_vectors(queries)
        seen = queries.histories if exclude_seen else None
        nothing_known = (queries.user_nums == UNKNOWN) & (queries.histories.lengths == 0)
        unknown = nothing_known | ~vectors.any(axis=1)
        if not unknown.any():
            return self.bundle.search(vectors, k, seen=seen, allowed=allowed), unknown
        found = Matches(np.empty((len(queries), k), dtype=np.int32), np.empty((len(queries), k), dtype=np.float32))
        popular = self.bundle.popularity if allowed is None else np.where(allowed, self.bundle.popularity, -np.inf)
        known, others = np.flatnonzero(~unknown), np.flatnonzero(unknown)
        for rows, matches in (
            (
                known,
                self.bundle.search(vectors[known], k, seen=None if seen is None else seen.take(known), allowed=allowed),
            ),
            (others, rank_same(popular, len(others), k, seen=None if seen is None else seen.take(others))),
        ):
            found.item_nums[rows], found.scores[rows] = matches.item_nums, matches.scores
        return found, unknown

    def queries_of(self, user_ids: pl.Series) -> Queries:
        """Return queries for users (ids as text), each with the history that is known; none for the unknown."""
        nums = self.bundle.vocabulary.user_nums(user_ids)  # the towers know users by these, whatever the log says
        stored = self.bundle.histories.take(nums)
        return Queries(nums, stored if self.log is None else self.log.histories_for(user_ids, stored))

    def items_mask(self, allow: Ids | None, deny: Ids | None) -> Mask | None:
        """Return which items (n_items,) the lists of item ids leave; None if all. Unknown ids play no part.

        Raises:
            InputError: no item is left.
        """
        if allow is None and deny is None:
            return None
        mask = np.ones(self.bundle.vocabulary.n_items, dtype=np.bool_) if allow is None else self._among(allow)
        if deny is not None:
            mask &= ~self._among(deny)
        if not mask.any():
            raise InputError("The allowed and denied items leave nothing to recommend; check their ids.")
        return mask

    def recommend(
        self,
        user_ids: Ids,
        k: int = 100,
        *,
        exclude_seen: bool = True,
        allow: Ids | None = None,
        deny: Ids | None = None,
    ) -> Frame:
        """Return the best items for users.

        Args:
            user_ids: a list or series of ids, or a frame with the column `user_id`.
            k: items a user; there are fewer where fewer are left.
            exclude_seen: leave out what the user has already seen.
            allow: ids of the only items that may be recommended.
            deny: ids of items never to recommend.

        Returns:
            A row for each item: `user_id`, `item_id`, `score` (Float32), `rank` (Int32, from 1) and `source`: "model",
            or "popularity" for users of whom nothing is known, whose scores are numbers of interactions.

        Raises:
            InputError: an id is null or not of the kind this model knows, or no item is left to recommend.
        """
        users = as_text(ids_of(user_ids, "user_id"))
        asked = written_as(users, self.bundle.vocabulary.user_kind)
        matches, popular = self.rank_with_source(
            self.queries_of(users), k, exclude_seen=exclude_seen, allowed=self.items_mask(allow, deny)
        )
        return as_came(self.recommendations(asked, matches, popular).frame(), user_ids)

    def recommend_from_history(
        self,
        histories: Sequence[Sequence[Any]] | Frame,
        k: int = 100,
        *,
        exclude_seen: bool = True,
        allow: Ids | None = None,
        deny: Ids | None = None,
    ) -> Frame:
        """Return the best items after given histories, whoever they are of.

        Args:
            histories: lists of item ids, oldest first; or a frame with `user_id` and `item_id`, oldest first.
            k: items a history; there are fewer where fewer are left.
            exclude_seen: leave out the items of the history.
            allow: ids of the only items that may be recommended.
            deny: ids of items never to recommend.

        Returns:
            As `recommend` returns, in the order in which the users first appear. For lists, `user_id` is the number
            of the list, from 0. A further column `ignored` counts the items of the history that the model lacks.

        Raises:
            InputError: an id is null, or no item is left to recommend.
        """
        owners, rows, items = _flat(histories)
        nums = self.bundle.vocabulary.item_nums(as_text(items))
        known = nums != UNKNOWN
        order = np.argsort(rows[known], kind="stable")
        indptr = offsets_of(np.bincount(rows[known], minlength=len(owners)))
        taken = nums[known][order]
        ragged = Histories(indptr, taken, None, np.ones(len(taken), dtype=np.float32), len(self.bundle.items))
        queries = Queries(np.full(len(owners), UNKNOWN, dtype=np.int32), ragged)
        matches, popular = self.rank_with_source(
            queries, k, exclude_seen=exclude_seen, allowed=self.items_mask(allow, deny)
        )
        ignored = np.bincount(rows[~known], minlength=len(owners)).astype(np.int64)
        found = self.recommendations(owners, matches, popular)
        return as_came(found.frame().with_columns(ignored=pl.Series(np.repeat(ignored, found.counts))), histories)

    def similar_items(self, item_ids: Ids, k: int = 100) -> Frame:
        """Return the items whose vectors point most nearly the same way (cosine), the item itself left out.

        Args:
            item_ids: a list or series of ids, or a frame with the column `item_id`.
            k: similar items for each.

        Returns:
            A row for each similar item: `item_id`, `similar_item_id`, `score` (Float32, cosine), `rank` (from 1).

        Raises:
            InputError: the model lacks an item; the message names the nearest id.
        """
        texts = as_text(ids_of(item_ids, "item_id"))
        nums = self.bundle.vocabulary.item_nums(texts)
        if (nums == UNKNOWN).any():
            lacking = str(texts[int(np.argmax(nums == UNKNOWN))])
            raise InputError(
                f"This model has no item {lacking!r}.{_nearest_id(lacking, self.bundle.vocabulary.item_ids)}"
            )
        themselves = Histories(np.arange(len(nums) + 1), nums, None, np.ones(len(nums), np.float32), len(self._unit))
        matches = rank_exact(self._unit[nums], self._unit, themselves, k)
        asked = self.bundle.vocabulary.items_as_written().gather(nums).alias("item_id")
        return as_came(long_frame(asked, matches, self._item_ids.alias("similar_item_id")), item_ids)

    def recommendations(self, asked: pl.Series, matches: Matches, popular: Mask) -> Recommendations:
        """Put matches (q, k) under the ids (q,) that were asked for."""
        return Recommendations(asked, self._item_ids, matches, popular)

    def vectors_finite(self, *, block: int = 65_536) -> bool:
        """Tell whether every vector of every item and user is finite."""
        if not np.isfinite(self.bundle.towers.item_vectors()).all():
            return False
        everyone = Queries(np.arange(len(self.bundle.histories), dtype=np.int32), self.bundle.histories)
        return all(
            np.isfinite(self.bundle.towers.query_vectors(everyone.slice(start, start + block))).all()
            for start in range(0, len(everyone), block)
        )

    @cached_property
    def _item_ids(self) -> pl.Series:
        return self.bundle.vocabulary.items_as_written()

    @cached_property
    def _unit(self) -> Vectors:
        towers = self.bundle.towers  # alike is not the same as popular, so nothing is added to what points somewhere
        vectors = towers.item_vectors(with_offsets=False)[:, : towers.point_dim]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        units = np.zeros_like(vectors)
        np.divide(vectors, lengths, out=units, where=lengths > 0)
        return units

    def _among(self, ids: Ids) -> Mask:
        nums = self.bundle.vocabulary.item_nums(as_text(ids_of(ids, "item_id")))
        mask = np.zeros(self.bundle.vocabulary.n_items, dtype=np.bool_)
        mask[nums[nums != UNKNOWN]] = True
        return mask


def _flat(histories: Sequence[Sequence[Any]] | Frame) -> tuple[pl.Series, npt.NDArray[np.int64], pl.Series]:
    """Return whose histories there are, the row of each interaction among them, and its item."""
    if isinstance(histories, pl.DataFrame) or is_pandas(histories):
        frame = table(histories, ("user_id", "item_id"))
        owners = frame["user_id"].unique(maintain_order=True)
        numbered = owners.to_frame().with_row_index("row")
        rows = frame.join(numbered, on="user_id", how="left", maintain_order="left")["row"]
        return owners, rows.to_numpy().astype(np.int64), frame["item_id"]
    lengths = np.array([len(history) for history in histories], dtype=np.int64)
    owners = pl.Series("user_id", np.arange(len(lengths)))
    items = ids_of([item for history in histories for item in history], "item_id")
    return owners, np.repeat(np.arange(len(lengths)), lengths), items


def _nearest_id(text: str, ids: pl.Series) -> str:
    close = ids.filter(ids.str.contains(text[:3], literal=True)).head(10_000).to_list()
    return nearest(text, close) if close else " Give the id of an item the model was trained on."
