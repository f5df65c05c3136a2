"""What the run behind a version records: settings, figures, the data, the reports, and the bundle itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import recsys_cl
from recsys_cl.pairs.vocabulary import Vocabulary
from recsys_cl.registry import serving
from recsys_cl.retrieval.manifest import Manifest

OfMlflow: TypeAlias = Any  # its modules and classes, which have no types we could rely on


@dataclass(frozen=True)
class Record:
    """What is told about a version.

    Attributes:
        params: settings; nested ones are flattened to names such as `train.epochs`.
        metrics: figures by name, such as `recall_at_20`.
        data_source: a few words on the data: file or data set name.
        reports: files to keep with the run.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    data_source: str = ""
    reports: Sequence[Path] = ()


def log(mlflow: OfMlflow, bundle: Path, manifest: Manifest, record: Record) -> OfMlflow:
    """Fill the run that is open, with ``mlflow`` the library itself; return the model logged."""
    data = mlflow.data.meta_dataset.MetaDataset(
        mlflow.data.code_dataset_source.CodeDatasetSource({"source": record.data_source}),
        name=record.data_source or manifest.name,
        digest=manifest.data_digest[:36],  # the most MLflow keeps; the whole one is a tag of the version
    )
    mlflow.log_input(data, context="training")
    mlflow.log_params(flat(record.params))
    mlflow.set_tags({"package_version": manifest.package_version, "git_commit": manifest.git_commit or "unknown"})
    logged = mlflow.pyfunc.log_model(
        name="bundle",
        loader_module=serving.__name__,
        data_path=str(bundle),
        signature=_signature(mlflow, bundle),
        pip_requirements=[f"recsys-cl=={recsys_cl.__version__}"],
        metadata={"bundle_digest": manifest.digest},
    )
    mlflow.log_metrics(dict(record.metrics), model_id=logged.model_id, dataset=data)
    for path in record.reports:
        mlflow.log_artifact(str(path), "report")
    return logged


def _signature(mlflow: OfMlflow, bundle: Path) -> OfMlflow:
    types = mlflow.types
    written = {"integer": "long", "string": "string"}
    vocabulary = Vocabulary.load(bundle)
    user, item = written[vocabulary.user_kind], written[vocabulary.item_kind]
    answer = {"user_id": user, "item_id": item, "score": "float", "rank": "integer", "source": "string"}
    kinds = {bool: "boolean", int: "long"}
    return mlflow.models.ModelSignature(
        inputs=types.Schema([types.ColSpec(user, serving.COLUMN)]),
        outputs=types.Schema([types.ColSpec(kind, name) for name, kind in answer.items()]),
        params=types.ParamSchema(
            [types.ParamSpec(name, kinds[type(value)], value) for name, value in serving.PARAMS.items()]
        ),
    )


def flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings under names such as `train.epochs`."""
    told: dict[str, Any] = {}
    for name, value in params.items():
        inner = isinstance(value, Mapping)
        told |= flat(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return told
