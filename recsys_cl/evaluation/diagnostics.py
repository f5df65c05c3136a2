"""From a space of vectors to facts about it.

Of users, items and pairs some are drawn, so that it takes a second or two however large a catalogue is.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from recsys_cl.config import DiagnoseConfig
from recsys_cl.contrast.diagnostics.alignment import alignment, uniformity, uniformity_of_sphere
from recsys_cl.contrast.diagnostics.directions import Array, mean_cosine, paired_cosines, unit
from recsys_cl.contrast.diagnostics.isotropy import isotropy
from recsys_cl.contrast.diagnostics.normality import normality
from recsys_cl.contrast.diagnostics.ranks import constant, rank_correlation
from recsys_cl.contrast.diagnostics.spectrum import (
    effective_rank,
    random_singular_values,
    score_singular_values,
    singular_values,
)
from recsys_cl.contrast.diagnostics.spread import entropy, occurrences, spread_between
from recsys_cl.evaluation.category_map import category_facts, map_facts
from recsys_cl.evaluation.diagnostic_facts import (
    AlignmentFacts,
    DiagnosticFacts,
    LengthFacts,
    ListFacts,
    NormalityFacts,
    PopularityFacts,
    ScoreFacts,
    SideFacts,
)
from recsys_cl.evaluation.information import information_facts
from recsys_cl.evaluation.space import Numbers, Space, Vectors, short, some

_POINTS = 64  # of a curve
_BINS = 60  # of a histogram
_DOTS = 600  # of a cloud


def diagnose(space: Space, config: DiagnoseConfig, *, seed: int = 0) -> DiagnosticFacts:
    """Look into a space.

    Args:
        space: vectors and what belongs to them. Those that are not finite are counted and left out of all else.
        config: how many users, items and pairs are drawn.
        seed: of all that is drawn.
    """
    with threadpool_limits(1):  # decompositions of this size are quickest with one thread, and far so on a busy machine
        return _looked_into(space, config, seed)


def _looked_into(space: Space, config: DiagnoseConfig, seed: int) -> DiagnosticFacts:
    rng = np.random.default_rng(seed)
    sound_users, sound_items = _sound(space.users), _sound(space.items)
    users, items = some(rng, sound_users, config.diagnosed_users), some(rng, sound_items, config.diagnosed_items)
    return DiagnosticFacts(
        seed=seed,
        users=_side(space.users[users], space.histories.lengths[users], seed).model_copy(
            update={"there_are": space.there_are, "not_finite": len(space.users) - len(sound_users)}
        ),
        items=_side(space.items[items], space.interactions[items], seed).model_copy(
            update={"there_are": len(space.items), "not_finite": len(space.items) - len(sound_items)}
        ),
        scores=_scores(space.users[users], space.items[items]),
        alignment=_alignment(space, users, sound_items, config.diagnosed_pairs, rng),
        popularity=_popularity(space, items),
        lists=_lists(space),
        information=information_facts(space.held_out, space.interactions, rng),
        categories=category_facts(space, sound_items, config.diagnosed_items, rng),
        map=map_facts(space, sound_items, config.mapped_items, seed),
    )


def _sound(vectors: Vectors) -> Numbers:
    """Return which vectors are finite."""
    with np.errstate(invalid="ignore"):  # the sum of what is not finite is not finite, and one pass is enough
        return np.flatnonzero(np.isfinite(vectors.sum(axis=1, dtype=np.float64)))


def _side(vectors: Vectors, interactions: npt.NDArray[np.int64], seed: int) -> SideFacts:
    drawn, dim = vectors.shape
    units = unit(vectors)
    if len(units) == 0:
        return SideFacts(there_are=drawn, drawn=drawn, zero=float(drawn > 0), dim=dim)
    values, random = singular_values(vectors), random_singular_values(drawn, dim)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    length = _length(lengths)
    return SideFacts(
        there_are=drawn,
        drawn=drawn,
        zero=float(np.mean(lengths == 0)),
        dim=dim,
        effective_rank=effective_rank(values),
        random_rank=effective_rank(random),
        spectrum=_thinned(values),
        random_spectrum=_thinned(random),
        uniformity=uniformity(units),
        sphere_uniformity=uniformity_of_sphere(dim),
        mean_cosine=mean_cosine(units),
        isotropy=isotropy(units),
        length=length,
        length_correlation=rank_correlation(lengths, interactions),
        normality=_normality(vectors, seed),
        direction_normality=None if length.constant else _normality(units, seed),
    )


def _normality(vectors: npt.NDArray[np.floating], seed: int) -> NormalityFacts | None:
    found = normality(vectors, seed=seed)
    if found is None:
        return None
    return NormalityFacts.model_validate(asdict(found) | {"quantiles": [short(row) for row in found.quantiles]})


def _length(lengths: Array) -> LengthFacts:
    low, high = np.quantile(lengths, (0.05, 0.95))
    return LengthFacts(mean=float(lengths.mean()), low=low, high=high, constant=constant(lengths))


def _scores(users: Vectors, items: Vectors) -> ScoreFacts:
    if len(users) == 0 or len(items) == 0:
        return ScoreFacts()
    values = score_singular_values(users, items)
    rank = effective_rank(values)
    return ScoreFacts(effective_rank=rank, spectrum=() if rank is None else _thinned(values))


def _thinned(values: Array) -> tuple[tuple[int, float], ...]:
    """Return some places, from 1, and the values there as shares of the first."""
    places = _places(len(values))
    return tuple(zip((places + 1).tolist(), short(values[places] / values[0]), strict=True))


def _places(count: int) -> Numbers:
    """Return some places, from 0 to ``count`` - 1, closer together at the start."""
    spaced = np.concatenate([np.geomspace(1, count, _POINTS), np.linspace(1, count, _POINTS)])
    return np.unique(spaced.round().astype(np.int64)) - 1


def _alignment(space: Space, users: Numbers, items: Numbers, count: int, rng: np.random.Generator) -> AlignmentFacts:
    """Compare users with items of their histories and, as a yardstick, with any item."""
    histories = space.histories.take(users)
    rows, taken = histories.cells(0, len(histories))
    chosen = some(rng, np.flatnonzero(np.isin(taken, items)), count)
    if len(chosen) == 0:
        return AlignmentFacts(pairs=0)
    mine, any_items = space.users[users[rows[chosen]]], rng.choice(items, len(chosen))
    cosines = {
        "taken": paired_cosines(mine, space.items[taken[chosen]]),
        "random": paired_cosines(mine, space.items[any_items]),
    }
    held = space.held_out
    if held is not None:
        sound = np.isin(held.item_nums, items) & np.isfinite(held.users).all(axis=1)
        cosines["held_out"] = paired_cosines(held.users[sound], space.items[held.item_nums[sound]])
    edges = np.linspace(-1, 1, _BINS + 1)
    shares = {f"{name}_share": _histogram(found, edges) for name, found in cosines.items()}
    means = {name: alignment(found) for name, found in cosines.items()}
    return AlignmentFacts.model_validate({"pairs": len(chosen), "edges": short(edges), **means, **shares})


def _histogram(cosines: Array, edges: Array) -> tuple[float, ...]:
    counts = np.histogram(cosines, edges)[0]
    return short(counts / max(counts.sum(), 1))


def _popularity(space: Space, items: Numbers) -> PopularityFacts:
    some_items = items[:_DOTS]
    lengths = np.linalg.norm(space.items[some_items].astype(np.float64), axis=1)
    offsets = space.offsets[np.isfinite(space.offsets)]
    added = bool(offsets.any()) and len(offsets) == len(space.offsets)
    return PopularityFacts(
        interactions=tuple(space.interactions[some_items].tolist()),
        lengths=short(lengths),
        offsets=short(space.offsets[some_items]) if added else (),
        offset_correlation=rank_correlation(space.offsets, space.interactions) if added else None,
    )


def _lists(space: Space) -> ListFacts | None:
    if space.lists is None or space.one_list is None:
        return None
    n_items, (users, k) = len(space.items), space.lists.shape
    given, one = (occurrences(lists, n_items) for lists in (space.lists, space.one_list))
    found, of_one = entropy(given), entropy(one)
    if found is None or of_one is None:
        return ListFacts(users=users, k=k, items=n_items)
    most = float(np.log(min(n_items, given.sum())))
    return ListFacts(
        users=users,
        k=k,
        items=n_items,
        entropy=found,
        share=found / np.log(n_items) if n_items > 1 else None,
        effective_items=float(np.exp(found)),
        one_list_entropy=of_one,
        most=most,
        spread=spread_between(found, of_one, most),
        curve=_curve(given),
        one_list_curve=_curve(one),
    )


def _curve(counts: npt.NDArray[np.int64]) -> tuple[tuple[float, float], ...]:
    """Return shares of the catalogue, the most recommended first, and the shares of all recommendations they take."""
    taken = np.cumsum(np.sort(counts)[::-1]) / counts.sum()
    places = _places(len(counts))
    return tuple(zip(short((places + 1) / len(counts)), short(taken[places]), strict=True))
