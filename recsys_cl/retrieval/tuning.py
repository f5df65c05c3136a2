"""Which index: the quickest that finds nearly all that exact search finds, measured with real user vectors.

Bytes an item are those of the index's file, everything in it counted, and so of the index in memory. A process that
recommends holds the towers too, whose table of items (4 bytes a coordinate) encodes the histories of queries; no
index kind needs any other copy of the vectors.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from recsys_cl.config import IndexConfig
from recsys_cl.errors import ConfigError, RecsysError
from recsys_cl.families import member, members
from recsys_cl.progress import SILENT, Reporter
from recsys_cl.retrieval.exact import rank_exact
from recsys_cl.retrieval.faiss_index import KINDS, FaissIndex, Vectors
from recsys_cl.retrieval.search import Search

EXACT = "exact"


@dataclass(frozen=True)
class Trial:
    """One kind with one choice of parameters, as measured.

    Attributes:
        kind: member of `index_kinds`.
        parameters: search parameters by FAISS's names.
        recall: share of the items of exact search that were found.
        ms_per_query: milliseconds a query in one batch, on as many threads as the process may use.
        bytes_per_item: size of the index on disk over the number of items.
    """

    kind: str
    parameters: dict[str, int]
    recall: float
    ms_per_query: float
    bytes_per_item: float


@dataclass(frozen=True)
class IndexReport:
    """The index chosen, and how that came about.

    Attributes:
        kind: member of `index_kinds`.
        parameters: search parameters by FAISS's names.
        recall: share of the items of exact search that were found; 1 for exact search by definition.
        target: the share asked for.
        k: length of the lists compared.
        queries: user vectors it was measured with.
        ms_per_query: milliseconds a query in one batch.
        n_items: vectors in the index.
        bytes: size on disk.
        tried: everything measured, in order.
        note: why this one, in a sentence.
    """

    kind: str
    parameters: dict[str, int]
    recall: float
    target: float
    k: int
    queries: int
    ms_per_query: float
    n_items: int
    bytes: int
    tried: tuple[Trial, ...]
    note: str

    def describe(self) -> dict[str, Any]:
        """Return the report JSON-ready, with ``bytes_per_item``."""
        return asdict(self) | {"bytes_per_item": self.bytes / self.n_items}

    @classmethod
    def of(cls, described: dict[str, Any]) -> Self:
        """Return the report that was described."""
        facts = {name: described[name] for name in cls.__dataclass_fields__}
        return cls(**facts | {"tried": tuple(Trial(**trial) for trial in described["tried"])})


def build_index(
    item_vectors: Vectors,
    user_vectors: Vectors,
    config: IndexConfig,
    *,
    k: int,
    seed: int,
    reporter: Reporter = SILENT,
) -> tuple[Search, IndexReport]:
    """Build the quickest index that reaches ``config.index_recall`` within ``config.index_max_bytes_per_item``.

    Below ``config.exact_below`` items search is exact and nothing else is tried, if that is within the bound. Else
    every kind, or the one named, is built and its search parameters are raised until the recall is reached. Where no
    kind reaches it search is exact; where exact search is out of bounds it is the kind of the highest recall. The
    note says so.

    Args:
        item_vectors: (n_items, d) float32, in the order of item numbers.
        user_vectors: (users, d) float32 of real users; ``config.tuning_queries`` of them are drawn.
        config: kind, recall, sizes.
        k: length of the lists on which recall is measured.
        seed: of the draw of users.
        reporter: shows the progress.

    Raises:
        ConfigError: there is no such kind, or none is within the bound.
        RecsysError: a vector is not finite, or there is no user to measure with.
    """
    queries = _drawn(user_vectors, config.tuning_queries, seed)
    k = min(k, len(item_vectors))
    index = FaissIndex.build(EXACT, item_vectors)
    truth, ms = _timed(lambda: rank_exact(queries, index.vectors, None, k).item_nums)
    trials = [Trial(EXACT, {}, 1.0, ms, index.n_bytes / len(item_vectors))]
    chosen = _best([(index, trials[0])], config)
    kinds = _kinds(config, len(item_vectors), exact_fits=bool(chosen))
    with reporter.bar("index", len(kinds)) as advance:
        for kind in kinds:
            tuned = _tuned(FaissIndex.build(kind, item_vectors), queries, truth, config.index_recall)
            trials += [trial for _, trial in tuned]
            chosen = _best(chosen + tuned, config)
            advance(1, kind)
    if not chosen:
        raise _out_of_bounds(trials, config)
    index, best = chosen[0]
    measured = {name: value for name, value in asdict(best).items() if name != "bytes_per_item"}
    report = IndexReport(
        **measured,
        target=config.index_recall,
        k=k,
        queries=len(queries),
        n_items=len(index),
        bytes=index.n_bytes,
        tried=tuple(trials),
        note=_why(best, trials, config),
    )
    return Search(index), report


def _drawn(user_vectors: Vectors, count: int, seed: int) -> Vectors:
    if len(user_vectors) == 0:
        raise RecsysError("An index is measured with real user vectors, and there is no user.")
    if len(user_vectors) > count:
        user_vectors = user_vectors[np.sort(np.random.default_rng(seed).choice(len(user_vectors), count, False))]
    if not np.isfinite(user_vectors).all():
        raise RecsysError("A user vector is not finite. Train again with a lower learning rate.")
    return user_vectors


def _kinds(config: IndexConfig, n_items: int, *, exact_fits: bool) -> list[str]:
    if config.index_kind == "auto":
        few = n_items < config.exact_below and exact_fits
        return [] if few else [kind for kind in members(KINDS) if kind != EXACT]
    member(KINDS, config.index_kind)
    return [] if config.index_kind == EXACT else [config.index_kind]


def _tuned(
    index: FaissIndex, queries: Vectors, truth: npt.NDArray[np.int32], target: float
) -> list[tuple[FaissIndex, Trial]]:
    """Raise the search parameters until the recall is reached, or there are no more."""
    tried: list[tuple[FaissIndex, Trial]] = []
    for parameters in member(KINDS, index.kind).SEARCHES:
        index = index.set_to(parameters)
        found, ms = _timed(lambda: index.nearest(queries, truth.shape[1])[0])  # noqa: B023 - called at once
        recall = _recall(found, truth)
        tried.append((index, Trial(index.kind, parameters, recall, ms, index.n_bytes / len(index))))
        if recall >= target:
            break
    return tried


def _best(offers: list[tuple[FaissIndex, Trial]], config: IndexConfig) -> list[tuple[FaissIndex, Trial]]:
    """Return the best of what is within the bound: the quickest that finds enough, else what finds the most."""

    def worth(offer: tuple[FaissIndex, Trial]) -> tuple[bool, float]:
        trial = offer[1]
        if trial.kind == EXACT and config.index_kind != "auto":
            return True, -np.inf  # a kind that was named need not be quicker
        enough = trial.recall >= config.index_recall
        return enough, -trial.ms_per_query if enough else trial.recall

    return sorted((offer for offer in offers if _fits(offer[1], config)), key=worth)[-1:]


def _fits(trial: Trial, config: IndexConfig) -> bool:
    bound = config.index_max_bytes_per_item
    return bound is None or round(trial.bytes_per_item) <= bound


def _timed(search: Callable[[], npt.NDArray[Any]]) -> tuple[npt.NDArray[Any], float]:
    """Return what the search gives and its milliseconds a query, the better of two runs."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        found = search()
        seconds.append(time.perf_counter() - start)
    return found, 1000 * min(seconds) / len(found)


