"""Items and their categories: whether neighbours are of one kind, and a map to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recsys_cl.contrast.diagnostics.directions import unit
from recsys_cl.contrast.diagnostics.neighbours import kindred
from recsys_cl.contrast.diagnostics.plane import plane
from recsys_cl.evaluation.diagnostic_facts import CategoryFacts, MapFacts
from recsys_cl.evaluation.space import Numbers, Space, some

KINDS = 6  # that have a colour of their own
_NEIGHBOURS = 10
_NAMED = 10  # items at most whose titles stand on the map
_APART = 0.32  # of the map's half width: no two named items are nearer


def category_facts(space: Space, sound: Numbers, count: int, rng: np.random.Generator) -> CategoryFacts | None:
    """Return how often items near each other share a category, looking at ``count`` of the ``sound`` ones."""
    known = _categorised(space, sound)
    if space.categories is None or len(known) == 0:
        return None
    chosen = some(rng, known, count)
    found = kindred(unit(space.items[chosen]), _labels([space.categories[n] or () for n in chosen]), _NEIGHBOURS)
    same, chance = found or (None, None)
    return CategoryFacts(items=len(known), drawn=len(chosen), neighbours=_NEIGHBOURS, kindred=same, chance=chance)


def map_facts(space: Space, sound: Numbers, count: int, seed: int) -> MapFacts | None:
    """Return a map of ``count`` of the ``sound`` items that have a category, drawn in proportion to popularity."""
    known = _categorised(space, sound)
    if space.categories is None or len(known) == 0:
        return None
    chance = space.interactions[known] + 1.0
    rng = np.random.default_rng(seed)
    chosen = rng.choice(known, size=min(count, len(known)), replace=False, p=chance / chance.sum())
    places = plane(unit(space.items[chosen]), seed=seed)
    if places is None:
        return None
    kinds, kind = _kinds([space.categories[n] or () for n in chosen])
    titles = [None if space.titles is None else space.titles[n] for n in chosen]
    rounded = np.round(places, 4)
    return MapFacts(
        x=tuple(rounded[:, 0].tolist()),
        y=tuple(rounded[:, 1].tolist()),
        interactions=tuple(space.interactions[chosen].tolist()),
        kind=kind,
        kinds=kinds,
        titles=_named(places, space.interactions[chosen], titles),
    )


def _categorised(space: Space, sound: Numbers) -> Numbers:
    """Return which of the items have a category and a vector with a direction."""
    if space.categories is None:
        return sound[:0]
    has = np.array([bool(space.categories[n]) for n in sound], dtype=np.bool_)
    return sound[has & space.items[sound].any(axis=1)]


def _labels(categories: Sequence[Sequence[str]]) -> sp.csr_matrix:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for row in categories for name in row))}
    lengths = [len(row) for row in categories]
    columns = [numbers[name] for row in categories for name in row]
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return sp.csr_matrix((np.ones(len(columns)), columns, indptr), shape=(len(categories), len(numbers)))


def _kinds(categories: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the most frequent categories, and for each item the rarest of them that it has, by number; -1 for none."""
    counts = Counter(name for row in categories for name in set(row))
    kinds = tuple(name for name, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:KINDS])
    return kinds, tuple(max((kinds.index(name) for name in row if name in kinds), default=-1) for row in categories)


def _named(
    places: npt.NDArray[np.float64], interactions: npt.NDArray[np.int64], titles: Sequence[str | None]
) -> dict[int, str]:
    """Return titles of popular items that stand apart, by their number."""
    named: dict[int, str] = {}
    for number in np.argsort(-interactions, kind="stable").tolist():
        title = titles[number]
        near = [n for n in named if np.abs(places[n] - places[number]).max() < _APART]
        if title and not near:
            named[number] = title
        if len(named) == _NAMED:
            break
    return named
