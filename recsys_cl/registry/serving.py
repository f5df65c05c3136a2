"""What ``mlflow models serve`` runs: a bundle that answers a table of user ids with a table of items.

MLflow is told this module's name and imports it from the installed package, so that a registered version holds no
code and no pickle, only the bundle, which is verified when it is loaded. It works alike from a checkout and from an
installed package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recsys_cl.retrieval.frames import Frame
from recsys_cl.retrieval.retriever import Retriever

COLUMN = "user_id"
PARAMS: dict[str, int | bool] = {"k": 20, "exclude_seen": True}


class Served:
    """A retriever with the method that MLflow calls.

    Args:
        retriever: what recommends.
    """

    def __init__(self, retriever: Retriever) -> None:
        self.retriever = retriever

    def predict(self, model_input: Frame, params: dict[str, Any] | None = None) -> Frame:
        """Return the best items for the users of the column `user_id`.

        Args:
            model_input: a frame with that column.
            params: ``k`` (items a user) and ``exclude_seen``.
        """
        wanted = PARAMS | (params or {})
        return self.retriever.recommend(model_input, int(wanted["k"]), exclude_seen=bool(wanted["exclude_seen"]))


def _load_pyfunc(data_path: str) -> Served:
    """Load the bundle in ``data_path``; the name is MLflow's."""
    return Served(Retriever.load(Path(data_path)))
