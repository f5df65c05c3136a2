"""Which categories items are of, as numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from recsys_cl.pairs.vocabulary import Vocabulary

_MOST = 512  # categories, the most common: each is a byte of every item

Categories = npt.NDArray[np.bool_]
"""(n_items, c), whether an item is of a category, the most common ones first."""


def categories_of(items: pl.DataFrame | None, vocabulary: Vocabulary) -> Categories | None:
    """Return the categories of the vocabulary's items; None where none are known.

    Args:
        items: `item_id` (String) and perhaps `categories` (List of String).
        vocabulary: which items, in which order.
    """
    if items is None or "categories" not in items.columns:
        return None
    pairs = items.select("item_id", "categories").explode("categories").drop_nulls().unique()
    nums = vocabulary.item_nums(pairs["item_id"])
    pairs = pairs.with_columns(num=pl.Series(nums)).filter(pl.col("num") >= 0)
    common = pairs.group_by("categories").len().sort(["len", "categories"], descending=[True, False]).head(_MOST)
    if common.is_empty():
        return None
    columns = common.select("categories").with_row_index("column")
    found = pairs.join(columns, on="categories")
    categories = np.zeros((vocabulary.n_items, common.height), dtype=np.bool_)
    categories[found["num"].to_numpy(), found["column"].to_numpy()] = True
    return categories
