"""What the towers are made of, before any weight is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from recsys_cl.settings import Settings


class Reading(Settings):
    """One way to read a history, in columns of the tables that are its own."""

    embedding_dim: int = Field(ge=1, description="columns")
    age_exponents: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        min_length=1, description="powers of age by which older history counts less, read side by side; 0 reads a set"
    )


class TowerSpec(Settings):
    """What it takes to build the towers."""

    n_users: int = Field(ge=0, description="rows of the user table")
    n_items: int = Field(ge=1, description="rows of the item table")
    embedding_dim: int = Field(ge=1, description="length of a vector")
    query_encoder: str = Field(description="member of towers.query_encoders")
    candidate_encoder: str = Field(description="member of towers.candidate_encoders")
    similarity: str = Field(description="member of towers.similarities")
    history_length: int = Field(ge=1, description="most recent items of a history that count")
    item_bias: bool = Field(False, description="whether an item has a learned score of its own, whoever asks")
    n_features: int = Field(0, ge=0, description="categories of an item, for an encoder that heeds them")
    readings: tuple[Reading, ...] = Field((), description="ways to read a history, for an encoder that heeds age")


def shared_out(dim: int, age_exponents: Sequence[tuple[float, ...]]) -> tuple[Reading, ...]:
    """Return readings of so many columns in all, the first ones having one more where they can't be equal."""
    each = age_exponents[:dim]
    share, more = divmod(dim, len(each))
    return tuple(
        Reading(embedding_dim=share + (number < more), age_exponents=exponents) for number, exponents in enumerate(each)
    )
