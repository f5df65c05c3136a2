"""How much users' vectors tell about what they take next: lower bounds of mutual information from InfoNCE.

A held-out item is to be told from N - 1 others, drawn independently of the user, by a critic f(user, item). With the
loss L = -E log(exp f(own) / sum over all N of exp f), van den Oord, Li and Vinyals (2018, arXiv 1807.03748) have

    log N - L  <=  I(user; item)

for every critic, where the others are drawn as the held-out items themselves are distributed, p (Poole et al. 2019,
arXiv 1905.06922, give the proof, and why it needs log N: the bound cannot exceed it, and is loose near it). Where they
are drawn evenly, q(item) = 1 / n, the same argument gives

    log N - L  <=  I(user; item) + KL(p || q),

which also counts how far popularity is from even. Both hold only if an item that is drawn is never struck out for
being the right one. They are of what is known of users before the held-out part, the items they had included: those
are never right, so the critic may give them -inf, as a ranking does that leaves out what was seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.optimize
import scipy.special

from recsys_cl.contrast.diagnostics.directions import Array

_PENALTY = 1e-4  # on the squared weights: keeps them finite where pairs can be told apart without error
_KNOTS = (0.5, 0.9, 0.99)  # shares of the others' scores below the bends of the critic
_OWN_KNOTS = (0.5, 0.9)  # shares of the pairs' own
_FLAT = 1e-12

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Contest:
    """Pairs to be told from others.

    Attributes:
        own: (p,) scores of the pairs.
        own_popularity: (p,) logarithms of the popularity of their items.
        others: (p, m) scores of what each pair must be told from.
        popularity: (p, m) logarithms of their popularity.
        possible: (p, m) bool; of others that are not, the critic knows that they are wrong.
    """

    own: Scores
    own_popularity: Scores
    others: Scores
    popularity: Scores
    possible: npt.NDArray[np.bool_]

    def without_scores(self) -> Contest:
        """Return the contest for a critic that knows popularity, and what is possible, alone."""
        return replace(self, own=np.zeros_like(self.own), others=np.zeros_like(self.others))


@dataclass(frozen=True)
class Critic:
    """A piecewise linear function of the score plus a multiple of log popularity.

    How scores are to be read is the critic's to learn: the best critic is a log ratio of probabilities up to what
    depends on the user alone, which cosines over a temperature are near, and what a closed form gives is not.

    Attributes:
        knots: (k,) scores at which the slope changes.
        weights: (k + 2,) of the score, of log popularity, and of the score above each knot.
    """

    knots: Array
    weights: Array

    def __call__(self, scores: Scores, popularity: Scores) -> Scores:
        """Return the critic's values, of the shape of ``scores`` and ``popularity``, float32."""
        knots, weights = self.knots.astype(np.float32), self.weights.astype(np.float32)
        values = weights[0] * scores + weights[1] * popularity
        for knot, weight in zip(knots, weights[2:], strict=True):
            values += weight * np.maximum(scores - knot, 0)
        return np.asarray(values)


@dataclass(frozen=True)
class Bound:
    """A lower bound of information.

    Attributes:
        candidates: N, the right one and those drawn.
        nats: log N - L; never above log N.
        error: its standard error over pairs.
    """

    candidates: int
    nats: float
    error: float


def fitted_critic(contest: Contest) -> Critic:
    """Return the critic with which the loss of a contest is least.

    Fit it on other pairs than those a bound is taken of. The loss is convex in the weights (a conditional logit).
    """
    knots = np.unique([*np.quantile(contest.others, _KNOTS), *np.quantile(contest.own, _OWN_KNOTS)])
    own = _features(contest.own, contest.own_popularity, knots)
    others = _features(contest.others, contest.popularity, knots)
    scale = np.maximum(others.std(axis=(0, 1)), _FLAT)
    own, others = own / scale, others / scale
    others[~contest.possible] = 0  # their probability is nought

    def logits(weights: Array) -> tuple[Array, Array]:
        return own @ weights, np.where(contest.possible, others @ weights, -np.inf)

    def loss(weights: Array) -> float:
        mine, theirs = logits(weights)
        whole = np.logaddexp(mine, scipy.special.logsumexp(theirs, axis=1))
        return float((whole - mine).mean() + _PENALTY * weights @ weights)

    def slopes(weights: Array) -> tuple[Array, Array]:
        mine, theirs = logits(weights)
        whole = np.logaddexp(mine, scipy.special.logsumexp(theirs, axis=1))
        shares, share = np.exp(theirs - whole[:, None]), np.exp(mine - whole)
        expected = share[:, None] * own + np.einsum("pm,pmf->pf", shares, others)
        squares = (own.T * share) @ own + np.tensordot(others * shares[:, :, None], others, axes=((0, 1), (0, 1)))
        ridge = 2 * _PENALTY * np.eye(len(weights))
        hessian = (squares - expected.T @ expected) / len(own) + ridge
        return (expected - own).mean(axis=0) + 2 * _PENALTY * weights, hessian

    found = scipy.optimize.minimize(
        loss,
        np.zeros(len(scale)),
        jac=lambda weights: slopes(weights)[0],
        hess=lambda weights: slopes(weights)[1],
        method="trust-exact",
    )
    return Critic(knots, found.x / scale)


def information_bounds(contest: Contest, critic: Critic) -> list[Bound]:
    """Return bounds for N = 2, 4, 8 ... as far as there are others: the first N - 1 of each pair."""
    own = critic(contest.own, contest.own_popularity)
    others = critic(contest.others, contest.popularity)
    others[~contest.possible] = -np.inf
    whole, bounds, done, candidates = own.astype(np.float64), [], 0, 2
    while candidates - 1 <= others.shape[1]:
        whole = np.logaddexp(whole, scipy.special.logsumexp(others[:, done : candidates - 1], axis=1))
        losses = np.maximum(whole - own, 0)
        error = losses.std() / np.sqrt(len(losses))
        bounds.append(Bound(candidates, float(np.log(candidates) - losses.mean()), float(error)))
        done, candidates = candidates - 1, 2 * candidates
    return bounds


def _features(scores: Scores, popularity: Scores, knots: Array) -> Array:
    """Return what the critic weighs, of the shape of ``scores`` with one axis more."""
    return np.stack([scores, popularity, *(np.maximum(scores - knot, 0) for knot in knots)], axis=-1, dtype=np.float64)
