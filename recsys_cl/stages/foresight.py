"""What would fail after hours, refused in the first second: names, settings that contradict each other, lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recsys_cl.config import RunConfig, TrainConfig
from recsys_cl.contrast.mixture import OBJECTIVES, TEMPERINGS
from recsys_cl.contrast.queue import require_room
from recsys_cl.contrast.supervised import LOSSES
from recsys_cl.errors import ConfigError, nearest
from recsys_cl.evaluation.comparison import BASELINES
from recsys_cl.evaluation.metrics import METRICS
from recsys_cl.families import member, members
from recsys_cl.retrieval.candidate_tables import checked_suffix
from recsys_cl.retrieval.id_files import read_ids
from recsys_cl.towers.two_tower import CANDIDATE_ENCODERS, QUERY_ENCODERS, SIMILARITIES, require_comparable

# What a loss may need of a similarity, and the attribute of those that give it.
_NEEDS = {
    "NEEDS_DISTANCE": ("IS_DISTANCE", "squared distances"),
    "NEEDS_PRODUCT": ("query_divisor", "inner products of the vectors themselves"),
}


def require_sound(config: RunConfig, until: str = "candidates", out: Path | None = None) -> None:
    """Look whether the settings of the stages up to ``until`` can work at all.

    Args:
        config: all settings.
        until: the last stage that will run.
        out: where candidates are to be written.

    Raises:
        ConfigError: a name is not known, the closed form has no place in the user tower, the gate asks for what is not
            measured, or candidates cannot be written so.
        InputError: a list of allowed or denied items cannot be read.
    """
    for family, name in _named(config):
        member(family, name)
    _require_settings(config.train)
    _require_place_to_start(config)
    _require_joinable(config.train)
    if until in {"register", "candidates"}:
        _require_measured(config)
    if until == "candidates":
        require_writable(config, out)


def require_writable(config: RunConfig, out: Path | None) -> None:
    """Look whether candidates can be written to ``out`` (None: in the workspace), with the lists of items given.

    Raises:
        ConfigError: the format is not known.
        InputError: a list of allowed or denied items cannot be read.
    """
    if out is not None:
        checked_suffix(out)
    for path in filter(None, (config.candidates.allow, config.candidates.deny)):
        read_ids(path, "item_id")


def _named(config: RunConfig) -> Iterator[tuple[str, str]]:
    if config.ingest.format is not None:
        yield "recsys_cl.interactions.readers", config.ingest.format
    yield QUERY_ENCODERS, config.train.query_encoder
    yield CANDIDATE_ENCODERS, config.train.candidate_encoder
    yield SIMILARITIES, config.train.similarity
    yield from ((OBJECTIVES, one.name) for one in (*config.train.objective, *config.train.pretrain))
    yield TEMPERINGS, config.train.tempering.name
    if config.train.loss is not None:
        yield LOSSES, config.train.loss.name
    for name in config.evaluate.baselines:
        yield BASELINES, name
    if config.index.index_kind != "auto":
        yield "recsys_cl.retrieval.index_kinds", config.index.index_kind


def _require_settings(train: TrainConfig) -> None:
    """Refuse a method's own settings that it does not know, and methods that cannot go together."""
    for phase in (train, train.pretraining) if train.pretrain else (train,):
        _require_weights(phase)
    require_comparable(train.query_encoder, train.candidate_encoder, train.similarity)
    for size, setting in _queues(train):
        if size:
            require_room(size, train.batch_size, setting)


