"""Bins of numbers that are the same on every day, for they follow from the number alone.

The bits of a double, taken for a whole number, are in the order of the doubles. Without its last `shift` bits that
number is the bin of the double: exponent, and what is left of the mantissa. So a bin of shift + 1 is two neighbours of
shift, whatever was counted in them, and no day needs another one to choose its bins. Negative numbers mirror positive
ones, and 0 has a bin of its own.

    shift 0: a bin for each double          shift 47: 32 bins from 1 to 2, and 32 from 2 to 4
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from daeda.statistics.model import Histogram

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
MANTISSA = 52
_WIDEST = 62


def keys_of(values: Doubles) -> Integers:
    """Whole numbers in the order of the doubles; finite ones, with no -0.0 among them."""
    bits = np.abs(values).view(np.int64)
    return np.where(values < 0, -bits, bits)


def shifted(keys: Integers, shift: int) -> Integers:
    """The bins of keys, or the wider bins of bins; the bin 0 has both sides of 0 within a bin."""
    return np.where(keys < 0, -(-keys >> shift), keys >> shift)


def added(bins: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Bins in order, each once, with the sums of their counts; those that are given are in order."""
    if not len(bins):
        return bins, counts
    starts = np.flatnonzero(np.concatenate(([True], bins[1:] != bins[:-1])))
    return bins[starts], np.add.reduceat(counts, starts)


def shift_for(keys: Integers, shift: int, most: int) -> int:
    """How much more the bins of `shift`, which are in order, must be shifted so that no more than `most` are left."""
    if len(keys) <= most:
        return 0
    # Wider bins are never more of them: the least that is enough is found by halving.
    low, high = 0, _WIDEST - shift
    while low < high:
        middle = (low + high) // 2
        narrowed = shifted(keys, middle)
        if 1 + np.count_nonzero(narrowed[1:] != narrowed[:-1]) <= most:
            high = middle
        else:
            low = middle + 1
    return low


def coarsened(histogram: Histogram, shift: int) -> Histogram:
    """The same histogram by wider bins.

    >>> coarsened(Histogram(0, (4, 5, 6), (1, 2, 3)), 1)
    Histogram(shift=1, bins=(2, 3), counts=(3, 3))
    """
    if shift <= histogram.shift:
        return histogram
    bins, counts = np.array(histogram.bins, np.int64), np.array(histogram.counts, np.int64)
    bins, counts = added(shifted(bins, shift - histogram.shift), counts)
    return Histogram(shift, tuple(bins.tolist()), tuple(counts.tolist()))


def edges(bin_number: int, shift: int) -> tuple[float, float]:
    """The least and the greatest double of a bin; the greatest finite one where it goes on.

    >>> edges((1023 << 52) >> 51, 51), edges(0, 51) == (-edges(0, 51)[1], edges(0, 51)[1])
    ((1.0, 1.4999999999999998), True)
    >>> edges(0, 0)
    (0.0, 0.0)
    """
    low = abs(bin_number) << shift
    high = min(((abs(bin_number) + 1) << shift) - 1, _GREATEST)
    near, far = (float(edge) for edge in np.array([min(low, _GREATEST), high], np.int64).view(np.float64))
    if bin_number == 0:
        # Not -far, which of the bin that has 0 alone is -0.0, and stands in a report as -0.
        return 0.0 - far, far
    return (near, far) if bin_number > 0 else (-far, -near)


def relative_width(shift: int) -> float:
    """By which part of itself a number may differ from the middle of its bin; 0 where each has its own.

    Numbers below 2^-1022 are not held to it.
    """
    return 0.0 if shift == 0 else 2.0 ** (shift - MANTISSA - 1)


_GREATEST = int(np.array([np.finfo(np.float64).max]).view(np.int64)[0])
