"""The check the other way round: let the peers' own evaluators mark a contender's lists; started by `benchmarks.peers`.

Answers are rows of ``(row of the list, item)``; relevant items that the catalogue lacks have numbers above all others.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp
from implicit.evaluation import ranking_metrics_at_k
from rectools.metrics import NDCG, Recall

from benchmarks.peers.exchange import Lists

Rows = npt.NDArray[np.int64]


class _Given:
    """Recommends what is in the lists already."""

    def __init__(self, lists: Lists) -> None:
        self._lists = lists

    def recommend(self, rows: Rows, _: Any, N: int) -> tuple[Lists, npt.NDArray[np.float32]]:  # noqa: ANN401, N803
        """Answer as a model of `implicit` does."""
        lists = self._lists[np.asarray(rows), :N]
        return lists, np.zeros(lists.shape, dtype=np.float32)


def by_rectools(lists: Lists, rows: Rows, items: Rows, k: int) -> dict[str, float]:
    """Return recall and NDCG at k as RecTools reckons them."""
    users, places = np.nonzero(lists >= 0)
    given = pd.DataFrame({"user_id": users, "item_id": lists[users, places], "rank": places + 1})
    answers = pd.DataFrame({"user_id": rows, "item_id": items})
    return {
        f"recall_at_{k}": float(Recall(k=k).calc(given, answers)),
        f"ndcg_at_{k}": float(NDCG(k=k, divide_by_achievable=True).calc(given, answers)),
    }


def by_implicit(lists: Lists, rows: Rows, items: Rows, k: int) -> dict[str, float]:
    """Return NDCG at k as `implicit` reckons it; its precision is another thing than recall."""
    shape = len(lists), int(items.max()) + 1
    answers = sp.csr_matrix((np.ones(len(rows)), (rows, items)), shape=shape)
    marks = ranking_metrics_at_k(_Given(lists), sp.csr_matrix(shape), answers, K=k, show_progress=False, num_threads=1)
    return {f"ndcg_at_{k}": float(marks["ndcg"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--k", type=int, required=True)
    asked = parser.parse_args()
    lists = np.load(asked.lists, allow_pickle=False)
    with np.load(asked.answers, allow_pickle=False) as answers:
        given = lists, answers["rows"], answers["items"], asked.k
    print(json.dumps({"rectools": by_rectools(*given), "implicit": by_implicit(*given)}))


if __name__ == "__main__":
    main()