def _require_weights(train: TrainConfig) -> None:
    methods = [(OBJECTIVES, one) for one in train.objective]
    methods += [(LOSSES, train.loss)] if train.loss is not None else []
    for family, method in (*methods, (TEMPERINGS, train.tempering)):
        try:
            member(family, method.name).Config.of(method.settings)
        except ConfigError as error:
            raise ConfigError(f"Of {method.name!r}: {error}") from error
    if not any(method.weight for _, method in methods):
        raise ConfigError("Nothing would be learned: neither --loss nor any --objective has a weight above nought.")
    contrasting = [
        m.name for family, m in methods if m.weight and getattr(member(family, m.name), "USES_NEGATIVES", True)
    ]
    others = [one.name for one in train.objective if one.weight and one.name not in contrasting]
    if contrasting and others:
        raise ConfigError(
            f"The objective {others[0]!r} learns without negatives and cannot go with {contrasting[0]!r}, which needs "
            "them. Say --loss none, or leave the objective out."
        )
    needy = [
        one.name for one in train.objective if one.weight and getattr(member(OBJECTIVES, one.name), "NEEDS_LOSS", False)
    ]
    if needy and (train.loss is None or not train.loss.weight):
        raise ConfigError(f"The objective {needy[0]!r} needs a main loss, and there is none; name one by --loss.")
    _require_sense(train)


def _require_sense(train: TrainConfig) -> None:
    """Refuse a main loss that makes no sense of the similarity, or has nothing to contrast with."""
    if train.loss is None or not train.loss.weight:
        return
    loss = member(LOSSES, train.loss.name)
    for needs, (gives, what) in _NEEDS.items():
        able = [name for name in members(SIMILARITIES) if hasattr(member(SIMILARITIES, name), gives)]
        if getattr(loss, needs, False) and train.similarity not in able:
            raise ConfigError(
                f"The loss {train.loss!s} needs {what}, which --similarity {train.similarity} does not give; "
                f"name one of {', '.join(able)}."
            )
    drawn = train.uniform_negatives + train.popular_negatives
    if getattr(loss, "USES_NEGATIVES", True) and not (train.in_batch_negatives or drawn):
        raise ConfigError(
            f"The loss {train.loss!s} needs negatives, and there are none: with --no-in-batch-negatives say how many "
            "--uniform-negatives or --popular-negatives are drawn."
        )


def _queues(train: TrainConfig) -> Iterator[tuple[int, str]]:
    yield train.queue_size, "--queue-size"
    for one in (*train.objective, *train.pretrain):
        config = member(OBJECTIVES, one.name).Config.of(one.settings)
        yield getattr(config, "queue_size", 0), f"{one.name}:queue_size"


def _require_place_to_start(config: RunConfig) -> None:
    """Refuse a user tower that lacks the table which the closed form fills."""
    asked, method = config.train.query_encoder, config.train.method
    able = [name for name in members(QUERY_ENCODERS) if "context" in member(QUERY_ENCODERS, name).Encoder.reads]
    if method in {"hybrid", "auto"} and asked not in able:
        raise ConfigError(
            f"Method {method} cannot train the query encoder {asked!r}: it has no context table for the closed form to "
            f"start from. Name another with --query-encoder ({', '.join(sorted(able))}), or say --method gradient."
        )


def _require_joinable(train: TrainConfig) -> None:
    """Refuse to join parts that are not compared by the inner product of their vectors."""
    able = [name for name in members(SIMILARITIES) if hasattr(member(SIMILARITIES, name), "query_divisor")]
    joins = train.method == "auto" and train.embedding_dim is None and train.budget_seconds > 0
    if joins and train.similarity not in able:
        raise ConfigError(
            f"Method auto joins what it learns with the closed form, and cannot by --similarity {train.similarity}. "
            f"Name another ({', '.join(able)}), or give --embedding-dim, or say --method gradient or hybrid."
        )


def _require_measured(config: RunConfig) -> None:
    asked, evaluate = config.gate.gate_metric, config.evaluate
    names = [*METRICS, *(["capped_recall"] if evaluate.capped_recall else [])]
    known = [f"{name}_at_{k}" for name in names for k in evaluate.ks]
    if asked not in known:
        metric, _, k = asked.rpartition("_at_")
        lacking = metric in names and k.isdigit()
        remedy = f" Add {k} to --ks, or name another with --gate-metric." if lacking else ""
        raise ConfigError(f"The gate compares {asked!r}, which would not be measured.{remedy or nearest(asked, known)}")
    if config.gate.beat_popularity and "popularity" not in evaluate.baselines:
        raise ConfigError(
            "The gate asks that the model beat popularity, which would not be measured. Add popularity to --baselines, "
            "or say --no-beat-popularity."
        )
