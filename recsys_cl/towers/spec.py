"""What the towers are made of, before any weight is known."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recsys_cl.config import Settings


class PartSpec(Settings):
    """One of several towers that were joined, as its vectors stand in the columns of the joined tables."""

    embedding_dim: int = Field(ge=1, description="columns")
    age_exponent: float = Field(ge=0, description="how fast what is older counts less")


class TowerSpec(Settings):
    """What it takes to build the towers."""

    n_users: int = Field(ge=0, description="rows of the user table")
    n_items: int = Field(ge=1, description="rows of the item table")
    embedding_dim: int = Field(ge=1, description="length of a vector")
    query_encoder: str = Field(description="member of towers.query_encoders")
    candidate_encoder: str = Field(description="member of towers.candidate_encoders")
    similarity: Literal["cosine", "dot"] = Field(description="cosine: vectors are of length one")
    history_length: int = Field(ge=1, description="most recent items of a history that count")
    age_exponent: float = Field(
        0.0, ge=0, description="how fast what is older counts less, where the encoder heeds age"
    )
    item_bias: bool = Field(False, description="whether an item has a learned score of its own, whoever asks")
    parts: tuple[PartSpec, ...] = Field((), description="what was joined, for an encoder that reads parts")
