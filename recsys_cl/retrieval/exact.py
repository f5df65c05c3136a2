"""Exact ranking: score everything, leave out what was seen, keep the best k. The yardstick of every approximate index.

Vectors, baselines and validation users are all ranked here, so a tie is settled alike everywhere: the lower item
number first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_cl.errors import RecsysError
from recsys_cl.pairs.histories import Histories
from recsys_cl.retrieval.faiss_index import Vectors, nearest_vectors
from recsys_cl.retrieval.matches import Matches
from recsys_cl.retrieval.unseen import WIDEST, fill_unseen

_BLOCK_SCORES = 1 << 23  # scores held at a time: 32 MiB of float32
_MANY_QUERIES, _MANY_ITEMS = 1024, 8192  # from so many on FAISS is quicker than blocks
_GROUP = 8  # scores of which only the highest is looked at first

ScoreBlock = Callable[[int, int], Tensor]
"""Gives the scores (stop - start, n_items) float32 of queries ``start`` to ``stop``; they may be overwritten."""


def top_k(scores: Tensor, k: int, *, above: float = -np.inf) -> Matches:
    """Return the ``k`` highest of each row of ``scores`` (rows, n_items) float32, on any device.

    Only scores ``above`` the given one count, so -inf always means "not this one". Rows with fewer than ``k`` are
    padded with -1. Among equal scores the lower item number comes first, also where a tie straddles the k-th place.

    Raises:
        RecsysError: a row's best score is NaN or +inf.
    """
    rows, n_items = scores.shape
    width = min(k, n_items)
    if rows == 0 or width == 0:
        return Matches.none(rows, k)
    # One more than asked for: when the extra score equals the k-th, the tie runs over the edge.
    values, items = highest(scores, min(width + 1, n_items))
    _refuse_unordered(values[:, 0])
    tied = (values[:, 1:] == values[:, :-1]) & (values[:, 1:] > above)
    inner, edge = tied[:, : width - 1].any(dim=1), tied[:, width - 1 :].any(dim=1)
    values, items = values[:, :width].contiguous(), items[:, :width].contiguous()
    for found in torch.split(torch.nonzero(inner & ~edge).flatten(), max(1, _BLOCK_SCORES // width)):
        values[found], items[found] = _ordered(values[found], items[found])
    for found in torch.split(torch.nonzero(edge).flatten(), max(1, _BLOCK_SCORES // (4 * n_items))):
        values[found], items[found] = _ordered(*_lowest_of_the_tied(scores[found], values[found, -1:], width))
    return _padded(values, items, k, above)


def rank_blocks(
    score_block: ScoreBlock,
    n_rows: int,
    n_items: int,
    k: int,
    *,
    seen: Histories | None = None,
    above: float = -np.inf,
    block_rows: int | None = None,
) -> Matches:
    """Rank ``n_items`` for ``n_rows`` queries, a block of rows at a time so that memory stays bounded.

    Args:
        score_block: gives the scores of a range of queries.
        n_rows: number of queries.
        n_items: size of the catalogue.
        k: items wanted a query.
        seen: n_rows rows of items never to return; None excludes nothing.
        above: items that do not score more than this are not returned.
        block_rows: queries scored at a time; by default as many as fill 32 MiB.

    Returns:
        Matches (n_rows, k).
    """
    parts = []
    for start, stop in _blocks(n_rows, block_rows or max(1, _BLOCK_SCORES // max(n_items, 1))):
        scores = score_block(start, stop)
        if seen is not None:
            mask_seen(scores, seen, start, stop)
        parts.append(top_k(scores, k, above=above))
    if not parts:
        return Matches.none(0, k)
    return Matches(np.concatenate([p.item_nums for p in parts]), np.concatenate([p.scores for p in parts]))


def rank_exact(
    query_vectors: Tensor | npt.NDArray[np.float32],
    item_vectors: Tensor | npt.NDArray[np.float32],
    seen: Histories | None,
    k: int,
) -> Matches:
    """Rank all items by inner product with each query.

    Args:
        query_vectors: (q, d) float32.
        item_vectors: (n_items, d) float32, on the same device.
        seen: q rows of items never to return; None excludes nothing.
        k: items wanted a query.

    Returns:
        Matches (q, k) with the inner products as scores.

    Raises:
        RecsysError: a query's best score is NaN or +inf.
    """
    queries, items = _tensor(query_vectors), _tensor(item_vectors)
    if queries.is_cuda or not _worth_a_search(queries, items):
        return rank_products(queries, items, seen, k)
    return _search(queries, items, seen, k)


def rank_products(
    queries: Tensor, items: Tensor, seen: Histories | None, k: int, *, block_rows: int | None = None
) -> Matches:
    """Do as `rank_exact` does, by blocks of whole rows of scores."""
    with torch.inference_mode():
        return rank_blocks(
            lambda start, stop: products(queries[start:stop], items),
            len(queries),
            len(items),
            k,
            seen=seen,
            block_rows=block_rows,
        )


def rank_same(scores: npt.NDArray[np.floating], n_rows: int, k: int, *, seen: Histories | None = None) -> Matches:
    """Rank items that score alike for every query, such as popularity, without a matrix of scores.

    Args:
        scores: (n_items,) float; -inf for items never to return.
        n_rows: number of queries.
        k: items wanted a query.
        seen: n_rows rows of items never to return; None excludes nothing.

    Returns:
        Matches (n_rows, k).
    """
    order = np.lexsort((np.arange(len(scores)), -scores))
    order = order[: np.count_nonzero(scores > -np.inf)]
    if seen is None:
        one = _first_unseen(order, scores, np.zeros((1, min(k, len(order))), dtype=bool), k)
        return Matches(np.repeat(one.item_nums, n_rows, axis=0), np.repeat(one.scores, n_rows, axis=0))
    place = np.full(len(scores), len(scores))
    place[order] = np.arange(len(order))
    longest = int(seen.lengths.max(initial=0))
    reach = min(len(order), k + longest)  # nobody needs to look further down the list
    parts = [Matches.none(0, k)]
    for start, stop in _blocks(n_rows, max(1, _BLOCK_SCORES // max(reach, 1))):
        taken = np.zeros((stop - start, reach + 1), dtype=bool)
        rows, items = seen.cells(start, stop)
        taken[rows, np.minimum(place[items], reach)] = True
        parts.append(_first_unseen(order, scores, taken[:, :reach], k))
    return Matches(np.concatenate([p.item_nums for p in parts]), np.concatenate([p.scores for p in parts]))


def products(queries: Tensor, items: Tensor) -> Tensor:
    """Return the inner products (q, n_items) of vectors (q, d) and (n_items, d)."""
    # numpy multiplies with OpenBLAS: half the time of torch's MKL on AMD processors.
    if queries.device.type == "cpu" and queries.dtype == torch.float32:
        with np.errstate(over="ignore", invalid="ignore"):  # `top_k` refuses what comes of it
            return torch.from_numpy(queries.numpy() @ items.numpy().T)
    return queries @ items.T


def highest(scores: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Do as `torch.topk` does, in half the time, on each row of ``scores``.

    Find the groups of the highest scores, then look into those alone: the group of each of the ``width`` highest has
    one of the ``width`` highest peaks, unless it ties with the last.
    """
    span = scores.shape[1] // _GROUP
    if span < 4 * width:
        return torch.topk(scores, width, dim=1)
    grouped = span * _GROUP  # items n, n + span, n + 2 * span ... make a group
    _, groups = highest(scores[:, :grouped].view(-1, _GROUP, span).amax(dim=1), width)
    members = groups[:, :, None] + span * torch.arange(_GROUP, device=scores.device)  # (rows, width, _GROUP)
    rest = torch.arange(grouped, scores.shape[1], device=scores.device).expand(len(scores), -1)
    items = torch.cat([members.flatten(1), rest], dim=1)
    values, places = torch.topk(scores.gather(1, items), width, dim=1)
    return values, items.gather(1, places)


