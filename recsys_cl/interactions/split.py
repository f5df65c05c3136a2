"""Which interactions teach and which examine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NoReturn

import numpy as np
import numpy.typing as npt
import polars as pl

from recsys_cl.config import SplitConfig
from recsys_cl.errors import InputError
from recsys_cl.interactions.schema import Interactions

SplitKind = Literal["time", "last", "random", "given"]

_LEAST_FOR_LAST = 3  # interactions a user needs to give one each to the test, to validation and to training
# How many of the user's interactions come after each row, in the order of the frame.
_FROM_END = pl.int_range(pl.len(), dtype=pl.Int64).reverse().over("user_id")


@dataclass(frozen=True)
class Split:
    """Three parts of one log, each a frame of `schema.COLUMNS` in the log's order; no row is in two of them.

    Attributes:
        train: what models and vocabularies learn from.
        validation: what settings and early stopping are chosen on.
        test: what is looked at once, at the end.
        kind: how the parts were told apart.
        cutoffs: for kind "time", the two instants (UTC) with train < first <= validation < second <= test.
    """

    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    kind: SplitKind
    cutoffs: tuple[datetime, datetime] | None


def split(interactions: Interactions, config: SplitConfig, *, seed: int) -> Split:
    """Tell a log's training, validation and test parts apart.

    With ``config.split`` "auto" a test that came with the log is used; a log with times is cut by time, one that
    only has an order leaves each user's last interaction out, and one with neither is split at random.

    - "time": two instants cut the whole log, so that about ``test_share`` of the interactions come at or after the
      second and ``validation_share`` between the two. Interactions of one instant are never separated.
    - "last": each user's last interaction is the test and the one before it validation; interactions of one instant
      follow each other as in the files. Users with fewer than three interactions only teach. The shares play no part.
    - "random": a hash of seed, user and item decides, so that an interaction stays in its part when rows are moved
      or added; every user keeps at least one training interaction, and a (user, item) pair is in one part only.
    - "given": the test is the one that came with the log. Validation is the end of the rest: by time where there are
      times, else the last ``validation_share`` of each user's list (rounded, so that short lists lose nothing).

    Raises:
        InputError: the log lacks what the split needs, or a part would be empty.
    """
    if interactions.frame.is_empty():
        raise InputError(f"{interactions.source} has no interactions left to split; loosen the filters of ingest.")
    kind = config.split if config.split != "auto" else _natural_kind(interactions)
    parts = _WAYS[kind](interactions, config, seed)
    _require_all_parts(parts, interactions)
    return parts


def _natural_kind(interactions: Interactions) -> SplitKind:
    if _is_test(interactions.frame).any():
        return "given"
    by_ordering: dict[str, SplitKind] = {"time": "time", "order": "last", "none": "random"}
    return by_ordering[interactions.ordering]


def _by_time(interactions: Interactions, config: SplitConfig, seed: int) -> Split:  # noqa: ARG001 - one signature
    if interactions.ordering != "time":
        _refuse(interactions, "cannot be split by time: it has no times", "Use --split last or --split random.")
    times = interactions.frame["time"]
    instants, at_or_after = _instants(times)
    if len(instants) < 3:
        what = f"cannot be split by time: it has only {len(instants)} distinct instants and needs three"
        _refuse(interactions, what, "Use --split last or --split random.")
    second = _nearest_cut(at_or_after, config.test_share * len(times), lowest=2)
    first = _nearest_cut(at_or_after[:second], at_or_after[second] + config.validation_share * len(times), lowest=1)
    cutoffs = (instants[first], instants[second])
    frame, late, latest = interactions.frame, times >= cutoffs[0], times >= cutoffs[1]
    return Split(frame.filter(~late), frame.filter(late & ~latest), frame.filter(latest), "time", cutoffs)


def _last_out(interactions: Interactions, config: SplitConfig, seed: int) -> Split:  # noqa: ARG001 - one signature
    if interactions.ordering == "none":
        _refuse(
            interactions, "tells no order, so nobody's last interaction is known", "Use --split random or --ordered."
        )
    enough = pl.len().over("user_id") >= _LEAST_FOR_LAST
    steps = interactions.frame.select(pl.when(enough).then(_FROM_END.clip(upper_bound=2)).otherwise(2)).to_series()
    return _by_step(interactions.frame, steps.to_numpy(), "last")


def _at_random(interactions: Interactions, config: SplitConfig, seed: int) -> Split:
    frame = interactions.frame
    chance = pair_chances(frame["user_id"], frame["item_id"], seed=seed)
    steps = np.digitize(chance, [config.test_share, config.test_share + config.validation_share])
    # A user with nothing left to learn from keeps the pair nearest to training.
    lacking = frame.select("user_id").with_columns(step=pl.Series(steps), chance=pl.Series(chance))
    kept = lacking.select(
        (pl.col("step").max().over("user_id") < 2) & (pl.col("chance") == pl.col("chance").max().over("user_id"))
    ).to_series()
    return _by_step(frame, np.where(kept.to_numpy(), 2, steps), "random")


def _as_given(interactions: Interactions, config: SplitConfig, seed: int) -> Split:  # noqa: ARG001 - one signature
    is_test = _is_test(interactions.frame)
    if not is_test.any():
        _refuse(interactions, "came without a test part", "Name its file with --test or use another --split.")
    rest = interactions.frame.filter(~is_test)
    if rest.is_empty():
        _refuse(interactions, "has nothing but its test part", "Check that --input names the training file.")
    late = _late_rows(rest["time"], config) if interactions.ordering == "time" else _ends_of_lists(rest, config)
    return Split(rest.filter(~late), rest.filter(late), interactions.frame.filter(is_test), "given", None)


_WAYS: dict[str, Callable[[Interactions, SplitConfig, int], Split]] = {
    "time": _by_time,
    "last": _last_out,
    "random": _at_random,
    "given": _as_given,
}


def pair_chances(users: pl.Series, items: pl.Series, *, seed: int) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each (user, item), float64 (n,), that depends on nothing but both and the seed.

    Ids are hashed with BLAKE2b and the two hashes are mixed by the finaliser of SplitMix64 (Steele, Lea and Flood,
    2014), so the numbers are the same on every machine and for every version of the libraries.
    """
    mixed = _mix(_mix(_id_hashes(users, f"{seed}/user")) + _id_hashes(items, f"{seed}/item"))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _id_hashes(ids: pl.Series, key: str) -> npt.NDArray[np.uint64]:
    distinct = ids.unique()
    salt = hashlib.blake2b(key.encode(), digest_size=16).digest()
    hashes = [
        int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, salt=salt).digest(), "little") for name in distinct
    ]
    table = pl.DataFrame({"id": distinct, "hash": pl.Series(hashes, dtype=pl.UInt64)})
    return pl.DataFrame({"id": ids}).join(table, on="id", how="left", maintain_order="left")["hash"].to_numpy()


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _instants(times: pl.Series) -> tuple[pl.Series, npt.NDArray[np.int64]]:
    """Return the distinct instants, rising, and how many rows lie at or after each."""
    counted = times.alias("time").to_frame().group_by("time").len().sort("time")
    at_or_after = counted["len"].cast(pl.Int64).cum_sum(reverse=True).to_numpy()
    return counted["time"], at_or_after


