"""What columns are taken for, with and without names."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recsys_cl.config import IngestConfig
from recsys_cl.families import member
from recsys_cl.interactions.batches import Layout
from recsys_cl.interactions.headers import looks_like_header
from recsys_cl.interactions.infer import infer_columns


def _named(*columns: str) -> Layout:
    return Layout(columns, pl.DataFrame({column: ["1000000000"] for column in columns}))


@pytest.mark.parametrize(
    ("columns", "roles"),
    [
        (("user_id", "item_id", "rating", "timestamp"), ("user_id", "item_id", "rating", "timestamp")),
        (("userId", "movieId", "rating", "ts"), ("userId", "movieId", "rating", "ts")),
        (("timestamp", "visitorid", "event", "itemid"), ("visitorid", "itemid", None, "timestamp")),
        (("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "CustomerID"),
         ("CustomerID", "StockCode", "Quantity", "InvoiceDate")),
        (("Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"),
         ("CustomerID", "Description", "Quantity", "InvoiceDate")),
        (("reviewerID", "asin", "overall", "unixReviewTime"), ("reviewerID", "asin", "overall", "unixReviewTime")),
        (("hashed_user", "the item", "when"), ("hashed_user", "the item", None, "when")),
        (("uid", "song", "plays"), ("uid", "song", "plays", None)),
    ],
)  # fmt: skip
def test_names(columns: tuple[str, ...], roles: tuple[str | None, ...]) -> None:
    found = infer_columns(_named(*columns), IngestConfig(), "log").by_role
    assert tuple(found.get(role) for role in ("user", "item", "value", "time")) == roles


@pytest.mark.parametrize(
    ("rows", "roles"),
    [
        ("196\t242\t3\t881250949\n186\t302\t3\t891717742\n", ("1", "2", "3", "4")),
        ("196\t242\t881250949\n186\t302\t891717742\n", ("1", "2", None, "3")),
        ("196\t242\t3\n186\t302\t3\n", ("1", "2", "3", None)),
        ("ann\tlamp\nbob\tpen\n", ("1", "2", None, None)),
        ("ann\tbook\t2020-01-01\t5\nbob\tpen\t2020-01-02\t4\n", ("1", "2", "4", "3")),
    ],
)
def test_shapes(rows: str, roles: tuple[str | None, ...], tmp_path: Path) -> None:
    path = tmp_path / "u.data"
    path.write_text(rows)
    layout = member("recsys_cl.interactions.readers", "csv").layout(path, IngestConfig())
    assert not layout.named
    found = infer_columns(layout, IngestConfig(), "log").by_role
    assert tuple(found.get(role) for role in ("user", "item", "value", "time")) == roles


def test_what_a_person_names_goes_first() -> None:
    layout = _named("user", "item", "a", "b")
    config = IngestConfig(user_col="4", item_col="A", time_col="user", time_unit="ms")
    found = infer_columns(layout, config, "log")
    assert found.by_role == {"user": "b", "item": "a", "time": "user"}
    assert (found.time_unit, found.unit_given) == ("ms", True)


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([["user", "item"], ["ann", "book"]], True),
        ([["ann", "lamp"], ["bob", "pen"]], False),
        ([["who_is_it", "amount"], ["ann", "3"], ["bob", "4"]], True),
        ([["1", "2"], ["3", "4"]], False),
        ([["", "userId", "movieId"], ["0", "1", "2"]], True),
    ],
)
def test_headers(rows: list[list[str]], named: bool) -> None:
    assert looks_like_header(rows) == named
