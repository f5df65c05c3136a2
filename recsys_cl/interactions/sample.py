"""A synthetic log of any size, for trying everything out without anyone's data.

Items lie on a ring of tastes. A user stands at a few places on it, takes things near by, and walks on as time goes:
so who took the same things tells what to recommend, and what was taken last tells more than what was taken first.
Few items are very popular and most are hardly known, new ones keep arriving, and some rows are dirty on purpose.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from recsys_cl.errors import ConfigError, nearest
from recsys_cl.files import whole_file

DESCRIPTION = "synthetic sample, made by recsys_cl"  # what reports call the built-in sample
PERIOD = (1_672_531_200, 1_735_689_600)  # seconds since 1970: from 2023-01-01 to 2025-01-01 UTC, the end excluded
_FUTURE = 7_258_118_400  # 2200-01-01 UTC

_SLICE_ROWS = 200_000  # rows held in memory at a time
_LEAST_SLICES = 48  # steps in which tastes move and items arrive, however small the log
_NEIGHBOURS = 40  # items within reach of a taste in a catalogue of 1000; grows with the square root of its size
_PLACES = 2  # places on the ring that a user likes
_WALK = 0.06  # of the ring, the standard deviation of how far a user walks over the whole period
_STROLL = 0.1  # share of interactions that follow popularity instead of taste
_NEW = 0.4  # share of items, and of users, who are not there from the start
_NOVELTY = 2.0  # how much more an item is sought when it has just arrived
_UNEVEN = 0.9  # spread of how much users do: the standard deviation of its logarithm
_ZIPF = 0.65  # exponent of popularity by rank
_DIRT = ("missing_user", "missing_item", "bad_time", "nan_value", "exact_repeat", "future_time")

_FIRST = (
    "Quiet Amber Crooked Distant Early Faded Gentle Hidden Iron Jolly Last Little Lost Midnight Narrow Northern Old "
    "Painted Patient Red Restless Salt Second Silver Sleeping Slow Small Stolen Summer Tall Thirsty Unlikely Velvet "
    "Wandering White Wild Winter Wooden"
)
_NOUNS = {
    "Sea": "Harbour Lighthouse Tide Anchor Island Sailor Reef Voyage Pier Gull Current Shore",
    "Garden": "Orchard Hedge Rose Greenhouse Gate Beekeeper Meadow Seed Arbour Fountain Lawn Fern",
    "Mystery": "Key Letter Cellar Witness Alibi Clue Stranger Footprint Portrait Silence Locket Cipher",
    "Mountain": "Summit Valley Glacier Shepherd Ridge Cabin Pass Avalanche Echo Pine Torrent Cairn",
    "City": "Market Bridge Avenue Tram Rooftop Square Lantern Corner Station Balcony Alley Clock",
    "Kitchen": "Loaf Kettle Pepper Recipe Supper Oven Spoon Vineyard Plum Baker Pantry Honey",
    "Music": "Violin Chorus Waltz Drummer Ballad Organ Rehearsal Melody Lute Encore Tune Bell",
    "Machine": "Engine Lever Robot Signal Circuit Foundry Compass Piston Workshop Gear Rocket Wire",
    "History": "Castle Chronicle Herald Empire Treaty Crown Archive Siege Abbey Coin Banner Saga",
    "Animals": "Fox Heron Badger Otter Raven Hare Tortoise Lynx Sparrow Whale Stag Owl",
    "Space": "Comet Orbit Moon Nebula Eclipse Planet Observatory Star Meteor Horizon Dust Beacon",
    "Family": "Daughter Uncle Wedding Cradle Cousin Attic Heirloom Reunion Twin Godmother House Quarrel",
}
_NAMES = tuple(_NOUNS)


_Writer = Callable[[pl.DataFrame], None]


@dataclass(frozen=True)
class _World:
    """Who and what there is, before anyone does anything.

    Attributes:
        taste: (items,) float64 in [0, 1), rising; where each item lies on the ring.
        fame: (items,) float64, how much each is sought in the long run.
        arrival: (items,) float64 in [0, 1), when in the period each arrives.
        labels: `item_id`, `title`, `category` of each item.
        activity: (users,) float64, how much each does.
        joined: (users,) float64 in [0, 1), when each joins.
        places: (users, places) float64, where each stands at the start.
        pace: (users, places) float64, rings walked over the period.
    """

    taste: npt.NDArray[np.float64]
    fame: npt.NDArray[np.float64]
    arrival: npt.NDArray[np.float64]
    labels: pl.DataFrame
    activity: npt.NDArray[np.float64]
    joined: npt.NDArray[np.float64]
    places: npt.NDArray[np.float64]
    pace: npt.NDArray[np.float64]


def write_sample(
    path: Path,
    *,
    users: int = 2000,
    items: int = 1000,
    interactions: int = 60_000,
    dirty_share: float = 0.01,
    seed: int = 0,
) -> dict[str, int]:
    """Write a synthetic log, whole or not at all; the same arguments give the same rows.

    Columns: user_id and item_id (text), value (a rating of 1 to 5), timestamp (seconds since 1970), title, category.
    Rows come in order of time, up to the dirty ones. Memory does not grow with ``interactions``.

    Args:
        path: the suffix tells the format: .csv, .tsv, .jsonl (each also with .gz), or .parquet.
        users: how many there are at most; some do too little to appear.
        items: how many there are at most.
        interactions: rows in the file, dirty ones included.
        dirty_share: share of rows that no ingest should keep.
        seed: of everything random.

    Returns:
        How many rows of each kind of dirt were planted: missing_user, missing_item, bad_time (words where a number
        should be in CSV and TSV, else null), nan_value (null in JSON, which has no NaN), exact_repeat (of the row
        before), future_time (in the year 2200).

    Raises:
        ConfigError: the suffix is unknown or a number makes no sense.
        StorageError: the disk is full or the place may not be written.
    """
    for name, number in {"users": users, "items": items, "interactions": interactions}.items():
        if number < 1:
            raise ConfigError(f"A sample needs at least one of {name}, not {number}.")
    if not 0 <= dirty_share <= 1 or seed < 0:
        raise ConfigError(f"A sample needs dirty_share from 0 to 1 and seed from 0, not {dirty_share} and {seed}.")
    form, zipped = _format_of(path)
    rng = np.random.default_rng(seed)
    world = _make_world(users, items, rng)
    planted = dict.fromkeys(_DIRT, 0)
    with whole_file(path) as scratch, _FORMATS[form](scratch, zipped) as write:
        for block in _blocks(world, interactions, rng):
            write(_soil(block, dirty_share, rng, planted))
    return planted


def _make_world(users: int, items: int, rng: np.random.Generator) -> _World:
    taste = np.sort(rng.random(items))
    return _World(
        taste=taste,
        fame=np.power(rng.permutation(items) + 1.0, -_ZIPF, dtype=np.float64),
        arrival=_arrivals(items, rng),
        labels=_labels(taste, rng),
        activity=rng.lognormal(0.0, _UNEVEN, users),
        joined=_arrivals(users, rng),
        places=rng.random((users, _PLACES)),
        pace=rng.normal(0.0, _WALK, (users, _PLACES)),
    )


def _arrivals(count: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    arrivals = np.where(rng.random(count) < _NEW, rng.random(count), 0.0)
    arrivals[rng.integers(count)] = 0.0  # someone is always there
    return arrivals


def _labels(taste: npt.NDArray[np.float64], rng: np.random.Generator) -> pl.DataFrame:
    """Name the items; neighbours on the ring are of one category, whose words their titles take."""
    count = len(taste)
    category = (taste * len(_NAMES)).astype(np.int64)
    nouns = np.array([words.split() for words in _NOUNS.values()])
    noun = nouns[category, rng.integers(nouns.shape[1], size=count)]
    first = rng.choice(np.array(_FIRST.split()), size=count)
    titles = pl.DataFrame({"first": first, "noun": noun}).select(title=pl.format("The {} {}", "first", "noun"))
    volume = pl.int_range(1, pl.len() + 1).over("title")
    titles = titles.select(pl.when(volume == 1).then("title").otherwise(pl.format("{}, Part {}", "title", volume)))
    ids = pl.Series("item_id", rng.permutation(count))
    return pl.DataFrame(
        {"item_id": ids, "title": titles.to_series(), "category": np.array(_NAMES)[category]}
    ).with_columns(pl.format("i{}", "item_id").alias("item_id"))


def _blocks(world: _World, interactions: int, rng: np.random.Generator) -> Iterator[pl.DataFrame]:
    slices = min(interactions, max(_LEAST_SLICES, -(-interactions // _SLICE_ROWS)))
    ends = np.linspace(0, interactions, slices + 1).round().astype(np.int64)
    for number, rows in enumerate(np.diff(ends)):
        moments = np.sort((number + rng.random(int(rows))) / slices)  # in [0, 1), the period
        yield _interact(world, moments, number / slices, rng)


def _interact(world: _World, moments: npt.NDArray[np.float64], now: float, rng: np.random.Generator) -> pl.DataFrame:
    """Let someone take something at each of ``moments``; who and what is there is looked up once, at ``now``."""
    rows = len(moments)
    who = _draw(np.cumsum(world.activity * (world.joined <= now)), rng.random(rows))
    place = rng.integers(_PLACES, size=rows)
    spot = world.places[who, place] + world.pace[who, place] * moments
    strolls = rng.random(rows) < _STROLL
    what = _reach(world, spot, strolls, now, rng)
    liking = np.where(strolls, 3.0, 4.0) + rng.normal(0.0, 0.9, rows)
    seconds = (PERIOD[0] + moments * (PERIOD[1] - PERIOD[0])).astype(np.int64)
    return pl.DataFrame(
        {
            "user_id": pl.Series(who),
            "value": np.clip(np.rint(liking), 1, 5),
            "timestamp": seconds,
        }
    ).select(
        pl.format("u{}", "user_id").alias("user_id"),
        world.labels["item_id"].gather(what),
        "value",
        "timestamp",
        world.labels["title"].gather(what),
        world.labels["category"].gather(what),
    )


def _reach(
    world: _World,
    spot: npt.NDArray[np.float64],
    strolls: npt.NDArray[np.bool_],
    now: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Draw an item near each spot of the ring, or anywhere for a stroll, by how much it is sought; (rows,) int64."""
    count = len(world.taste)
    here = world.arrival <= now
    sought = world.fame * here * (1.0 + _NOVELTY * np.exp((world.arrival - now) / 0.05) * (world.arrival > 0))
    # The ring is laid out three times, so that what lies around a spot is one stretch even across its seam.
    ring = np.concatenate([world.taste - 1, world.taste, world.taste + 1])
    total = np.concatenate([[0.0], np.cumsum(np.tile(sought, 3))])
    reach = np.minimum(0.5, _NEIGHBOURS / 2 / np.sqrt(1000.0 * count))
    middle = spot % 1.0
    low = np.where(strolls, count, np.searchsorted(ring, middle - reach))
    high = np.where(strolls, 2 * count, np.searchsorted(ring, middle + reach))
    empty = total[high] - total[low] <= 0
    low, high = np.where(empty, count, low), np.where(empty, 2 * count, high)
    drawn = total[low] + rng.random(len(spot)) * (total[high] - total[low])
    found = np.searchsorted(total, drawn, side="right") - 1
    return np.asarray(np.clip(found, low, high - 1) % count, dtype=np.int64)


