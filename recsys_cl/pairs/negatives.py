"""Which candidates a batch shares as negatives, how likely each was to be among them, and which are none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.ragged import positions, row_numbers


def log_expected_counts(
    log_q: npt.NDArray[np.float32], batch_size: int, uniform_negatives: int, n_items: int
) -> npt.NDArray[np.float32]:
    """Return the log of how often each item is expected among a batch's negatives, same shape as ``log_q``.

    In-batch negatives follow ``q``; mixed negatives (Yang et al. 2020) add items drawn uniformly. A column that
    both could have given has one sampling distribution, the mixture, whichever of the two it came from.

    Args:
        log_q: log of each item's share of the pairs; -inf allowed.
        batch_size: pairs in the batch.
        uniform_negatives: uniformly drawn items in the batch.
        n_items: size of the catalogue they are drawn from.
    """
    expected = batch_size * np.exp(log_q.astype(np.float64)) + uniform_negatives / n_items
    return np.log(expected).astype(np.float32)


def known_entries(
    histories: Histories,
    users: npt.NDArray[np.int32],
    candidates: npt.NDArray[np.int32],
    scratch: npt.NDArray[np.int32],
) -> npt.NDArray[np.int64]:
    """Return which entries of the (b, n) score matrix join a user and an item the user is known to have taken.

    They are no negatives. The positive of row r, which stands in column r, is not among them; the same item in
    another column (an accidental hit) is.

    Args:
        histories: every user's whole history.
        users: (b,) the user of each row.
        candidates: (n,) item of each column, the positives of the rows first.
        scratch: (n_items,) all -1, used and left all -1.

    Returns:
        (m,) positions ``row * n + column``, rising in row; a position can be given twice where a history repeats.
    """
    order = np.argsort(candidates, kind="stable")
    items, first, counts = np.unique(candidates[order], return_index=True, return_counts=True)
    lengths = histories.lengths[users]
    seen = histories.item_nums[positions(histories.indptr[users], lengths)]
    scratch[items] = np.arange(len(items), dtype=np.int32)
    slots = scratch[seen]
    scratch[items] = -1
    hits = np.flatnonzero(slots >= 0)
    slots = slots[hits]
    rows = np.repeat(row_numbers(lengths)[hits], counts[slots])
    columns = order[positions(first[slots], counts[slots])]
    entries: npt.NDArray[np.int64] = (rows * len(candidates) + columns)[columns != rows]
    return entries
