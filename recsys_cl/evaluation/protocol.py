"""The examination: who is asked, what would have been right, and how a recommender is marked.

Every test user is asked over the whole catalogue, without sampling; what a user has already seen is neither
recommended nor counted as right. An item that was never in the training part cannot be recommended, and counts as
a miss: `Examination.recall_ceiling` tells how much recall that leaves to win.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
from torch import Tensor

from recsys_cl.config import EvaluateConfig
from recsys_cl.evaluation import catalogue, metrics
from recsys_cl.evaluation.bootstrap import intervals
from recsys_cl.evaluation.recommender import Recommender
from recsys_cl.evaluation.slices import POPULARITY_PARTS, Group, Slice, history_slices, popularity_slices
from recsys_cl.pairs.histories import Histories, Queries, ragged
from recsys_cl.pairs.vocabulary import Vocabulary
from recsys_cl.progress import SILENT, Reporter
from recsys_cl.retrieval.exact import rank_exact

Metric = Callable[[npt.NDArray[np.bool_], npt.NDArray[np.int64], int], npt.NDArray[np.float64]]

_BLOCK_USERS = 4096  # users ranked and marked at a time


@dataclass(frozen=True)
class Examination:
    """Test users in the order of their ids, and what would be right to recommend to each.

    Attributes:
        user_ids: (q,) String.
        queries: who asks, with what each had seen before.
        relevant: q rows of items of the catalogue, each row sorted and without repeats, none of them seen before.
        unknown: (q,) int64, relevant items that the catalogue lacks.
        repeats: test interactions with an item the user had already seen, which do not count.
        popularity: (n_items,) int64, interactions with each item in what was seen before the test.
    """

    user_ids: pl.Series
    queries: Queries
    relevant: Histories
    unknown: npt.NDArray[np.int64]
    repeats: int
    popularity: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return self.relevant.n_items

    @cached_property
    def n_relevant(self) -> npt.NDArray[np.int64]:
        """Relevant items of each user, in the catalogue or not, (q,) int64."""
        return self.relevant.lengths + self.unknown

    @cached_property
    def warm(self) -> npt.NDArray[np.bool_]:
        """Whether the vocabulary knows the user, (q,) bool."""
        return self.queries.user_nums >= 0

    @cached_property
    def headline(self) -> npt.NDArray[np.bool_]:
        """Whether the user counts in the headline figures, (q,) bool: warm, with something relevant."""
        return self.warm & (self.n_relevant > 0)

    @cached_property
    def asked(self) -> Examination:
        """The same examination of the headline users alone."""
        return self if self.headline.all() else self.take(np.flatnonzero(self.headline))

    @property
    def recall_ceiling(self) -> float:
        """The highest recall, at any k, that the catalogue allows: the headline users' mean share of known items."""
        asked = self.asked
        return float((asked.relevant.lengths / asked.n_relevant).mean()) if len(asked) else 0.0

    def take(self, rows: npt.NDArray[np.integer]) -> Examination:
        """Return the examination of some of the users."""
        return Examination(
            self.user_ids.gather(rows),
            Queries(self.queries.user_nums[rows], self.queries.histories.take(rows)),
            self.relevant.take(rows),
            self.unknown[rows],
            self.repeats,
            self.popularity,
        )

    def hits(self, item_nums: npt.NDArray[np.int32], start: int = 0) -> npt.NDArray[np.bool_]:
        """Tell which recommendations (rows, k) to the users from ``start`` on are relevant, (rows, k) bool."""
        rows, items = self.relevant.cells(start, start + len(item_nums))
        right = rows * self.n_items + items  # sorted, as rows and the items in each are
        given = np.arange(len(item_nums))[:, None] * self.n_items + item_nums
        if len(right) == 0:
            return np.zeros(item_nums.shape, dtype=bool)
        place = np.minimum(np.searchsorted(right, given), len(right) - 1)
        return np.asarray((right[place] == given) & (item_nums >= 0))


