"""What the library RecBole has: pairwise ranking, graph convolutions and contrast between views of the graph."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.general_recommender import LightGCN
from recbole.trainer import Trainer
from recbole.utils import get_model, init_seed

from benchmarks.peers.exchange import Fitted, Log, rank_vectors

_BATCH = 2048


def fit(log: Log, *, model: str | type, steps: int, **settings: Any) -> Fitted:
    """Train the ``model`` (name or class) on the whole log for some ``steps``; ``settings`` are the library's."""
    if not hasattr(sp.dok_matrix, "_update"):  # scipy took away in 1.13 what the library fills its graphs with
        sp.dok_matrix._update = lambda matrix, cells: matrix._dict.update(cells)
    with tempfile.TemporaryDirectory() as folder:
        epochs = max(1, round(steps * _BATCH / len(log.item_nums)))
        config = _config(log, model, settings | {"epochs": epochs, "train_batch_size": _BATCH}, Path(folder))
        init_seed(config["seed"], reproducibility=True)
        dataset = create_dataset(config)
        train_data, _, _ = data_preparation(config, dataset)
        made = (get_model(model) if isinstance(model, str) else model)(config, train_data.dataset)
        Trainer(config, made).fit(train_data, saved=False, show_progress=False)
    made.eval()
    with torch.no_grad():
        propagated = isinstance(made, LightGCN)
        tables = made.forward() if propagated else (made.user_embedding.weight, made.item_embedding.weight)
    users, items = (table.detach().numpy() for table in tables[:2])
    users = users[dataset.token2id("user", log.test_users.astype(str))]
    items = items[dataset.token2id("item", np.arange(log.n_items).astype(str))]
    return Fitted(lambda k: rank_vectors(log, users, items, k), 4 * items.shape[1])


def _config(log: Log, model: str | type, settings: dict[str, Any], folder: Path) -> Config:
    (folder / "log").mkdir()
    rows = "\n".join(f"{user}\t{item}" for user, item in zip(log.user_nums, log.item_nums, strict=True))
    (folder / "log" / "log.inter").write_text(f"user:token\titem:token\n{rows}\n", encoding="utf-8")
    told = {
        "data_path": str(folder),
        "checkpoint_dir": str(folder),
        "USER_ID_FIELD": "user",
        "ITEM_ID_FIELD": "item",
        "load_col": {"inter": ["user", "item"]},
        "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "order": "RO", "group_by": None, "mode": "full"},
        "use_gpu": False,
        "show_progress": False,
        "state": "WARNING",
    }
    return Config(model=model, dataset="log", config_dict=told | settings)
