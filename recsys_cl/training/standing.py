"""How far a training has come."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from recsys_cl.settings import Settings

_AS_GOOD = 0.99  # of the highest figure: by less, epochs differ by chance, and the later one has settled more


class Standing(Settings):
    """How far a training has come: all that is not a tensor. A new one is made whenever something changes.

    Randomness needs no place here: every draw follows from seed, epoch and step.
    """

    epoch: int = Field(1, description="the epoch under way, from 1")
    step: int = Field(0, description="steps taken in it")
    loss: float = Field(0.0, description="sum of their losses")
    seconds: float = Field(0.0, description="spent on them")
    pairs: int = Field(0, description="positives learned from in them")
    curve: tuple[dict[str, Any], ...] = Field((), description="what each finished epoch gave")
    best_epoch: int = Field(0, description="the last finished epoch as good as the best but for chance")
    best_validation: float | None = Field(None, description="what it gave")
    stopped_early: bool = Field(False, description="whether patience ran out")

    @property
    def pairs_per_second(self) -> float:
        """Positives learned from in a second."""
        return self.pairs / self.seconds if self.seconds else 0.0

    def after_step(self, loss: float, seconds: float, pairs: int) -> Standing:
        """Return the standing after one more step."""
        changes = {
            "step": self.step + 1,
            "loss": self.loss + loss,
            "seconds": self.seconds + seconds,
            "pairs": self.pairs + pairs,
        }
        return self.model_copy(update=changes)

    def after_epoch(self, validation: float | None, learning_rate: float, patience: int) -> Standing:
        """Return the standing after the epoch under way, at the start of the next.

        Args:
            validation: what it gave, higher being better; None where there is no validation.
            learning_rate: at its last step.
            patience: epochs without improvement after which training stops.
        """
        record = {
            "epoch": self.epoch,
            "loss": self.loss / self.step,
            "validation": validation,
            "pairs_per_second": self.pairs_per_second,
            "learning_rate": learning_rate,
        }
        curve = (*self.curve, record)
        figures = [one["validation"] or 0.0 for one in curve]
        highest = max(figures)
        as_good = figures[-1] >= _AS_GOOD * highest
        return Standing(
            epoch=self.epoch + 1,
            curve=curve,
            best_epoch=self.epoch if as_good else self.best_epoch,
            best_validation=validation if as_good else self.best_validation,
            stopped_early=validation is not None and self.epoch - (figures.index(highest) + 1) >= patience,
        )
