"""Exact window sums of wide numbers, by prefix sums of base-2^32 limbs, and arithmetic with what they give.

A number is a row of limbs, the lowest first, each with `|limb| <= 2^32` in an int64. A prefix sum over fewer than 2^30
rows stays below 2^63, so nothing can overflow, and integer sums do not depend on the order or on where chunks are cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from beam_pipeline.windows.numpy_engine.bounds import Bools, Bounds, Int64s
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


def digits_of(totals: Sequence[Int64s]) -> UInt32s:
    """Numbers in two's complement, shape (places + 1, numbers), of sums of limbs, the lowest place first.

    Each sum is one of at most MOST_ROWS limbs.
    """
    digits = np.empty((len(totals) + 1, len(totals[0])), dtype=np.uint32)
    carry = np.zeros(len(totals[0]), dtype=np.int64)
    for place, total in enumerate(totals):
        carried = total + carry
        digits[place] = carried & LIMB_MASK
        carry = carried >> LIMB_BITS
    digits[len(totals)] = carry & LIMB_MASK
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


def square(digits: UInt32s) -> UInt32s:
    """The squares of unsigned numbers, shape (2 * places, numbers)."""
    places, numbers = digits.shape
    sums = np.zeros((2 * places, numbers), dtype=np.uint64)
    used = [place for place in range(places) if digits[place].any()]
    for low in used:
        for high in used[used.index(low) :]:
            product = digits[low].astype(np.uint64) * digits[high]
            twice = np.uint64(1 if low == high else 2)
            # A place adds up at most two halves per pair of places: far below 2^64.
            sums[low + high] += twice * (product & np.uint64(LIMB_MASK))
            sums[low + high + 1] += twice * (product >> np.uint64(LIMB_BITS))
    return _carried(sums)


def times(digits: UInt32s, factor: Int64s) -> UInt32s:
    """Unsigned numbers times one factor below 2^31 each, shape (places + 1, numbers)."""
    products = np.zeros((len(digits) + 1, digits.shape[1]), dtype=np.uint64)
    np.multiply(digits, factor.astype(np.uint64), out=products[:-1])
    return _carried(products)


def minus(digits: UInt32s, other: UInt32s) -> UInt32s:
    """Differences of unsigned numbers, none of them negative, shape (greater number of places, numbers)."""
    places = max(len(digits), len(other))
    result = np.empty((places, digits.shape[1]), dtype=np.uint32)
    carry = np.zeros(digits.shape[1], dtype=np.int64)
    for place in range(places):
        if place < len(digits):
            carry += digits[place]
        if place < len(other):
            carry -= other[place]
        result[place] = carry & LIMB_MASK
        carry >>= LIMB_BITS
    return result


def raised(digits: UInt32s, places: int) -> UInt32s:
    """Unsigned numbers times 2^(32 * places)."""
    return np.concatenate([np.zeros((places, digits.shape[1]), dtype=np.uint32), digits])


def divide(digits: UInt32s, divisor: Int64s | int) -> Bools:
    """Divide unsigned numbers by divisors of 1 .. 2^31 - 1, in place; returns where a remainder is left."""
    by = np.asarray(divisor, dtype=np.uint64)
    rest = np.zeros(digits.shape[1], dtype=np.uint64)
    for place in range(len(digits) - 1, -1, -1):
        rest = (rest << np.uint64(LIMB_BITS)) | digits[place]
        quotient = rest // by
        rest -= quotient * by
        digits[place] = quotient
    remains: Bools = rest != 0
    return remains


def _carried(sums: npt.NDArray[np.uint64]) -> UInt32s:
    """Digits of numbers whose places hold more than 32 bits; the highest place takes the last carry."""
    result = np.empty(sums.shape, dtype=np.uint32)
    carry = np.zeros(sums.shape[1], dtype=np.uint64)
    for place, total in enumerate(sums):
        carry += total
        result[place] = carry & np.uint64(LIMB_MASK)
        carry >>= np.uint64(LIMB_BITS)
    return result
