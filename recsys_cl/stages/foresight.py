"""What would fail after hours, refused in the first second: names, settings that contradict each other, lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recsys_cl.config import RunConfig
from recsys_cl.errors import ConfigError, nearest
from recsys_cl.evaluation.comparison import BASELINES
from recsys_cl.evaluation.metrics import METRICS
from recsys_cl.families import member, members
from recsys_cl.retrieval.candidate_tables import checked_suffix
from recsys_cl.retrieval.id_files import read_ids

QUERY_ENCODERS = "recsys_cl.towers.query_encoders"


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
    _require_place_to_start(config)
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
    yield "recsys_cl.towers.candidate_encoders", config.train.candidate_encoder
    yield "recsys_cl.contrast.objectives", config.train.objective
    for name in config.evaluate.baselines:
        yield BASELINES, name
    if config.index.index_kind != "auto":
        yield "recsys_cl.retrieval.index_kinds", config.index.index_kind


def _require_place_to_start(config: RunConfig) -> None:
    """Refuse a user tower that lacks the table which the closed form fills."""
    asked, method = config.train.query_encoder, config.train.method
    able = [name for name in members(QUERY_ENCODERS) if "context" in member(QUERY_ENCODERS, name).Encoder.reads]
    if method in {"hybrid", "auto"} and asked not in able:
        raise ConfigError(
            f"Method {method} cannot train the query encoder {asked!r}: it has no context table for the closed form to "
            f"start from. Name another with --query-encoder ({', '.join(sorted(able))}), or say --method gradient."
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
