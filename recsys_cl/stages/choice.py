"""What a budget bought: complete settings to be fitted, and how they came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from recsys_cl.config import SpectralConfig, TrainConfig

CLOSED_FORMS = ("spectral", "neighbours")  # names of recipes: of users and items, and of items and their neighbours


@dataclass(frozen=True)
class Recipe:
    """Complete settings of one fit."""

    train: TrainConfig
    spectral: SpectralConfig


@dataclass(frozen=True)
class Choice:
    """What a budget bought.

    Attributes:
        recipes: what to fit and compare, by name: closed forms, and kinds of gradient descent (`descent.Descent`).
        told: how it came about, sentence by sentence.
        trials: everything tried, with its figure (NDCG on validation) and the seconds after which it was known.
    """

    recipes: dict[str, Recipe]
    told: list[str]
    trials: list[dict[str, Any]]

    def describe(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        recipes = {
            method: {"train": one.train.model_dump(mode="json"), "spectral": one.spectral.model_dump(mode="json")}
            for method, one in self.recipes.items()
        }
        return {"recipes": recipes, "told": self.told, "trials": self.trials}

    @classmethod
    def of(cls, described: dict[str, Any]) -> Self:
        """Return the choice that was described."""
        recipes = {
            method: Recipe(TrainConfig.of(parts["train"]), SpectralConfig.of(parts["spectral"]))
            for method, parts in described["recipes"].items()
        }
        return cls(recipes, described["told"], described["trials"])
