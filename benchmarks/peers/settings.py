"""Who takes part, and with which settings: those of the paper or of the library, the same on every log.

Ours are searched for on validation, within the budget; nobody else's are, on any of the logs. Where a paper trains for
hundreds of epochs and stops by validation, ``steps`` says how many batches there is time for here, which is fewer on
large logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_FOLDER = "benchmarks.peers.contenders"


@dataclass(frozen=True)
class Contender:
    """One line of the tables.

    Attributes:
        module: dotted name of its file, which has ``fit``.
        settings: of ``fit``.
        source: where the settings are from.
        ours: whether it runs in our environment, from the log itself.
    """

    module: str
    settings: Mapping[str, Any]
    source: str
    ours: bool = False


def _ours(**settings: Any) -> Contender:
    return Contender(f"{_FOLDER}.ours", settings, "our defaults", ours=True)


def _peer(file: str, source: str, **settings: Any) -> Contender:
    return Contender(f"{_FOLDER}.{file}", settings, source)


_SASREC = {
    "model": "sasrec",
    "n_blocks": 2,
    "n_heads": 1,
    "session_max_len": 50,
    "dropout_rate": 0.2,
    "lr": 0.001,
    "batch_size": 128,
    "steps": 2_000,
}
OURS = {
    "ours, 2 minutes": _ours(budget="120s"),
}
PEERS = {
    "item-kNN": _peer("by_implicit", "usual neighbourhood", model="cosine", K=100),
    "ALS": _peer(
        "by_implicit",
        "library",
        model="als",
        factors=100,
        regularization=0.01,
        alpha=1.0,
        iterations=15,
        random_state=0,
    ),
    "ALS, alpha 40": _peer(
        "by_implicit",
        "Hu, Koren and Volinsky, 2008",
        model="als",
        factors=100,
        regularization=0.01,
        alpha=40.0,
        iterations=15,
        random_state=0,
    ),
    "BPR": _peer(
        "by_implicit", "library", model="bpr", factors=100, learning_rate=0.01, iterations=100, random_state=0
    ),
    "PureSVD": _peer("by_rectools", "Cremonesi et al., 2010", model="pure_svd", factors=50),
    "EASE": _peer("by_rectools", "library; Steck, 2019", model="ease", regularization=500.0),
    "LightFM": _peer("by_lightfm", "library, 64 components", loss="warp", no_components=64, epochs=30),
    "BPR (RecBole)": _peer("by_recbole", "library", model="BPR", embedding_size=64, learning_rate=0.001, steps=8_000),
    "SASRec": _peer("by_rectools", "Kang and McAuley, 2018", loss="BCE", n_factors=50, **_SASREC),
    "SASRec, softmax": _peer(
        "by_rectools", "loss of Klenitskiy and Vasilev, 2023, over all items", loss="softmax", n_factors=64, **_SASREC
    ),
    "LightGCN": _peer(
        "by_recbole", "He et al., 2020", model="LightGCN", embedding_size=64, n_layers=3, reg_weight=1e-4, steps=2_000
    ),
    "XSimGCL": _peer(
        "xsimgcl",
        "Yu et al., 2023",
        embedding_size=64,
        n_layers=2,
        reg_weight=1e-4,
        ssl_weight=0.2,
        ssl_tau=0.15,
        noise=0.2,
        steps=2_000,
    ),
}
CONTENDERS = OURS | PEERS
LEFT_OUT = {
    ("gowalla", "EASE"): "a matrix of 40,981 items squared does not fit beside its inverse in 6 GiB",
}
