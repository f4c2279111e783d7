"""From wide unsigned integers to doubles, correctly rounded by way of their 64 leading bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from beam_pipeline.windows.numpy_engine.bounds import Bools, Int64s
from beam_pipeline.windows.numpy_engine.limbs import LIMB_BITS, LIMB_MASK, UInt32s

Doubles = npt.NDArray[np.float64]
UInt64s = npt.NDArray[np.uint64]

# IEEE 754 binary64: 53 bits of mantissa, and no bit below 2^-1074.
_MANTISSA_BITS = 53
_LEAST_EXPONENT = -1074
_WORD_BITS = 64


def leading_bits(digits: UInt32s, inexact: Bools | None = None) -> tuple[UInt64s, Int64s]:
    """Per number its 64 bits from the highest one set, and the exponent of the lowest of them.

    The last bit stands for all that lie below: it is set if any of them is, so that rounding the 64 bits rounds as if
    it saw them all. A number is `bits * 2^exponent`, up to that bit; zero is 0.

    Args:
        digits: unsigned numbers, shape (places, numbers), the lowest digit first.
        inexact: marks numbers that are larger than their digits, by less than one unit.
    """
    present = digits != 0
    top = len(digits) - 1 - np.argmax(present[::-1], axis=0)
    bottom = np.argmax(present, axis=0)
    first, second, third = (_digit(digits, top - below) for below in range(3))
    leading = LIMB_BITS - np.frexp(first.astype(np.float64))[1].astype(np.uint64)
    rest = third << leading
    bits = (((first << np.uint64(LIMB_BITS)) | second) << leading) | (rest >> np.uint64(LIMB_BITS))
    # Of a zero nothing is present, and argmax gives the ends of all digits.
    bits |= (first != 0) & (((rest & np.uint64(LIMB_MASK)) != 0) | (bottom < top - 2))
    if inexact is not None:
        bits |= inexact & (first != 0)
    return bits, LIMB_BITS * (top - 1) - leading.astype(np.int64)


def to_doubles(bits: UInt64s, exponent: Int64s) -> Doubles:
    """The doubles nearest to `bits * 2^exponent`, ties to even; infinite beyond the greatest double.

    `bits` have their highest one set (or are zero), and their last one stands for all that lie below.
    """
    dropped = _LEAST_EXPONENT - exponent
    tiny = np.flatnonzero(dropped > _WORD_BITS - _MANTISSA_BITS)
    if len(tiny):
        # The conversion to double would keep 53 bits, and a subnormal number has fewer: round once, here.
        bits, exponent = bits.copy(), exponent.copy()
        bits[tiny] = _without_low_bits(bits[tiny], np.minimum(dropped[tiny], _WORD_BITS + 1).astype(np.uint64))
        exponent[tiny] = _LEAST_EXPONENT
    with np.errstate(over="ignore"):
        return np.ldexp(bits.astype(np.float64), exponent.astype(np.int32))


def _without_low_bits(bits: UInt64s, dropped: UInt64s) -> UInt64s:
    """`bits / 2^dropped` to the nearest whole number, ties to even; `dropped` is 1 .. 65."""
    one, word = np.uint64(1), np.uint64(_WORD_BITS)
    kept = (bits >> one) >> np.minimum(dropped - one, word - one)
    kept[dropped > word] = 0
    within = np.minimum(dropped, word)
    below = bits & (np.uint64(2**_WORD_BITS - 1) >> (word - within))
    half = one << (within - one)
    up = (below > half) | ((below == half) & (kept & one == one))
    # 65 bits down, not even the highest bit reaches a half.
    up &= dropped <= word
    rounded: UInt64s = kept + up
    return rounded


def _digit(digits: UInt32s, place: Int64s) -> UInt64s:
    """Per number the digit at its place, 0 below the lowest."""
    picked = digits[np.maximum(place, 0), np.arange(digits.shape[1])].astype(np.uint64)
    picked[place < 0] = 0
    return picked
