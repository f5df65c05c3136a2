"""What users' vectors tell about items they took later, measured on pairs that the model has not seen."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_cl.contrast.diagnostics.information import Bound, Contest, fitted_critic, information_bounds
from recsys_cl.evaluation.diagnostic_facts import BoundFacts, InformationFacts
from recsys_cl.evaluation.space import HeldOut, Numbers
from recsys_cl.pairs.histories import Histories

_MOST_OTHERS = 4095  # drawn against a pair
_FITTING_OTHERS = 127  # of which so many to fit the critic: more do not make it better
_POOL = 8192  # draws that pairs share, each pair another stretch of them
_STRIDE = 61  # draws from one pair's stretch to the next one's
_FEWEST = 20  # pairs


def information_facts(
    held_out: HeldOut | None, interactions: npt.NDArray[np.int64], rng: np.random.Generator
) -> InformationFacts | None:
    """Return bounds with 2, 4, 8 ... candidates, as many as there are items at most, 4096.

    The critic is fitted on half of the pairs, the bounds are taken of the other half. Items that the user had before
    are impossible, as in a ranking that leaves them out: that tells something even without vectors, so bounds are also
    given for a critic that knows popularity and what was seen alone.

    Args:
        held_out: pairs, in an order that was drawn.
        interactions: (n_items,) with each item before.
        rng: draws the others.

    Returns:
        None where there are too few pairs, or a vector is not finite.
    """
    if held_out is None or len(held_out.item_nums) < _FEWEST or len(held_out.catalogue) < 2:
        return None
    if not (np.isfinite(held_out.queries).all() and np.isfinite(held_out.catalogue).all()):
        return None
    n_items, half = len(interactions), len(held_out.item_nums) // 2
    popular = _bounds(held_out, interactions, held_out.counts / held_out.counts.sum(), rng)
    even = _bounds(held_out, interactions, np.full(n_items, 1 / n_items), rng)
    return InformationFacts(
        pairs=len(held_out.item_nums) - half,
        fitted_on=half,
        bounds=tuple(
            BoundFacts(
                candidates=of_popular.candidates,
                ceiling=float(np.log(of_popular.candidates)),
                by_popularity=of_popular.nats,
                by_popularity_error=of_popular.error,
                by_popularity_without_vectors=without.nats,
                evenly=of_even.nats,
                evenly_error=of_even.error,
                evenly_without_vectors=even_without.nats,
            )
            for of_popular, without, of_even, even_without in zip(*popular, *even, strict=True)
        ),
    )


def _bounds(
    held_out: HeldOut, interactions: npt.NDArray[np.int64], drawn_by: npt.NDArray[np.float64], rng: np.random.Generator
) -> tuple[list[Bound], list[Bound]]:
    """Return bounds with others drawn independently from ``drawn_by`` (n_items,), with the vectors and without."""
    pool = rng.choice(len(drawn_by), size=_POOL, p=drawn_by)
    rows = np.arange(len(held_out.item_nums))
    half, most = len(rows) // 2, min(_MOST_OTHERS, len(drawn_by) - 1)
    few = min(_FITTING_OTHERS, most)
    fitting = _contest(held_out, interactions, pool[: 8 * _FITTING_OTHERS], rows[:half], few)
    contest = _contest(held_out, interactions, pool, rows[half:], most)
    blind = fitting.without_scores(), contest.without_scores()
    with_vectors, without = (information_bounds(its, fitted_critic(of)) for of, its in ((fitting, contest), blind))
    return with_vectors, without


def _contest(
    held_out: HeldOut, interactions: npt.NDArray[np.int64], pool: Numbers, rows: Numbers, most: int
) -> Contest:
    """Set each pair of ``rows`` against ``most`` draws of the pool."""
    stretch = (np.arange(len(rows))[:, None] * _STRIDE + np.arange(most)) % len(pool)
    popularity = np.log1p(interactions).astype(np.float32)
    queries, own = held_out.queries[rows], held_out.item_nums[rows]
    scores = queries @ held_out.catalogue[pool].T
    return Contest(
        np.einsum("pd,pd->p", queries, held_out.catalogue[own]),
        popularity[own],
        np.take_along_axis(scores, stretch, axis=1),
        popularity[pool][stretch],
        ~np.take_along_axis(_seen(held_out.seen.take(rows), pool), stretch, axis=1),
    )


def _seen(histories: Histories, pool: Numbers) -> npt.NDArray[np.bool_]:
    """Return which draws of the ``pool`` (m,) stand in which history, (rows, m)."""
    items, draws = np.unique(pool, return_inverse=True)
    place = np.full(histories.n_items, len(items))
    place[items] = np.arange(len(items))
    rows, taken = histories.cells(0, len(histories))
    flags = np.zeros((len(histories), len(items) + 1), dtype=np.bool_)
    flags[rows, place[taken]] = True
    return np.asarray(flags[:, draws])