def _draw(total: npt.NDArray[np.float64], chance: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    drawn = np.searchsorted(total, chance * total[-1], side="right")
    return np.asarray(np.minimum(drawn, len(total) - 1), dtype=np.int64)


def _soil(block: pl.DataFrame, share: float, rng: np.random.Generator, planted: dict[str, int]) -> pl.DataFrame:
    """Spoil a share of the rows, each in one way, and count in ``planted``; times become text."""
    kind = np.where(rng.random(len(block)) < share, rng.integers(len(_DIRT), size=len(block)), -1)
    # A repeat is of a clean row, so that it is a repeat and nothing else.
    before = np.concatenate([[0], kind[:-1]])
    kind = np.where((kind == _DIRT.index("exact_repeat")) & (before != -1), -1, kind)
    for name, count in zip(_DIRT, np.bincount(kind[kind >= 0], minlength=len(_DIRT)), strict=True):
        planted[name] += int(count)
    spoiled = {name: pl.lit(pl.Series(kind == number)) for number, name in enumerate(_DIRT)}
    rows = np.arange(len(block)) - (kind == _DIRT.index("exact_repeat"))
    repeated: pl.DataFrame = block[rows]
    return repeated.with_columns(
        user_id=pl.when(~spoiled["missing_user"]).then("user_id"),
        item_id=pl.when(~spoiled["missing_item"]).then("item_id"),
        value=pl.when(spoiled["nan_value"]).then(float("nan")).otherwise("value"),
        timestamp=pl.when(spoiled["bad_time"])
        .then(pl.lit("some day"))
        .when(spoiled["future_time"])
        .then(pl.lit(str(_FUTURE)))
        .otherwise(pl.col("timestamp").cast(pl.String)),
    )


def _numeric(block: pl.DataFrame) -> pl.DataFrame:
    return block.with_columns(pl.col("timestamp").cast(pl.Int64, strict=False))


def _format_of(path: Path) -> tuple[str, bool]:
    zipped = path.suffix == ".gz"
    suffix = (path.with_suffix("") if zipped else path).suffix.lower()
    if suffix not in _FORMATS or (zipped and suffix == ".parquet"):
        known = [*_FORMATS, *(f"{text}.gz" for text in _FORMATS if text != ".parquet")]
        raise ConfigError(
            f"{path} does not say by its suffix in which format to write.{nearest(''.join(path.suffixes[-2:]), known)}"
        )
    return suffix, zipped


@contextmanager
def _stream(path: Path, zipped: bool) -> Iterator[IO[bytes]]:
    with path.open("wb") as stream:
        if not zipped:
            yield stream
            return
        # Neither name nor time of writing goes into the file, so that equal rows give equal bytes.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=5, fileobj=stream, mtime=0) as squeezed:
            yield cast("IO[bytes]", squeezed)


@contextmanager
def _separated(path: Path, zipped: bool, separator: str) -> Iterator[_Writer]:
    with _stream(path, zipped) as stream:

        def write(block: pl.DataFrame) -> None:
            block.write_csv(stream, separator=separator, include_header=stream.tell() == 0)

        yield write


@contextmanager
def _json_lines(path: Path, zipped: bool) -> Iterator[_Writer]:
    with _stream(path, zipped) as stream:
        yield lambda block: _numeric(block).write_ndjson(stream)


@contextmanager
def _parquet(path: Path, zipped: bool) -> Iterator[_Writer]:  # noqa: ARG001 - one signature
    schema = pl.DataFrame(schema=_COLUMNS).to_arrow().schema
    with pq.ParquetWriter(path, schema) as writer:
        yield lambda block: writer.write_table(_numeric(block).to_arrow().cast(schema))


_COLUMNS = {
    "user_id": pl.String(),
    "item_id": pl.String(),
    "value": pl.Float64(),
    "timestamp": pl.Int64(),
    "title": pl.String(),
    "category": pl.String(),
}
_FORMATS: dict[str, Callable[[Path, bool], AbstractContextManager[_Writer]]] = {
    ".csv": partial(_separated, separator=","),
    ".tsv": partial(_separated, separator="\t"),
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
