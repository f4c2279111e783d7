"""Exact window sums of wide numbers, by prefix sums of base-2^32 limbs.

A number is a row of limbs, the lowest first, each with `|limb| <= 2^32` in an int64. A prefix sum over fewer than 2^30
rows stays below 2^63, so nothing can overflow, and integer sums do not depend on the order or on where chunks are cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from beam_pipeline.kernel.bounds import Bools, Bounds, Int64s
from daeda.errors import DayError

UInt32s = npt.NDArray[np.uint32]

LIMB_BITS = 32
LIMB_MASK = 0xFFFF_FFFF
MOST_ROWS = 2**30 - 1


def window_digits(limbs: Iterable[Int64s], count: int, rows: int, windows: Sequence[Bounds]) -> list[UInt32s]:
    """The exact sums of all windows, as digits in two's complement.

    Args:
        limbs: `count` arrays of `rows` limbs each, the lowest first; each may reuse the memory of the one before.
        count: how many limbs a number has.
        rows: how many numbers there are.
        windows: ranges of rows.

    Returns:
        Per window an array of shape (count + 1, probes): base-2^32 digits, the lowest first, the sign in the top bit of
        the last one.

    Raises:
        DayError: more rows than the carries are proven for.
    """
    if rows > MOST_ROWS:
        raise DayError(f"a chunk of {rows} history rows is above the {MOST_ROWS} that can be summed: cut it smaller")
    digits = [np.empty((count + 1, len(window)), dtype=np.uint32) for window in windows]
    carries = [np.zeros(len(window), dtype=np.int64) for window in windows]
    prefix = np.zeros(rows + 1, dtype=np.int64)
    for place, limb in enumerate(limbs):
        np.cumsum(limb, out=prefix[1:])
        for index, window in enumerate(windows):
            total = prefix[window.hi]
            total -= prefix[window.lo]
            total += carries[index]
            digits[index][place] = total & LIMB_MASK
            carries[index] = total >> LIMB_BITS
    for index, carry in enumerate(carries):
        digits[index][count] = carry & LIMB_MASK
    return digits


def is_negative(digits: UInt32s) -> Bools:
    """Per window, whether the number in two's complement is below zero."""
    negative: Bools = digits[-1] >> 31 == 1
    return negative


def leaves(digits: UInt32s, kept: int) -> Bools:
    """Per window, whether the number needs more than its lowest `kept` digits (with their sign)."""
    sign = np.where(digits[kept - 1] >> 31 == 1, np.uint32(LIMB_MASK), np.uint32(0))
    outside: Bools = (digits[kept:] != sign).any(axis=0)
    return outside


def magnitude(digits: UInt32s) -> UInt32s:
    """The absolute values, unsigned; done in place."""
    negative = is_negative(digits)
    if not negative.any():
        return digits
    flip = np.where(negative, np.uint32(LIMB_MASK), np.uint32(0))
    carry = negative.astype(np.uint64)
    for place in range(len(digits)):
        total = (digits[place] ^ flip) + carry
        digits[place] = total & np.uint64(LIMB_MASK)
        carry = total >> np.uint64(LIMB_BITS)
    return digits
