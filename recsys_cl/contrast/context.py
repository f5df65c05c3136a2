"""What objectives may know beside the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recsys_cl.config import TrainConfig
from recsys_cl.contrast.counts import Counts
from recsys_cl.pairs.categories import Categories
from recsys_cl.pairs.histories import Histories
from recsys_cl.towers.two_tower import TwoTower

if TYPE_CHECKING:
    from recsys_cl.contrast.supervised import Supervised


@dataclass(frozen=True)
class Context:
    """What is learned, and from what.

    Attributes:
        train: all settings.
        towers: that learn.
        histories: of all users, in the log that is learned from.
        categories: of the items; None where none are known.
        supervised: the main objective; None where there is none.
    """

    train: TrainConfig
    towers: TwoTower
    histories: Histories
    categories: Categories | None = None
    supervised: Supervised | None = None

    @property
    def counts(self) -> Counts:
        """How large the log is."""
        return Counts(len(self.histories), self.histories.n_items, len(self.histories.item_nums))
