"""Titles and categories of items, from a file beside the log or from columns of the log itself."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recsys_cl.config import IngestConfig
from recsys_cl.errors import InputError
from recsys_cl.interactions.batches import Layout, Role, Wanted
from recsys_cl.interactions.entities import Entities, as_text
from recsys_cl.interactions.headers import named_like
from recsys_cl.interactions.infer import resolve
from recsys_cl.interactions.sources import sources_of

ITEMS: dict[str, pl.DataType] = {"item_id": pl.String(), "title": pl.String(), "categories": pl.List(pl.String())}

_NONE = ("(no genres listed)", "unknown", "none", "nan")


def read_items(path: Path, config: IngestConfig) -> tuple[pl.DataFrame, int]:
    """Read a file of items.

    The format is inferred as for logs. Without a header the columns are item, title and, where it holds `|`,
    categories. Categories are parted at `|`, else at `;`.

    Returns:
        `ITEMS`, one row an item, the first where an item is listed more than once; and how many rows had no item id
        or could not be read.

    Raises:
        InputError: the file is missing or damaged, or has neither a title nor a category.
    """
    frames, lost = [], 0
    plain = config.model_copy(update={"format": None, "delimiter": None, "header": None})
    for source in sources_of(path, plain):
        layout = source.layout(plain)
        columns = _columns(layout, config, source.name)
        split = " " if columns.get("category") in layout.lists else None
        for batch in source.read(layout, Wanted(columns, {}, config.batch_rows)):
            frame = _frame(batch.frame.rename({"item": "item_id"}), split)
            named = frame.filter(pl.col("item_id").str.strip_chars() != "")
            lost += batch.unreadable.height + frame.height - named.height
            frames.append(named)
    return pl.concat(frames).unique("item_id", keep="first", maintain_order=True), lost


class SeenItems:
    """Titles and categories that stand in the log beside its interactions: those first seen of each item.

    Args:
        items: numbers of items.
    """

    def __init__(self, items: Entities) -> None:
        self._items = items
        self._seen: pl.DataFrame | None = None

    def add(self, raw: pl.DataFrame) -> None:
        """Take a batch of raw rows with `item` and `title`, `category` or both."""
        roles = [role for role in ("title", "category") if role in raw.columns]
        if not roles:
            return
        some = raw.select(
            self._items.encode(raw["item"]).alias("number"),
            *(pl.col(role).cast(pl.String, strict=False) for role in roles),
        )
        some = some.drop_nulls().unique("number", keep="first", maintain_order=True)
        seen = some if self._seen is None else pl.concat([self._seen, some], how="diagonal")
        self._seen = seen.unique("number", keep="first", maintain_order=True)

    def table(self) -> pl.DataFrame | None:
        """Return `ITEMS`; None if the log says nothing about items."""
        if self._seen is None:
            return None
        return _frame(self._seen.with_columns(self._items.texts(self._seen["number"]).alias("item_id")), None)


def _columns(layout: Layout, config: IngestConfig, source: str) -> dict[Role, str]:
    if not layout.named:
        return _by_shape(layout)
    found: dict[Role, str] = {}
    item = config.item_col if config.item_col in layout.columns else named_like("item", layout.columns, set())
    found["item"] = item or layout.columns[0]
    given: dict[Role, tuple[str, str | None]] = {
        "title": ("title_col", config.title_col),
        "category": ("category_col", config.category_col),
    }
    for role, (flag, name) in given.items():
        column = resolve(name, layout, flag, source) if name else named_like(role, layout.columns, set(found.values()))
        if column is not None:
            found[role] = column
    if len(found) == 1:
        raise InputError(
            f"{source}: no column's name tells the title or category of an item. Its columns are "
            f"{', '.join(layout.columns)}; name one with --title-col or --category-col."
        )
    return found


def _by_shape(layout: Layout) -> dict[Role, str]:
    found: dict[Role, str] = {"item": layout.columns[0], "title": layout.columns[1]}
    if len(layout.columns) > 2 and layout.sample[layout.columns[2]].str.contains("|", literal=True).any():
        found["category"] = layout.columns[2]
    return found


def _frame(rows: pl.DataFrame, split: str | None) -> pl.DataFrame:
    title = rows["title"].cast(pl.String, strict=False) if "title" in rows.columns else None
    category = rows["category"] if "category" in rows.columns else None
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, rows.height)
    return pl.DataFrame(
        {
            "item_id": as_text(rows["item_id"]),
            "title": nothing if title is None else title,
            "categories": nothing.cast(ITEMS["categories"]) if category is None else _parted(category, split),
        },
        schema=ITEMS,
    )


def _parted(categories: pl.Series, split: str | None) -> pl.Series:
    if isinstance(categories.dtype, pl.List):
        return categories.cast(ITEMS["categories"])
    text = categories.cast(pl.String)
    if split is None:
        split = (
            "|" if text.str.contains("|", literal=True).any() or not text.str.contains(";", literal=True).any() else ";"
        )
    words = pl.element().str.strip_chars()
    known = words.filter((words != "") & ~words.str.to_lowercase().is_in(_NONE))
    return text.str.split(split).list.eval(known)
