"""Settings as a YAML file that ``--config`` takes."""

from __future__ import annotations

from typing import Any

import yaml

from recsys_cl.config import RunConfig
from recsys_cl.settings import Method


def as_yaml(config: RunConfig, head: str) -> str:
    """Return all settings that are not the defaults, below ``head`` as a comment; methods in their short form."""
    told: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=True, exclude={"tune"})
    train = told.setdefault("train", {})
    for name in ("loss", "tempering"):
        if name in train:
            train[name] = _short(getattr(config.train, name))
    for name in ("objective", "pretrain"):
        if name in train:
            train[name] = [str(one) for one in getattr(config.train, name)]
    return f"# {head}\n{yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=1000)}"


def _short(method: Method | None) -> str:
    return "none" if method is None else str(method)
