"""Settings from a file and from flags: the same names, the same strictness."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys_cl.config import STAGES, RunConfig, load_config, stage_of
from recsys_cl.errors import ConfigError


def in_file(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text)
    return path


def test_flags_lie_over_the_file_and_the_file_over_the_defaults(tmp_path):
    path = in_file(tmp_path, "seed: 3\ntrain: {epochs: 7, patience: 2}\ningest:\n  since: 2024-01-01T00:00:00Z\n")
    config = load_config(path, {"epochs": 9, "ks": ["5", "20"]})
    assert (config.seed, config.train.epochs, config.train.patience) == (3, 9, 2)
    assert config.evaluate.ks == (5, 20)
    assert config.ingest.since == datetime(2024, 1, 1, tzinfo=UTC)
    assert config.train.batch_size == RunConfig().train.batch_size
    assert load_config(None, {}) == RunConfig()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("trian: {epochs: 3}", ["'trian'", "'train'"]),
        ("train: {epoch: 3}", ["'train.epoch'", "'epochs'"]),
        ("epochs: 3", ["'epochs'", "belongs under 'train'"]),
        ("train: {min_value: 4}", ["'train.min_value'", "belongs under 'ingest'"]),
        ("train: {seed: 4}", ["'train.seed'", "top"]),
        ("train: {epochs: many}", ["'train.epochs'", "'many'", "integer"]),
        ("train: {epochs: 0}", ["'train.epochs'", "greater than or equal to 1"]),
        ("train: {schedule: angle}", ["'cosine'"]),
        ("train: 3", ["'train'", "keys and values"]),
        ("evaluate: {ks: []}", ["'evaluate.ks'"]),
        ("- train", ["keys and values"]),
        ("train: {epochs: [", ["not YAML"]),
        ("train: {epochs: 0, patience: 0}", ["'train.epochs'", "'train.patience'"]),
    ],
)
def test_what_a_file_gets_wrong_is_named(text, words, tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_config(in_file(tmp_path, text), {})
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml cannot be read"):
        load_config(tmp_path / "gone.yaml", {})
    assert load_config(in_file(tmp_path, ""), {}) == RunConfig()


def test_a_setting_is_of_one_stage_only():
    names = [name for model in STAGES.values() for name in model.model_fields]
    assert len(names) == len(set(names))
    assert all(stage_of(name) for name in names)
    assert stage_of("seed") is None


def test_every_setting_is_described_and_frozen():
    for model in STAGES.values():
        assert all(field.description for field in model.model_fields.values())
    with pytest.raises(ValidationError):
        RunConfig().train.epochs = 3


@given(epochs=st.integers(1, 10**6), learning_rate=st.floats(1e-9, 1e3), seed=st.integers(0, 2**40))
def test_settings_survive_json(epochs, learning_rate, seed):
    config = RunConfig.of({"seed": seed, "train": {"epochs": epochs, "learning_rate": learning_rate}})
    assert RunConfig.of(config.model_dump(mode="json")) == config
