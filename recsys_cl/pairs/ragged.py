"""Ragged rows cut out of one flat array, without a loop over rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def offsets_of(lengths: Numbers) -> Numbers:
    """Return where rows of these lengths (b,) start and end when laid end to end, (b + 1,) int64 from 0."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def positions(starts: Numbers, lengths: Numbers) -> Numbers:
    """Return ``starts[0], starts[0] + 1, ...`` for ``lengths[0]`` numbers, then the same for row 1, and so on."""
    offsets = offsets_of(lengths)
    return np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])


def row_numbers(lengths: Numbers) -> Numbers:
    """Return 0 as often as row 0 is long, then 1, and so on, (sum of lengths,) int64."""
    return np.repeat(np.arange(len(lengths)), lengths)


def distinct(numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the distinct numbers, rising; by sorting, which is quicker for these than `numpy.unique`'s hashing."""
    ordered = np.sort(numbers)
    fresh = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    found: npt.NDArray[np.int32] = ordered[fresh]
    return found
