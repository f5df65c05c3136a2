"""How much gradient descent there is time for, of which kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recsys_cl.config import PairsConfig, TrainConfig
from recsys_cl.pairs.histories import Histories
from recsys_cl.pairs.pair_set import PairSet, write_pairs
from recsys_cl.stages import descent
from recsys_cl.stages.descent import Descent


@pytest.fixture
def pairs(tmp_path: Path) -> PairSet:
    items = np.tile(np.arange(4, dtype=np.int32), 6)
    histories = Histories(np.arange(7) * 4, items, None, np.ones(24, np.float32), 5)
    return write_pairs(histories, tmp_path / "pairs", PairsConfig())


def made(pairs: PairSet, *, ordered: bool = True, **settings: object) -> Descent:
    return Descent(pairs, TrainConfig.of({"epochs": 30, **settings}), ordered, seed=0, device="cpu")


def timed(monkeypatch: pytest.MonkeyPatch, *, taught: float, alone: float) -> None:
    """Let an epoch take so many seconds, safety included."""

    def seconds(*_: object, lists: object, **__: object) -> float:
        return (alone if lists is None else taught) / descent.SAFETY

    monkeypatch.setattr(descent, "seconds_an_epoch", seconds)


@pytest.mark.parametrize(
    ("taught", "alone", "epochs"),
    [
        (1e-9, 1e-9, {"sequential": 30, "hybrid": 30, "untaught": 30}),
        (3.0, 1.0, {"sequential": 25, "hybrid": 8, "untaught": 25}),  # (120 - 2 * 10) / 4 seconds each
        (4.0, 1.0, {"sequential": 30, "hybrid": 8}),  # (120 - 2 * 10) / 3
        (7.0, 1.4, {"sequential": 30}),  # four epochs with a teacher are too few to try both
        (7.0, 4.0, {"sequential": 15}),
        (7.0, 70.0, {"hybrid": 7}),  # 120 / 2 seconds less 10 for lists
        (70.0, 70.0, {}),
    ],
)
def test_as_many_epochs_as_a_few_fits_have_time_for(pairs, monkeypatch, taught, alone, epochs):
    timed(monkeypatch, taught=taught, alone=alone)
    assert made(pairs).epochs(120.0, teaching=10.0, judging=0.0) == epochs


def test_judging_takes_its_time_from_every_kind(pairs, monkeypatch):
    timed(monkeypatch, taught=4.0, alone=1.0)
    assert made(pairs).epochs(126.0, teaching=10.0, judging=3.0) == {"sequential": 30, "hybrid": 8}
    assert made(pairs).epochs(125.0, teaching=10.0, judging=95.0) == {"sequential": 15}


def test_where_vectors_are_short_the_teacher_comes_first(pairs, monkeypatch):
    timed(monkeypatch, taught=7.0, alone=1.4)
    for settings in ({"embedding_dim": 8}, {"method": "hybrid"}):
        assert made(pairs, **settings).epochs(120.0, teaching=10.0, judging=0.0) == {"hybrid": 7}
        assert made(pairs, **settings).epochs(30.0, teaching=10.0, judging=0.0) == {"sequential": 10}
        assert made(pairs, **settings).least_seconds(2, teaching=10.0) == pytest.approx(2 * (2 * 7 + 10))
    assert made(pairs).least_seconds(2, teaching=10.0) == pytest.approx(2 * 2 * 1.4)


def test_an_ordered_history_may_be_read_in_two_ways(pairs):
    config = made(pairs).kinds["sequential"]
    assert (config.embedding_dim, config.age_exponents, config.taught_items) == (128, (0.5, 3.0), 0)
    assert made(pairs, embedding_dim=10).kinds["sequential"].embedding_dim == 10
    assert list(made(pairs, ordered=False).kinds) == ["untaught", "hybrid"]
    assert list(made(pairs, age_exponents=(1.0,)).kinds) == ["untaught", "hybrid"]
    assert made(pairs, age_exponents=(1.0,)).kinds["untaught"].age_exponents == (1.0,)


def test_without_lessons_nobody_is_taught(pairs):
    assert list(made(pairs, targets="one").kinds) == ["untaught"]
    assert list(made(pairs, taught_items=0).kinds) == ["sequential", "untaught"]
    assert len(made(pairs, taught_items=0).taught) == 0
    assert made(pairs).taught.tolist() == list(range(6))


def test_the_closed_form_alone_needs_none(pairs, tmp_path):
    assert made(pairs, method="spectral").kinds == {}
    assert made(pairs, method="spectral").epochs(120.0, teaching=0.0, judging=0.0) == {}
    single = Histories(np.arange(7), np.arange(6, dtype=np.int32) % 5, None, np.ones(6, np.float32), 5)
    uncut = write_pairs(single, tmp_path / "single", PairsConfig())
    assert made(uncut).kinds == {}
    assert made(uncut).least_seconds(3, teaching=1.0) == 0
    assert set(made(uncut, method="hybrid").kinds) == {
        "hybrid",
        "untaught",
        "sequential",
    }  # it was asked for, and will say why not
