"""What the library `implicit` has: matrix factorisation and item-based nearest neighbours."""

from __future__ import annotations

from typing import Any

from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import CosineRecommender

from benchmarks.peers.exchange import Fitted, Lists, Log, without_seen

_MODELS = {
    "als": AlternatingLeastSquares,  # Hu, Koren and Volinsky, 2008
    "bpr": BayesianPersonalizedRanking,  # Rendle et al., 2009
    "cosine": CosineRecommender,
}


def fit(log: Log, *, model: str, **settings: Any) -> Fitted:
    """Fit the ``model`` named; ``settings`` are its constructor's."""
    fitted = _MODELS[model](num_threads=1, **settings)
    fitted.fit(log.matrix, show_progress=False)
    seen = log.matrix[log.test_users]

    def recommend(k: int) -> Lists:
        return without_seen(fitted.recommend(log.test_users, seen, N=k, filter_already_liked_items=True)[0], log)

    return Fitted(recommend, _bytes(fitted) / log.n_items)


def _bytes(fitted: Any) -> int:  # noqa: ANN401 - one of the library's models
    if hasattr(fitted, "item_factors"):
        return int(fitted.item_factors.nbytes)
    similarity = fitted.similarity
    return int(similarity.data.nbytes + similarity.indices.nbytes + similarity.indptr.nbytes)
