"""Every setting, one frozen strict model per stage.

A field is at once a key in the YAML file, a flag of the command line (``min_value`` is ``--min-value``) and, by
its description, a line of the help. This file imports nothing heavy, so that help is quick.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field

from recsys_cl.errors import ConfigError
from recsys_cl.settings import Method, Search, Settings, stages_of

TIME = r"^\d+(\.\d+)?[smh]$"  # 30s, 2m, 1h


class IngestConfig(Settings):
    """How a log is read and cleaned."""

    format: str | None = Field(None, description="reader by name; inferred from the file when not given")
    delimiter: str | None = Field(None, description="field separator of a text file; inferred when not given")
    header: bool | None = Field(None, description="whether a text file's first line names its columns")
    user_col: str | None = Field(None, description="column (name, or number from 1) that tells who")
    item_col: str | None = Field(None, description="column that tells what")
    value_col: str | None = Field(None, description="column that tells how much (rating, quantity)")
    time_col: str | None = Field(None, description="column that tells when")
    title_col: str | None = Field(None, description="column with the item's title, for people to read")
    category_col: str | None = Field(None, description="column with the item's category or categories")
    time_unit: Literal["s", "ms", "us", "ns", "iso", "datetime"] | None = Field(None, description="unit of the times")
    ordered: bool | None = Field(None, description="whether row order is the order in time where there are no times")
    min_value: float | None = Field(None, description="keep only interactions of at least this value")
    since: datetime | None = Field(None, description="keep only interactions at or after this instant (UTC)")
    until: datetime | None = Field(None, description="keep only interactions before this instant (UTC)")
    repeats: Literal["first", "last", "all"] = Field(
        "first", description="which of a user's interactions with the same item to keep"
    )
    user_core: int = Field(1, ge=1, description="drop users with fewer interactions, repeatedly (k-core)")
    item_core: int = Field(1, ge=1, description="drop items with fewer interactions, repeatedly (k-core)")
    max_id_length: int = Field(1024, ge=1, description="characters in an id; rows with longer ids are quarantined")
    batch_rows: int = Field(500_000, ge=1, description="rows held in memory at a time")


class SplitConfig(Settings):
    """Which interactions teach and which examine."""

    split: Literal["auto", "time", "last", "random", "given"] = Field(
        "auto", description="auto: given if given, else by time, else leave the last out, else random"
    )
    validation_share: float = Field(0.1, gt=0, lt=0.5, description="share of interactions for validation")
    test_share: float = Field(0.1, gt=0, lt=0.5, description="share of interactions for the test")


class PairsConfig(Settings):
    """How contrastive pairs are made from the training part."""

    history: Literal["before", "others"] = Field(
        "others",
        description="a pair's history with --targets one: only what came before the target, or all else the user did",
    )
    history_length: int = Field(500, ge=1, description="the most recent items of a history that are used")
    catalogue: Literal["taken", "listed"] = Field(
        "taken", description="items to recommend: those that someone took, or all that --items lists besides"
    )
    weighting: Literal["uniform", "value"] = Field("uniform", description="weight of a pair in the loss")
    shard_pairs: int = Field(1 << 20, ge=1, description="pairs in one memory-mapped shard")


class TrainConfig(Settings):
    """The two towers and how they are trained."""

    method: Literal["auto", "spectral", "gradient", "hybrid"] = Field(
        "auto",
        description="closed form, gradient descent, gradient descent from the closed form, or what validation likes",
    )
    budget: str = Field(
        "120s",
        pattern=TIME,
        description="time for choosing settings and training; 0s takes them as given",
    )
    embedding_dim: Annotated[int | None, Search(16, 256, log=True, named=True)] = Field(
        None, ge=1, le=4096, description="length of a user or item vector; chosen within the budget, else 64"
    )
    query_encoder: str = Field("aged_history", description="the user tower, by name")
    candidate_encoder: str = Field("item_id", description="the item tower, by name")
    similarity: str = Field("cosine", description="how a user and an item vector are compared, by name")
    item_bias: Annotated[bool, Search(named=True)] = Field(
        True, description="learn a score of its own for each item, whoever asks"
    )
    temperature: Annotated[float, Search(0.02, 1.0, log=True)] = Field(
        0.1, gt=0, description="what scores are divided by; where it starts if it changes"
    )
    tempering: Method = Field(
        Method(name="fixed"),
        description="whether the temperature changes, and how: a name, with settings as --loss has",
    )
    loss: Annotated[Method | None, BeforeValidator(lambda value: None if value == "none" else value)] = Field(
        Method(name="sampled_softmax"),
        description="what users and the items they took teach: name:setting=value:setting=value, or none",
    )
    objective: tuple[Method, ...] = Field((), description="what else is learned, written as --loss is, with a weight")
    targets: Literal["one", "many"] = Field(
        "many", description="positives of a query: one pair's, or all that follow where a history is cut"
    )
    window: Annotated[int, Search(2, 100, log=True)] = Field(
        50, ge=1, description="most positives of a query that follow a cut"
    )
    age_exponents: Annotated[tuple[Annotated[float, Field(ge=0)], ...] | None, Search(0.0, 2.0)] = Field(
        None,
        min_length=1,
        description="powers of age by which older history counts less, if ordered, each in its share of the vector; "
        "chosen within the budget, else 0.5",
    )
    taught_items: Annotated[int, Search(10, 200, log=True)] = Field(
        50, ge=0, description="items a user's history is taught to find, the closed form's best; hybrid only; 0 is none"
    )
    teacher_dim: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="dimensions of the closed form that a hybrid starts and learns from; chosen within the budget, "
        "else 256",
    )
    pretrain: tuple[Method, ...] = Field(
        (), description="objectives that alone are learned first, written as --objective is; the rest starts from there"
    )
    pretrain_epochs: Annotated[int, Search(1, 20, log=True, named=True)] = Field(
        5, ge=1, description="passes over the log in which they are"
    )
    log_q_exponent: Annotated[float, Search(0.0, 1.5)] = Field(
        1.0, ge=0, le=2, description="strength of the log q correction; 0 is none"
    )
    in_batch_negatives: Annotated[bool, Search(named=True)] = Field(
        True, description="let positives of other queries be negatives"
    )
    uniform_negatives: Annotated[int, Search(256, 16_384, log=True)] = Field(
        4096, ge=0, description="uniformly drawn items a batch shares as more negatives"
    )
    popular_negatives: Annotated[int, Search(256, 8_192, log=True)] = Field(
        0, ge=0, description="such items drawn by a power of their popularity"
    )
    popularity_exponent: Annotated[float, Search(0.0, 1.0)] = Field(0.75, ge=0, le=2, description="that power")
    hardest_negatives: Annotated[int, Search(16, 1_024, log=True)] = Field(
        0, ge=0, description="of its negatives a query keeps so many, the most similar; 0: all"
    )
    hardest_after: int = Field(200, ge=0, description="steps before only the hardest are kept")
    queue_size: Annotated[int, Search(2_048, 65_536, log=True)] = Field(
        0, ge=0, description="items of earlier batches that are negatives too, as they were then"
    )
    queue_after: int = Field(200, ge=0, description="steps before the queue is used")
    id_dropout: Annotated[float, Search(0.0, 0.5)] = Field(
        0.1, ge=0, lt=1, description="share of user ids hidden, so that history can stand alone"
    )
    epochs: int = Field(30, ge=1, description="most passes over the pairs")
    batch_size: Annotated[int, Search(128, 2_048, log=True, named=True)] = Field(
        512, ge=2, description="queries in a step"
    )
    learning_rate: Annotated[float, Search(0.001, 0.1, log=True)] = Field(
        0.01, gt=0, description="highest learning rate"
    )
    warmup_steps: int = Field(100, ge=0, description="steps over which the learning rate rises")
    schedule: Annotated[Literal["cosine", "constant"], Search(named=True)] = Field(
        "cosine", description="how the learning rate falls after warm-up"
    )
    weight_decay: Annotated[float, Search(0.0, 0.2)] = Field(
        0.0, ge=0, description="decoupled decay of the rows a step touches"
    )
    patience: int = Field(3, ge=1, description="validations without improvement before training stops")
    checkpoint_seconds: float = Field(60, gt=0, description="seconds between checkpoints")
    popularity_prior: Annotated[bool, Search(named=True)] = Field(
        True, description="add recent popularity to scores, as strongly as validation likes"
    )
    refit: Literal["train_and_validation", "all"] = Field(
        "train_and_validation", description="data of the registered model; 'all' refits once more with the test part"
    )

    @property
    def budget_seconds(self) -> float:
        """The budget in seconds."""
        return seconds_of(self.budget)

    @property
    def dim(self) -> int:
        """Length of a vector where none was chosen."""
        return self.embedding_dim or 64

    @property
    def taught(self) -> bool:
        """Whether gradient descent learns from what the closed form recommends."""
        return self.method == "hybrid" and self.targets == "many" and self.taught_items > 0

    @property
    def learned(self) -> str:
        """What gradient descent learns, in the short form of methods."""
        losses = [str(one) for one in (self.loss, *self.objective) if one is not None and one.weight]
        first = f", after {' + '.join(map(str, self.pretrain))}" if self.pretrain else ""
        return " + ".join(losses) + first

    @property
    def pretraining(self) -> TrainConfig:
        """Settings of what comes first."""
        first = {"loss": None, "objective": self.pretrain, "pretrain": (), "epochs": self.pretrain_epochs}
        return self.model_copy(update=first)

    @property
    def solved_dim(self) -> int:
        """Dimensions in which the closed form is solved, as a start or as a teacher."""
        return max(self.dim, self.teacher_dim or 256) if self.method == "hybrid" else self.dim

    @property
    def ages(self) -> tuple[float, ...]:
        """Powers of age where none were chosen."""
        return self.age_exponents or (0.5,)


class SpectralConfig(Settings):
    """The closed form of the spectral contrastive loss."""

    spectral_positives: Literal["user_item", "item_item"] = Field(
        "user_item", description="what belongs together: users and their items, or neighbours in ordered histories"
    )
    neighbour_window: int = Field(10, ge=1, description="how far apart neighbours are in a history at most")
    neighbour_exponent: float = Field(1.0, ge=0, description="power of the distance by which neighbours count less")
    user_exponent: Annotated[float, Search(0.0, 1.0)] = Field(
        0.35, ge=0, le=1, description="how much less an active user's interactions count"
    )
    item_exponent: Annotated[float, Search(0.0, 1.0)] = Field(
        0.4, ge=0, le=1, description="how much less a popular item's interactions count"
    )
    spectral_power: Annotated[float, Search(0.0, 1.5)] = Field(
        0.7, ge=0, le=2, description="power of the singular values in a user vector"
    )
    spectral_age_exponents: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (0.5, 1.5),
        min_length=1,
        description="powers of age by which older history counts less in a user vector, if ordered; it is their mean",
    )
    pair_age_exponent: float = Field(
        0.15, ge=0, description="power of age by which older interactions teach less, if ordered"
    )
    tolerated_error: float = Field(1e-2, gt=0, lt=1, description="share of the energy that may be missing")
    most_rounds: int = Field(12, ge=1, description="rounds after which the solver ends in any case")


class TuneConfig(Settings):
    """How settings are searched."""

    trials: int = Field(30, ge=1, description="settings that are tried; those that are given come first")
    tuning_time: str | None = Field(None, pattern=TIME, description="time after which no other trial begins; 0s is one")
    search: tuple[str, ...] = Field(
        (), description="settings to search: names, also NAME=LOW..HIGH; all that the methods heed and nobody gave"
    )
    pruner: Literal["median", "hyperband", "none"] = Field("median", description="which trials are given up early")
    prune_after: int = Field(5, ge=0, description="epochs before a trial may be given up")


class EvaluateConfig(Settings):
    """What is measured, and against whom."""

    ks: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (5, 10, 20, 50, 100), min_length=1, description="list lengths to measure at"
    )
    baselines: tuple[str, ...] = Field(
        ("popularity", "recent_popularity", "item_knn", "ease"), description="baselines, by name"
    )
    capped_recall: bool = Field(False, description="also report hits over min(k, relevant)")
    ease_max_items: int = Field(15_000, ge=1, description="largest catalogue for which EASE is solved (O(items cubed))")
    bootstrap_samples: int = Field(1000, ge=100, description="resamples of users for confidence intervals")
    confidence: float = Field(0.95, gt=0, lt=1, description="coverage of the confidence intervals")


class DiagnoseConfig(Settings):
    """How much is looked at to tell how the space of vectors looks."""

    diagnosed_users: int = Field(2000, ge=1, description="users drawn to look at their vectors and lists")
    diagnosed_items: int = Field(2000, ge=1, description="items drawn to look at their vectors")
    diagnosed_pairs: int = Field(3000, ge=2, description="user-item pairs drawn of each kind")
    diagnosed_k: int = Field(
        20, ge=1, description="length of the lists whose spread is measured, a tenth of the catalogue at most"
    )
    mapped_items: int = Field(1000, ge=1, le=3000, description="items with categories drawn on the map")


class IndexConfig(Settings):
    """How vectors are searched."""

    index_kind: str = Field("auto", description="auto, or an index kind by name")
    index_recall: float = Field(0.99, gt=0, le=1, description="recall against exact search that must be reached")
    index_max_bytes_per_item: int | None = Field(None, ge=1, description="size that the index must keep to")
    exact_below: int = Field(50_000, ge=0, description="catalogue size below which search is exact")
    tuning_queries: int = Field(1000, ge=1, description="real user vectors on which the index is measured")


class GateConfig(Settings):
    """When a challenger becomes champion."""

    gate_metric: str = Field("recall_at_20", description="the metric compared")
    tolerance: float = Field(0.02, ge=0, le=1, description="relative loss against the champion that is still accepted")
    gate_confidence: float = Field(0.8, gt=0.5, lt=1, description="confidence that the loss is within the tolerance")
    min_coverage: float = Field(0.01, ge=0, le=1, description="least share of the catalogue recommended to anyone")
    beat_popularity: bool = Field(True, description="whether a model must beat popularity")
    min_rank_share: float = Field(
        0.05, ge=0, le=1, description="least effective rank of the vectors, between 1 (0) and a random matrix's (1)"
    )
    max_mean_cosine: float = Field(0.99, ge=-1, le=1, description="highest mean cosine of two users or of two items")
    min_list_spread: float = Field(
        0.02, ge=0, le=1, description="least spread of the lists, between one list for all (0) and all evenly (1)"
    )


class CandidatesConfig(Settings):
    """Which candidates are written, for whom."""

    k: int = Field(100, ge=1, description="candidates a user")
    exclude_seen: bool = Field(True, description="leave out what the user already has")
    allow: Path | None = Field(None, description="file of item ids; only these may be recommended")
    deny: Path | None = Field(None, description="file of item ids never to recommend")
    batch_users: int = Field(4096, ge=1, description="users held in memory at a time")


class RunConfig(Settings):
    """All stages of a run, and what they share."""

    seed: int = Field(0, ge=0, description="seed of everything random")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where tensors live")
    ingest: IngestConfig = IngestConfig()
    split: SplitConfig = SplitConfig()
    pairs: PairsConfig = PairsConfig()
    spectral: SpectralConfig = SpectralConfig()
    train: TrainConfig = TrainConfig()
    tune: TuneConfig = TuneConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    diagnose: DiagnoseConfig = DiagnoseConfig()
    index: IndexConfig = IndexConfig()
    gate: GateConfig = GateConfig()
    candidates: CandidatesConfig = CandidatesConfig()


STAGES: dict[str, type[Settings]] = dict(stages_of(RunConfig))


def load_config(path: Path | None, overrides: dict[str, Any]) -> RunConfig:
    """Read a YAML file of settings, nested by stage, and lay ``overrides`` (flat, by field name) over it.

    Raises:
        ConfigError: the file is missing, is not YAML, or holds an unknown key or a bad value.
    """
    values = _read_yaml(path) if path else {}
    for key, value in overrides.items():
        stage = stage_of(key)
        if stage is None:
            values[key] = value
        else:
            values[stage] = {**values.get(stage, {}), key: value}
    return RunConfig.of(values)


def seconds_of(time: str) -> float:
    """Return the seconds that ``time``, such as 30s, 2m or 1h, says."""
    return float(time[:-1]) * {"s": 1, "m": 60, "h": 3600}[time[-1]]


def stage_of(field: str) -> str | None:
    """Return the stage that has the setting ``field``; None for one that all stages share."""
    return next((stage for stage, model in STAGES.items() if field in model.model_fields), None)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"The settings file {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {path} is not YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"The settings file {path} must hold keys and values, like 'train: {{epochs: 20}}'.")
    for stage in STAGES:
        if not isinstance(values.get(stage, {}), dict):
            raise ConfigError(f"In {path}, {stage!r} must hold keys and values, not {values[stage]!r}.")
    return values