def mask_seen(scores: Tensor, seen: Histories, start: int, stop: int) -> None:
    """Set to -inf, in place, in ``scores`` (stop - start, n_items) what rows ``start`` to ``stop`` of ``seen`` hold."""
    rows, items = seen.cells(start, stop)
    cells = torch.from_numpy(rows * scores.shape[1] + items).to(scores.device)
    scores.view(-1).index_fill_(0, cells, -torch.inf)


def _tensor(vectors: Tensor | npt.NDArray[np.float32]) -> Tensor:
    if isinstance(vectors, Tensor):
        return vectors
    return torch.from_numpy(vectors if vectors.flags.writeable else vectors.copy())  # torch has no read-only tensors


def _worth_a_search(queries: Tensor, items: Tensor) -> bool:
    """Tell whether FAISS ranks these vectors faster, and sees every score: it passes over those that are no number."""
    if len(queries) < _MANY_QUERIES or len(items) < _MANY_ITEMS:
        return False
    largest = _magnitude(queries) * _magnitude(items) * queries.shape[1]
    return largest < torch.finfo(torch.float32).max  # NaN is not


def _magnitude(vectors: Tensor) -> float:
    """Return the largest absolute value, without a copy of the vectors; NaN if there is one."""
    low, high = vectors.aminmax()
    return max(-float(low), float(high))