@dataclass(frozen=True)
class Evaluation:
    """One recommender's marks.

    Attributes:
        name: the recommender.
        per_user: a row for each test user: `user_id`, `warm`, `history_length`, `n_relevant` (all), `n_unknown`
            (those the catalogue lacks), each metric such as `recall_at_20`, and the recall of popular and rare items
            apart, such as `recall_of_tail_at_20`, null where a user has no such item to find.
        metrics: means over the headline users, and figures of the catalogue such as `coverage_at_20`.
        intervals: ends of the confidence interval of each mean.
        cold: users the vocabulary lacks, `with_history` and `without_history`, marked apart.
        slices: headline users by length of history, and their recall by popularity of the item.
        seconds: wall time of ranking and marking.
    """

    name: str
    per_user: pl.DataFrame
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    cold: dict[str, Group]
    slices: tuple[Slice, ...]
    seconds: float


def examine(seen: pl.DataFrame, test: pl.DataFrame, vocabulary: Vocabulary) -> Examination:
    """Set the examination.

    Args:
        seen: all that precedes the test, `interactions.schema.COLUMNS`.
        test: what happened then, the same columns.
        vocabulary: users and items that the recommenders know.
    """
    users = test["user_id"].unique().sort()
    table = pl.DataFrame({"user_id": users, "row": np.arange(len(users))})
    before = seen.join(table, on="user_id", how="inner", maintain_order="left")
    queries = Queries(vocabulary.user_nums(users), ragged(before, before["row"].to_numpy(), vocabulary, len(users)))
    wanted = test.select("user_id", "item_id").join(table, on="user_id", maintain_order="left")
    new = wanted.join(before.select("user_id", "item_id"), on=["user_id", "item_id"], how="anti")
    repeats = wanted.height - new.height
    new = new.unique().sort("row", "item_id")
    rows, items = new["row"].to_numpy(), vocabulary.item_nums(new["item_id"])
    popularity = np.bincount(
        (nums := vocabulary.item_nums(seen["item_id"]))[nums >= 0], minlength=vocabulary.n_items
    ).astype(np.int64)
    return Examination(
        users,
        queries,
        _sorted_rows(rows[items >= 0], items[items >= 0], len(users), vocabulary.n_items),
        np.bincount(rows[items < 0], minlength=len(users)).astype(np.int64),
        repeats,
        popularity,
    )


def evaluate(
    recommender: Recommender,
    examination: Examination,
    config: EvaluateConfig,
    *,
    seed: int = 0,
    reporter: Reporter = SILENT,
) -> Evaluation:
    """Rank the whole catalogue for every test user and mark the rankings.

    Users are ranked in blocks, so memory is bounded by the block and by a row of marks for each user.

    Args:
        recommender: what is examined.
        examination: the users and the right answers.
        config: list lengths, bootstrap resamples and confidence.
        seed: of the bootstrap; equal seeds draw equal users, whatever is examined.
        reporter: shows the progress.
    """
    started = time.perf_counter()
    ks = sorted(set(config.ks))
    parts = catalogue.thirds(examination.popularity)
    recommended = {k: np.zeros(examination.n_items, dtype=np.int64) for k in ks}
    frames = []
    with reporter.bar(recommender.name, len(examination)) as advance:
        for start in range(0, len(examination), _BLOCK_USERS):
            block = examination.take(np.arange(start, min(start + _BLOCK_USERS, len(examination))))
            ranked = recommender.rank(block.queries, ks[-1], exclude_seen=True).item_nums
            frames.append(_mark(block, ranked, parts, ks, capped=config.capped_recall))
            _count(recommended, ranked[block.headline])
            advance(len(block), "")
    per_user = pl.concat(frames) if frames else _mark(examination, np.zeros((0, ks[-1]), np.int32), parts, ks)
    means, ends = _headline(per_user, config, seed)
    return Evaluation(
        recommender.name,
        per_user,
        means | _catalogue_figures(recommended, examination),
        ends,
        _cold_groups(per_user),
        (*history_slices(per_user), *popularity_slices(per_user, ks)),
        time.perf_counter() - started,
    )


def mean_of_vectors(
    query_vectors: Tensor | npt.NDArray[np.float32],
    item_vectors: Tensor | npt.NDArray[np.float32],
    examination: Examination,
    k: int,
    metric: Metric = metrics.recall_at_k,
) -> float:
    """Return the headline mean of a metric for vectors alone, quickly enough to be asked for after every epoch.

    Args:
        query_vectors: (q, d) float32, a row for each user of the examination.
        item_vectors: (n_items, d) float32.
        examination: the users and the right answers.
        k: length of the lists.
        metric: of `metrics`, given hits, relevant items and k.
    """
    asked = examination.asked
    if len(asked) == 0:
        return 0.0
    if asked is not examination:
        query_vectors = query_vectors[np.flatnonzero(examination.headline)]
    ranked = rank_exact(query_vectors, item_vectors, asked.queries.histories, k)
    return float(metric(asked.hits(ranked.item_nums), asked.n_relevant, k).mean())


