"""What the tests of training share."""

from __future__ import annotations

import pytest
from planted_log import planted_histories

from recsys_cl.config import PairsConfig, TrainConfig
from recsys_cl.pairs.pair_set import PairSet, write_pairs


@pytest.fixture
def planted(tmp_path) -> PairSet:
    """Return pairs of the planted histories."""
    return write_pairs(planted_histories(), tmp_path / "pairs", PairsConfig())


@pytest.fixture
def small() -> TrainConfig:
    """Return settings that learn the planted pattern in a second from pairs dealt out one by one."""
    return TrainConfig(
        query_encoder="history_and_id",
        targets="one",
        embedding_dim=8,
        batch_size=64,
        epochs=6,
        learning_rate=0.05,
        uniform_negatives=8,
        patience=2,
    )


@pytest.fixture
def small_cuts(small: TrainConfig) -> TrainConfig:
    """Return settings that learn it from histories cut in two."""
    return small.model_copy(update={"query_encoder": "aged_history", "targets": "many", "batch_size": 16, "window": 4})
