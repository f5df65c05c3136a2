"""Which index: the quickest that finds nearly all that exact search finds, measured with real user vectors."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from recsys_cl.config import IndexConfig
from recsys_cl.errors import RecsysError
from recsys_cl.families import member, members
from recsys_cl.progress import SILENT, Reporter
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
    """

    kind: str
    parameters: dict[str, int]
    recall: float
    ms_per_query: float


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
    """Build the quickest index that reaches ``config.index_recall``.

    Below ``config.exact_below`` items search is exact and nothing else is tried. Above it every kind, or the one
    named, is built and its search parameters are raised until the recall is reached. Where none reaches it search
    is exact, and the note says so.

    Args:
        item_vectors: (n_items, d) float32, in the order of item numbers.
        user_vectors: (users, d) float32 of real users; ``config.tuning_queries`` of them are drawn.
        config: kind, recall, sizes.
        k: length of the lists on which recall is measured.
        seed: of the draw of users.
        reporter: shows the progress.

    Raises:
        ConfigError: there is no such kind.
        RecsysError: a vector is not finite, or there is no user to measure with.
    """
    queries = _drawn(user_vectors, config.tuning_queries, seed)
    k = min(k, len(item_vectors))
    search = Search(FaissIndex.build(EXACT, item_vectors), item_vectors)
    truth, ms = _timed(lambda: search(queries, k).item_nums)
    chosen, best = search.index, Trial(EXACT, {}, 1.0, ms)
    trials = [best]
    limit = ms if config.index_kind == "auto" else np.inf  # a kind that was named need not be quicker than exact
    kinds = _kinds(config, len(item_vectors))
    with reporter.bar("index", len(kinds)) as advance:
        for kind in kinds:
            index, measured = _tuned(FaissIndex.build(kind, item_vectors), queries, truth, config.index_recall)
            trials += measured
            if index is not None and measured[-1].ms_per_query < limit:
                chosen, best, limit = index, measured[-1], measured[-1].ms_per_query
            advance(1, kind)
    report = IndexReport(
        **asdict(best),
        target=config.index_recall,
        k=k,
        queries=len(queries),
        n_items=len(chosen),
        bytes=chosen.n_bytes,
        tried=tuple(trials),
        note=_why(best, trials, config),
    )
    return Search(chosen, item_vectors), report


def _kinds(config: IndexConfig, n_items: int) -> list[str]:
    if config.index_kind == "auto":
        return [kind for kind in members(KINDS) if kind != EXACT] if n_items >= config.exact_below else []
    member(KINDS, config.index_kind)
    return [] if config.index_kind == EXACT else [config.index_kind]


def _drawn(user_vectors: Vectors, count: int, seed: int) -> Vectors:
    if len(user_vectors) == 0:
        raise RecsysError("An index is measured with real user vectors, and there is no user.")
    if len(user_vectors) > count:
        user_vectors = user_vectors[np.sort(np.random.default_rng(seed).choice(len(user_vectors), count, False))]
    if not np.isfinite(user_vectors).all():
        raise RecsysError("A user vector is not finite. Train again with a lower learning rate.")
    return user_vectors


def _tuned(
    index: FaissIndex, queries: Vectors, truth: npt.NDArray[np.int32], target: float
) -> tuple[FaissIndex | None, list[Trial]]:
    """Raise the search parameters until the recall is reached; None if it never is."""
    trials: list[Trial] = []
    for parameters in member(KINDS, index.kind).SEARCHES:
        index = index.set_to(parameters)
        found, ms = _timed(lambda: index.nearest(queries, truth.shape[1])[0])  # noqa: B023 - called at once
        trials.append(Trial(index.kind, parameters, _recall(found, truth), ms))
        if trials[-1].recall >= target:
            return index, trials
    return None, trials


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


def _why(best: Trial, trials: list[Trial], config: IndexConfig) -> str:
    if config.index_kind == EXACT:
        return "Exact search was asked for."
    if len(trials) == 1:
        return f"The catalogue has fewer than {config.exact_below:,} items."
    if best.kind != EXACT:
        return f"The quickest of {len(trials)} settings measured that finds {config.index_recall:.1%} of exact search."
    if any(trial.kind != EXACT and trial.recall >= config.index_recall for trial in trials):
        return "Exact search was quicker than every approximate index that finds enough."
    closest = max((trial for trial in trials if trial.kind != EXACT), key=lambda trial: trial.recall)
    return (
        f"No approximate index found {config.index_recall:.1%} of exact search (the closest, {closest.kind}, found "
        f"{closest.recall:.1%}), so search is exact."
    )
