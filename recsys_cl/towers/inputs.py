"""What encoders are given."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from recsys_cl.errors import ConfigError


@dataclass(frozen=True)
class QueryInputs:
    """``b`` users to encode, with the rows of the embedding tables they may use; all on one device.

    Attributes:
        user_rows: (u, d) rows of the user table.
        users: (b,) int64 into ``user_rows``; -1 for a user who is unknown or whose id is hidden.
        history_rows: (i, d) rows of the table that histories are read in: the context table where the encoder has
            one, else the item table, which histories then share with the candidates.
        history: (h,) int64 into ``history_rows``, row after row, oldest first.
        offsets: (b + 1,) int64, where the rows of ``history`` start and end.
        features: (b, f) what else is known of the users; None where nothing is.
    """

    user_rows: torch.Tensor
    users: torch.Tensor
    history_rows: torch.Tensor
    history: torch.Tensor
    offsets: torch.Tensor
    features: torch.Tensor | None = None


@dataclass(frozen=True)
class CandidateInputs:
    """``n`` items to encode; all on one device.

    Attributes:
        item_rows: (i, d) rows of the item table.
        items: (n,) int64 into ``item_rows``.
        features: (n, f) float32, what else is known of the items, such as 1 for each category; None where nothing is.
    """

    item_rows: torch.Tensor
    items: torch.Tensor
    features: torch.Tensor | None = None


def looked_up(rows: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Return (b, d) rows by number (b,); zeros where the number is -1."""
    if not len(rows):
        return rows.new_zeros(len(numbers), rows.shape[1])
    known = (numbers >= 0).unsqueeze(1)
    return functional.embedding(numbers.clamp(min=0), rows) * known


def refuse_features(encoder: str, features: torch.Tensor | None) -> None:
    """Raise `ConfigError` where features are given to an encoder that has no use for them."""
    if features is not None:
        raise ConfigError(
            f"The encoder {encoder!r} takes no features, but a tensor {tuple(features.shape)} of them was given; "
            "choose an encoder that does, or leave them out."
        )