def _sorted_rows(rows: npt.NDArray[np.int64], items: npt.NDArray[np.int32], n_rows: int, n_items: int) -> Histories:
    order = np.lexsort((items, rows))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows), dtype=np.int64)])
    return Histories(indptr, items[order], None, np.ones(len(items), dtype=np.float32), n_items)


def _mark(
    block: Examination,
    ranked: npt.NDArray[np.int32],
    parts: npt.NDArray[np.int8],
    ks: list[int],
    *,
    capped: bool = False,
) -> pl.DataFrame:
    hits = block.hits(ranked)
    marks = metrics.per_query(hits, block.n_relevant, ks, capped=capped)
    return pl.DataFrame(
        {
            "user_id": block.user_ids,
            "warm": block.warm,
            "history_length": block.queries.histories.lengths,
            "n_relevant": block.n_relevant,
            "n_unknown": block.unknown,
            **marks,
            **_recall_by_part(block, ranked, hits, parts, ks),
        }
    )


def _recall_by_part(
    block: Examination,
    ranked: npt.NDArray[np.int32],
    hits: npt.NDArray[np.bool_],
    parts: npt.NDArray[np.int8],
    ks: list[int],
) -> dict[str, pl.Series]:
    rows, items = block.relevant.cells(0, len(block))
    columns = {}
    for number, part in enumerate(POPULARITY_PARTS):
        wanted = np.bincount(rows[parts[items] == number], minlength=len(block))
        found = hits & (parts[ranked] == number) if len(parts) else hits
        for k in ks:
            recall = metrics.recall_at_k(found, wanted, k)
            columns[f"recall_of_{part}_at_{k}"] = pl.Series(np.where(wanted > 0, recall, np.nan)).fill_nan(None)
    return columns


def _count(recommended: dict[int, npt.NDArray[np.int64]], ranked: npt.NDArray[np.int32]) -> None:
    for k, counts in recommended.items():
        given = ranked[:, :k]
        np.add(counts, np.bincount(given[given >= 0], minlength=len(counts)), out=counts)


def _headline(
    per_user: pl.DataFrame, config: EvaluateConfig, seed: int
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    names = [name for name in per_user.columns if "_at_" in name and not name.startswith("recall_of_")]
    asked = per_user.filter(pl.col("warm") & (pl.col("n_relevant") > 0)).select(names)
    if asked.height == 0:
        return dict.fromkeys(names, 0.0), {}
    values = asked.to_numpy()
    low, high = intervals(values, samples=config.bootstrap_samples, confidence=config.confidence, seed=seed)
    means = dict(zip(names, values.mean(axis=0).tolist(), strict=True))
    return means, dict(zip(names, zip(low.tolist(), high.tolist(), strict=True), strict=True))


def _catalogue_figures(recommended: dict[int, npt.NDArray[np.int64]], examination: Examination) -> dict[str, float]:
    popularity, histories = examination.popularity, examination.asked.queries.histories
    figures = {}
    for k, counts in recommended.items():
        figures[f"coverage_at_{k}"] = catalogue.coverage(counts)
        figures[f"gini_at_{k}"] = catalogue.gini(counts)
        figures[f"popularity_at_{k}"] = catalogue.average_popularity(counts, popularity)
        figures[f"popularity_lift_at_{k}"] = catalogue.popularity_lift(counts, popularity, histories)
        figures[f"novelty_at_{k}"] = catalogue.novelty(counts, popularity)
    return figures


def _cold_groups(per_user: pl.DataFrame) -> dict[str, Group]:
    cold = per_user.filter(~pl.col("warm") & (pl.col("n_relevant") > 0))
    return {
        "with_history": Group.of(cold.filter(pl.col("history_length") > 0)),
        "without_history": Group.of(cold.filter(pl.col("history_length") == 0)),
    }
