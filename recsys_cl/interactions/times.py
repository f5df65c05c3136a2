"""Instants from numbers, text and datetimes, with the reason where there is none to be had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, cast

import polars as pl

TimeUnit = Literal["s", "ms", "us", "ns", "iso", "datetime"]

INSTANT = pl.Datetime("us", "UTC")
_SLACK = timedelta(days=1)  # how far clocks and time zones may be ahead of ``now``

# Numbers below the bound count seconds since 1970, and so on: 1e11 seconds is the year 5138, 1e11 ms is 1973.
_BOUNDS: tuple[tuple[TimeUnit, float], ...] = (("s", 1e11), ("ms", 1e14), ("us", 1e17), ("ns", float("inf")))
_MICROSECONDS: dict[TimeUnit, float] = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}

# Forms of date and time that people write; all with optional fractions of a second. Times are joined by a "T".
FORMS = (
    *("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d", "%Y-%m-%dT%H:%M"),
    *("%Y/%m/%dT%H:%M:%S%.f", "%Y/%m/%dT%H:%M", "%Y/%m/%d", "%Y%m%d"),
    *("%m/%d/%YT%H:%M:%S%.f", "%m/%d/%YT%H:%M", "%m/%d/%Y", "%d/%m/%YT%H:%M:%S%.f", "%d/%m/%YT%H:%M", "%d/%m/%Y"),
    *("%d.%m.%YT%H:%M:%S%.f", "%d.%m.%YT%H:%M", "%d.%m.%Y", "%d-%b-%Y", "%m %d, %Y", "%b %d, %Y"),
)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_PLAUSIBLE = 10**14  # microseconds since 1970, in 1973: an earlier time does not show that a unit is another


def unit_of(sample: pl.Series) -> TimeUnit:
    """Tell the unit of times from some of them: by type, by magnitude, or as text."""
    if sample.dtype.is_temporal():
        return "datetime"
    numbers = _numbers(sample).drop_nulls().drop_nans()
    if numbers.len() * 2 <= sample.len() - sample.null_count() or numbers.is_empty():
        return "iso"
    middle = abs(cast("float", numbers.median()))
    if _are_days(numbers):
        return "iso"
    return next(unit for unit, bound in _BOUNDS if middle < bound)


def number_type(sample: pl.Series) -> pl.DataType:
    """Return the type, Int64 or Float64, in which times that are numbers can be read."""
    return _numbers(sample).dtype


def forms_of(sample: pl.Series) -> tuple[str, ...]:
    """Return the forms in which times written as text are read, the commonest first.

    Of forms that read the same text differently (day before month, month before day) only the one that reads more
    of the sample is kept, so that no two rows of a log are read by different rules.
    """
    text = _tidy(sample.cast(pl.String))
    read = {form: _read_form(text, form).count() for form in FORMS}
    day_first = sum(count for form, count in read.items() if form.startswith("%d/"))
    month_first = sum(count for form, count in read.items() if form.startswith("%m/"))
    wrong = "%m/" if day_first > month_first else "%d/"
    return tuple(sorted((form for form in FORMS if not form.startswith(wrong)), key=lambda form: -read[form]))


def looks_like_time(sample: pl.Series) -> bool:
    """Tell whether values without a name look like times: dates, or numbers since 1973 in some unit."""
    if sample.dtype.is_temporal():
        return True
    numbers = _numbers(sample).drop_nulls()
    if numbers.len() > 0.5 * sample.len():
        return cast("float", numbers.median()) > 1e8
    return _read_text(sample.cast(pl.String), FORMS).count() > 0.5 * sample.len()


def instants(
    times: pl.Series, unit: TimeUnit, *, now: datetime, doubt: bool = True, forms: tuple[str, ...] = FORMS
) -> tuple[pl.Series, pl.Series]:
    """Read times.

    Args:
        times: as text, numbers or datetimes; those without a time zone are taken as UTC.
        unit: what the numbers count; "iso" for text.
        now: later times, but for a day of slack, cannot be.
        doubt: whether a number that makes sense in another unit only is refused as such, as where the unit was
            inferred from other rows; a number too large for its unit is refused in any case.
        forms: in which text is read.

    Returns:
        Instants (`INSTANT`) and reasons (String), of which one is null in each row. Reasons: missing_time,
        unparsable_time, wrong_time_unit, time_out_of_range (before 1970 or after ``now``).
    """
    latest = (now if now.tzinfo else now.replace(tzinfo=UTC)) + _SLACK
    if times.dtype.is_temporal():
        read, other = _from_datetimes(times), None
    elif unit in _MICROSECONDS:
        numbers = _numbers(times)
        read, other = _from_numbers(numbers, unit), _of_other_unit(numbers, unit, latest, doubt=doubt)
    else:
        read, other = _read_text(times.cast(pl.String), forms), None
    fits = read.is_between(_EARLIEST, latest)
    sure = fits.fill_null(value=False) if other is None else fits.fill_null(value=False) & ~other
    if sure.all():
        return read, pl.Series("reason", [], pl.String()).extend_constant(None, len(read))
    return _with_reasons(times, read, sure, other)


def _with_reasons(
    times: pl.Series, read: pl.Series, sure: pl.Series, other: pl.Series | None
) -> tuple[pl.Series, pl.Series]:
    never = pl.Series([False]).new_from_index(0, len(times))
    frame = pl.DataFrame(
        {"time": read, "sure": sure, "missing": _missing(times), "other": never if other is None else other}
    )
    known = frame.select(
        pl.when("sure").then("time").alias("time"),
        pl.when("sure")
        .then(None)
        .when("missing")
        .then(pl.lit("missing_time"))
        .when("other")
        .then(pl.lit("wrong_time_unit"))
        .when(pl.col("time").is_null())
        .then(pl.lit("unparsable_time"))
        .otherwise(pl.lit("time_out_of_range"))
        .alias("reason"),
    )
    return known["time"], known["reason"]


def _missing(times: pl.Series) -> pl.Series:
    if times.dtype == pl.String():
        return times.is_null() | (times.str.strip_chars() == "")
    return times.is_null() | times.is_nan() if times.dtype.is_float() else times.is_null()


def _numbers(values: pl.Series) -> pl.Series:
    """Return text or numbers as Int64 where all are whole, else as Float64; null where there is none."""
    if values.dtype.is_integer():
        return values.cast(pl.Int64)
    if values.dtype == pl.String():
        text = values.str.strip_chars()
        whole = text.cast(pl.Int64, strict=False)
        if whole.null_count() == text.null_count():
            return whole
        values = text
    return values.cast(pl.Float64, strict=False)


def _from_numbers(numbers: pl.Series, unit: TimeUnit) -> pl.Series:
    factor = _MICROSECONDS[unit]
    within = numbers.abs() <= 9e18 / max(factor, 1.0)
    number = pl.col("number")
    if numbers.dtype == pl.Int64():
        scaled = number * int(factor) if factor >= 1 else number // round(1 / factor)
    else:
        scaled = (number * factor).round().cast(pl.Int64, strict=False)
    frame = pl.DataFrame({"number": numbers, "within": within.fill_null(value=False)})
    return frame.select(pl.when("within").then(scaled)).to_series().cast(INSTANT)


def _of_other_unit(numbers: pl.Series, unit: TimeUnit, latest: datetime, *, doubt: bool) -> pl.Series:
    """Tell which numbers are times in a unit other than ``unit`` by their magnitude."""
    size = numbers.cast(pl.Float64)
    other = pl.Series([False]).new_from_index(0, len(numbers))
    if size.abs().max() is None:
        return other
    end = latest.timestamp() * 1e6
    for candidate, factor in _MICROSECONDS.items():
        larger = factor < _MICROSECONDS[unit]  # a finer unit makes larger numbers
        if candidate != unit and (larger or doubt):
            lower, upper = _range(candidate)
            hit = (size >= max(lower, _PLAUSIBLE / factor)) & (size < upper) & (size * factor <= end)
            other |= hit.fill_null(value=False)
    return other


def _range(unit: TimeUnit) -> tuple[float, float]:
    bounds = dict(_BOUNDS)
    units = list(bounds)
    number = units.index(unit)
    return (bounds[units[number - 1]] if number else 0.0), bounds[unit]


def _from_datetimes(times: pl.Series) -> pl.Series:
    times = times.cast(pl.Datetime("us")) if times.dtype == pl.Date() else times
    if times.dtype.base_type() != pl.Datetime:
        return pl.Series([None], dtype=INSTANT).new_from_index(0, len(times))  # a duration or a time of day
    zone = getattr(times.dtype, "time_zone", None)
    aware = times.dt.convert_time_zone("UTC") if zone else times.dt.replace_time_zone("UTC")
    return aware.cast(INSTANT)


def _tidy(text: pl.Series) -> pl.Series:
    text = text.str.strip_chars().str.replace(r"^(\S+) +(\d{1,2}:)", "${1}T${2}")
    return text.str.replace(r"(:\d\d(?:\.\d+)?) ?(?:Z|UTC)$", "${1}+00:00").str.replace(r" ([-+]\d\d:?\d\d)$", "$1")


def _read_text(times: pl.Series, forms: tuple[str, ...]) -> pl.Series:
    text = _tidy(times)
    read = pl.Series([None], dtype=INSTANT).new_from_index(0, len(text))
    for form in forms:
        left = read.is_null() & text.is_not_null() & (text != "")
        if not left.any():
            break
        found = _read_form(text.filter(left), form)
        if found.count():
            read = read.scatter(left.arg_true(), found) if not left.all() else found
    return read


def _read_form(text: pl.Series, form: str) -> pl.Series:
    read = text.str.to_datetime(form, strict=False, time_unit="us")
    return read.cast(INSTANT) if form.endswith("z") else read.dt.replace_time_zone("UTC")


def _are_days(numbers: pl.Series) -> bool:
    """Tell whether numbers are days written as 20240131."""
    text = numbers.cast(pl.Int64, strict=False).cast(pl.String)
    days = text.filter(text.str.len_chars() == 8)
    return days.len() > 0.9 * len(text) and _read_form(days, "%Y%m%d").count() > 0.9 * len(text)
