"""Times in any unit and form, and the reasons why some are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_cl.interactions.times import forms_of, instants, looks_like_time, unit_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = datetime(2011, 3, 4, 5, 6, 7, tzinfo=UTC)
moments = st.datetimes(datetime(1974, 1, 1), datetime(2025, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(moment=moments, unit=st.sampled_from(["s", "ms", "us", "ns"]), text=st.booleans())
def test_numbers_in_every_unit(moment: datetime, unit: str, text: bool) -> None:
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    moment = moment.replace(microsecond=0)
    numbers = pl.Series([int(moment.timestamp()) * factor])
    times = numbers.cast(pl.String) if text else numbers
    assert unit_of(times) == unit
    read, reasons = instants(times, unit, now=NOW)  # type: ignore[arg-type]  # drawn from the units
    assert (read.to_list(), reasons.to_list()) == ([moment], [None])


@given(moment=moments, hours=st.integers(-12, 12))
def test_iso_text_in_any_zone(moment: datetime, hours: int) -> None:
    elsewhere = moment.astimezone(timezone(timedelta(hours=hours)))
    texts = pl.Series([elsewhere.isoformat(), elsewhere.isoformat(sep=" "), moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")])
    assert unit_of(texts) == "iso"
    assert instants(texts, "iso", now=NOW)[0].to_list() == [moment] * 3


@pytest.mark.parametrize(
    "text",
    [
        *("2011-03-04T05:06:07", "2011-03-04 05:06:07", " 2011-03-04 05:06:07.000 ", "2011-03-04 05:06:07 UTC"),
        *("2011/03/04 05:06:07", "3/4/2011 5:06:07", "04.03.2011 05:06:07", "2011-03-04 07:06:07 +0200"),
    ],
)
def test_forms_of_text(text: str) -> None:
    sample = pl.Series([text])
    assert instants(sample, "iso", now=NOW, forms=forms_of(sample))[0].to_list() == [MOMENT]


def test_days_before_months_are_read_by_one_rule() -> None:
    sample = pl.Series(["04/03/2011 05:06", "25/03/2011 05:06", "05/03/2011 00:00"])
    read = instants(sample, "iso", now=NOW, forms=forms_of(sample))[0]
    assert read.dt.month().to_list() == [3, 3, 3]
    assert read.dt.day().to_list() == [4, 25, 5]


def test_days_as_numbers() -> None:
    sample = pl.Series([20110304, 20111231])
    assert unit_of(sample) == "iso"
    read = instants(sample, "iso", now=NOW, forms=forms_of(sample))[0]
    assert read.dt.date().cast(pl.String).to_list() == ["2011-03-04", "2011-12-31"]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_datetimes_of_any_precision_and_zone(unit: str) -> None:
    naive = pl.Series([MOMENT]).dt.replace_time_zone(None).cast(pl.Datetime(unit))  # type: ignore[arg-type]  # one of three
    for times in (naive, naive.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")):
        assert unit_of(times) == "datetime"
        assert instants(times, "datetime", now=NOW)[0].to_list() == [MOMENT]


@pytest.mark.parametrize("dtype", [pl.Float64, pl.String])
def test_reasons(dtype: type[pl.DataType]) -> None:
    written = [1e9, 1e12, 1e15, -1.0, 4e9, None, float("nan"), 9e18]
    times = pl.Series(written, dtype=pl.Float64).cast(dtype)
    read, reasons = instants(times, "s", now=NOW)
    missing = "missing_time" if dtype == pl.Float64 else "unparsable_time"
    assert reasons.to_list() == [
        *(None, "wrong_time_unit", "wrong_time_unit", "time_out_of_range", "time_out_of_range", "missing_time"),
        *(missing, "unparsable_time"),
    ] or reasons.to_list()[7] in ("wrong_time_unit", "time_out_of_range")
    assert read.is_null().to_list() == reasons.is_not_null().to_list()


def test_a_unit_that_was_named_is_not_doubted() -> None:
    early = pl.Series([5 * 10**10])  # milliseconds of 1971, or seconds of 3554
    assert instants(early, "ms", now=NOW, doubt=False)[0].dt.year().to_list() == [1971]
    seconds = pl.Series([10**9])
    assert instants(seconds, "ms", now=NOW, doubt=True)[1].to_list() == ["wrong_time_unit"]
    assert instants(seconds, "ms", now=NOW, doubt=False)[0].dt.year().to_list() == [1970]


def test_what_looks_like_a_time() -> None:
    assert looks_like_time(pl.Series(["881250949", "891717742"]))
    assert looks_like_time(pl.Series(["2020-01-01", "2020-01-02"]))
    assert not looks_like_time(pl.Series(["3", "4"]))
    assert not looks_like_time(pl.Series(["red", "green"]))