def _search(queries: Tensor, items: Tensor, seen: Histories | None, k: int) -> Matches:
    """Rank by FAISS, which picks the best of each product while it is in the cache: a third of the time of blocks."""
    asked, vectors = np.ascontiguousarray(queries), np.ascontiguousarray(items)

    def nearest(rows: npt.NDArray[np.int64], width: int) -> tuple[npt.NDArray[np.int64], Vectors]:
        return nearest_vectors(asked[rows], vectors, width)

    # One more than asked for, as in `top_k`: which of equal scores FAISS keeps is chance.
    more, everyone = Matches.none(len(queries), k + 1), np.arange(len(queries))
    fill_unseen(more, everyone, nearest, seen, len(items), widest=WIDEST)
    full = more.item_nums[:, k] >= 0
    open_ended = np.flatnonzero((more.item_nums[:, 0] < 0) | (full & (more.scores[:, k] == more.scores[:, k - 1])))
    found = Matches(more.item_nums[:, :k].copy(), more.scores[:, :k].copy())
    found.put_lower_numbers_first()
    rest = rank_products(queries[open_ended], items, None if seen is None else seen.take(open_ended), k)
    found.item_nums[open_ended], found.scores[open_ended] = rest.item_nums, rest.scores
    return found


def _blocks(n_rows: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_rows, size):
        yield start, min(start + size, n_rows)


def _refuse_unordered(best: Tensor) -> None:
    bad = torch.nonzero(torch.isnan(best) | (best == torch.inf)).flatten()  # topk puts NaN before everything
    if len(bad):
        raise RecsysError(
            f"Query {int(bad[0])} of {len(best)} in its block has the score {float(best[bad[0]])}: "
            "its vector or an item's is not finite. Train again with a lower learning rate."
        )


def _ordered(values: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    items, by_item = torch.sort(items, dim=1)
    values, by_value = torch.sort(values.gather(1, by_item), dim=1, descending=True, stable=True)
    return values, items.gather(1, by_value)


def _lowest_of_the_tied(scores: Tensor, threshold: Tensor, width: int) -> tuple[Tensor, Tensor]:
    # Everything above the threshold (rows, 1), then of what equals it the lowest numbers until the row is full.
    above, equal = scores > threshold, scores == threshold
    room = width - above.sum(dim=1, keepdim=True)
    keep = above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= room))
    items = torch.nonzero(keep)[:, 1].view(-1, width)
    return scores.gather(1, items), items


def _first_unseen(
    order: npt.NDArray[np.int64], scores: npt.NDArray[np.floating], taken: npt.NDArray[np.bool_], k: int
) -> Matches:
    width = min(k, taken.shape[1])
    places = np.argsort(taken, axis=1, kind="stable")[:, :width]  # the free places first, in order
    free = ~np.take_along_axis(taken, places, axis=1)
    found = Matches.none(len(taken), k)
    found.item_nums[:, :width] = np.where(free, order[places], -1)
    found.scores[:, :width] = np.where(free, scores[order[places]], -np.inf)
    return found


def _padded(values: Tensor, items: Tensor, k: int, above: float) -> Matches:
    found = Matches.none(len(values), k)
    width, none = values.shape[1], values <= above
    found.scores[:, :width] = values.float().masked_fill(none, -torch.inf).cpu().numpy()
    found.item_nums[:, :width] = items.masked_fill(none, -1).cpu().numpy()
    return found