def _recall(found: npt.NDArray[np.int64], truth: npt.NDArray[np.int32]) -> float:
    rows = np.arange(len(truth))[:, None] * (max(int(truth.max()), int(found.max())) + 1)
    hits = np.isin((rows + truth).ravel(), np.where(found >= 0, rows + found, -1).ravel())
    return float(hits.mean())


def _out_of_bounds(trials: list[Trial], config: IndexConfig) -> ConfigError:
    smallest = min(trials, key=lambda trial: trial.bytes_per_item)
    return ConfigError(
        f"No index that was tried keeps an item in {config.index_max_bytes_per_item:,} bytes; the smallest, "
        f"{smallest.kind}, takes {smallest.bytes_per_item:,.0f}. Raise --index-max-bytes-per-item."
    )


def _why(best: Trial, trials: list[Trial], config: IndexConfig) -> str:
    bound = config.index_max_bytes_per_item
    within = "" if bound is None else f" within {bound:,} bytes an item"
    if config.index_kind == EXACT:
        return "Exact search was asked for."
    if len(trials) == 1:
        return f"The catalogue has fewer than {config.exact_below:,} items."
    others = [trial for trial in trials if trial.kind != EXACT and _fits(trial, config)]
    if best.recall < config.index_recall:
        return (
            f"No index{within} found {config.index_recall:.1%} of exact search; this one found the most, "
            f"{best.recall:.1%}. The gate asks for --index-recall: lower it, or allow more bytes."
        )
    if best.kind != EXACT:
        return (
            f"The quickest of {len(trials)} settings measured that finds {config.index_recall:.1%} of exact search"
            f"{within}."
        )
    if any(trial.recall >= config.index_recall for trial in others):
        return "Exact search was quicker than every approximate index that finds enough."
    closest = max(others, key=lambda trial: trial.recall, default=best)
    return (
        f"No approximate index{within} found {config.index_recall:.1%} of exact search (the closest, {closest.kind}, "
        f"found {closest.recall:.1%}), so search is exact."
    )
