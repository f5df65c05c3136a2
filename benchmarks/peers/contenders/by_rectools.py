"""What the library RecTools has: EASE, PureSVD and SASRec."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from rectools.dataset import Dataset
from rectools.models import EASEModel, PureSVDModel, SASRecModel

from benchmarks.peers.exchange import Fitted, Lists, Log, lists_of

_MODELS = {
    "ease": EASEModel,  # Steck, 2019
    "pure_svd": PureSVDModel,  # Cremonesi, Koren and Turrin, 2010
    "sasrec": SASRecModel,  # Kang and McAuley, 2018
}


def fit(log: Log, *, model: str, **settings: Any) -> Fitted:
    """Fit the ``model`` named; ``settings`` are its constructor's, and for SASRec ``steps`` in the place of epochs."""
    order = pd.to_datetime(log.places, unit="s")  # days and hours mean nothing to these models, only what came first
    table = pd.DataFrame({"user_id": log.user_nums, "item_id": log.item_nums, "weight": 1.0, "datetime": order})
    dataset = Dataset.construct(table)
    if "steps" in settings:
        epochs = round(settings.pop("steps") * settings["batch_size"] / log.n_users)
        settings["epochs"] = max(1, epochs)
    torch.manual_seed(0)
    fitted = _MODELS[model](**settings)
    fitted.fit(dataset)

    def recommend(k: int) -> Lists:
        found = fitted.recommend(log.test_users, dataset, k=k, filter_viewed=True)
        return lists_of(log, found["user_id"].to_numpy(), found["item_id"].to_numpy(), found["rank"].to_numpy(), k)

    width = log.n_items if model == "ease" else settings.get("factors") or settings["n_factors"]
    return Fitted(recommend, 4 * width)
