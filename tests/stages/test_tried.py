"""What was fitted and what was kept, as it is written down, printed and told to MLflow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from rich.console import Console

from recsys_cl.files import write_json
from recsys_cl.stages.tried import compared
from recsys_cl.summary import show


def fitted(folder: Path, name: str, validation: float | None, **facts: Any) -> Path:
    """Write what a fit says of itself; return its folder."""
    (folder / name).mkdir()
    written = {"method": "hybrid", "dim": 64, "curve": [], **facts, "prior": {"validation": validation}}
    write_json(folder / name / "training.json", written)
    return folder / name


def test_fits_are_listed_from_the_best_by_the_figure_they_are_compared_by(tmp_path):
    fits = [
        fitted(tmp_path, "hybrid", 0.1, taught=True, best_validation=0.9),
        fitted(tmp_path, "joined_hybrid", 0.3, method="joined", dim=96, parts=["spectral", "hybrid"]),
        fitted(tmp_path, "spectral", 0.2, method="spectral", dim=32),
    ]
    told = compared(fits, "spectral")
    assert told["kept"] == "spectral"
    assert [(one["name"], one["dim"], one["validation"]) for one in told["tried"]] == [
        *(("joined_hybrid", 96, 0.3), ("spectral", 32, 0.2), ("hybrid", 64, 0.1)),
    ]
    assert [one["taught"] for one in told["tried"]] == [False, False, True]
    assert told["tried"][0]["parts"] == ["spectral", "hybrid"]


def test_where_nobody_could_be_asked_there_is_no_figure(tmp_path):
    told = compared([fitted(tmp_path, "hybrid", None)], "hybrid")
    assert [one["validation"] for one in told["tried"]] == [None]


def test_a_person_sees_what_was_kept_and_the_figures_of_all(finished, tmp_path):
    fits = [fitted(tmp_path, "untaught", 0.1), fitted(tmp_path, "spectral", 0.2, method="spectral", dim=32)]
    _, result = finished
    kept = {"method": "spectral", "dim": 32, "validation_metric": "ndcg_at_20"}
    training = result["training"] | kept | compared(fits, "spectral")
    stream = io.StringIO()
    show("run", result | {"training": training}, Console(file=stream, width=80, highlight=False))
    lines = stream.getvalue().splitlines()
    assert "closed form, 32 dimensions; validation NDCG@20 0.2000; kept of 2" in stream.getvalue()
    assert ["spectral", "32", "0.2000", "kept"] in [line.split() for line in lines]
    assert ["untaught", "64", "0.1000"] in [line.split() for line in lines]


def test_mlflow_is_told_what_was_kept_and_not_only_what_was_asked_for(finished):
    home, result = finished
    client = MlflowClient(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}")
    version = client.get_model_version(result["registry"]["name"], "1")
    params = client.get_run(version.run_id).data.params
    assert params["train.method"] == "auto"
    assert (params["kept.name"], params["kept.method"], params["kept.dim"]) == ("hybrid", "hybrid", "8")
    assert float(params["tried.hybrid"]) == result["training"]["tried"][0]["validation"]
