"""What MLflow serves is what the retriever recommends."""

from __future__ import annotations

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from recsys_cl.errors import IntegrityError
from recsys_cl.registry.store import Record
from recsys_cl.retrieval.retriever import Retriever

ASKED = pd.DataFrame({"user_id": [10, 99_999]})


def test_a_registered_version_answers_as_the_bundle_does(store, bundle_of):
    store.register(bundle_of(0), "toy", Record())
    retriever = Retriever.load(bundle_of(0))
    with store._opened() as (mlflow, _):
        served = mlflow.pyfunc.load_model("models:/toy/1")
        assert served.metadata.get_input_schema().input_names() == ["user_id"]
        assert_frame_equal(served.predict(ASKED, params={"k": 2}), retriever.recommend(ASKED, 2))
        everything = served.predict(ASKED, params={"k": 100, "exclude_seen": False})
        assert_frame_equal(everything, retriever.recommend(ASKED, 100, exclude_seen=False))
        assert len(served.predict(ASKED)) == 40


def test_a_damaged_version_is_not_served(store, bundle_of):
    store.register(bundle_of(0), "toy", Record())
    path = store.locate("models:/toy/1").folder / "towers.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with store._opened() as (mlflow, _), pytest.raises(IntegrityError, match=r"towers\.safetensors"):
        mlflow.pyfunc.load_model("models:/toy/1")