def _nearest_cut(at_or_after: npt.NDArray[np.int64], wanted: float, *, lowest: int) -> int:
    """Return the instant (by number, at least ``lowest``) at or after which lie nearest to ``wanted`` rows."""
    return lowest + int(np.argmin(np.abs(at_or_after[lowest:] - wanted)))


def _late_rows(times: pl.Series, config: SplitConfig) -> pl.Series:
    instants, at_or_after = _instants(times)
    if len(instants) < 2:
        return pl.repeat(False, len(times), eager=True)
    cutoff: datetime = instants[_nearest_cut(at_or_after, config.validation_share * len(times), lowest=1)]
    return times >= cutoff


def _ends_of_lists(frame: pl.DataFrame, config: SplitConfig) -> pl.Series:
    quota = (pl.len().over("user_id") * config.validation_share + 0.5).floor()
    return frame.select(quota > _FROM_END).to_series()


def _by_step(frame: pl.DataFrame, steps: npt.NDArray[np.integer], kind: SplitKind) -> Split:
    """Part rows by their step from the end: 0 is test, 1 validation, 2 training."""
    test, validation, train = (frame.filter(pl.Series(steps == step)) for step in range(3))
    return Split(train, validation, test, kind, None)


def _is_test(frame: pl.DataFrame) -> pl.Series:
    return frame["part"] == "test"


def _refuse(interactions: Interactions, what: str, remedy: str) -> NoReturn:
    raise InputError(f"{interactions.source} {what}. {remedy}")


def _require_all_parts(parts: Split, interactions: Interactions) -> None:
    sizes = {"training": parts.train, "validation": parts.validation, "test": parts.test}
    empty = [name for name, part in sizes.items() if part.is_empty()]
    if not empty:
        return
    rows = interactions.frame.height
    users = interactions.frame["user_id"].n_unique()
    what = (
        f"is too small for the split {parts.kind!r}: with {rows} interactions of {users} users "
        f"its {' and '.join(empty)} part would be empty"
    )
    _refuse(interactions, what, _REMEDIES[parts.kind])


_REMEDIES: dict[SplitKind, str] = {
    "time": "Give a longer log or use --split random.",
    "last": "Give users with at least three interactions, or use --split random.",
    "random": "Give a longer log, of users with several interactions, or raise --test-share and --validation-share.",
    "given": "Raise --validation-share, or give a training file with longer lists or more than one instant.",
}
