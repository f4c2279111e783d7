"""Sums of doubles over windows: exact fixed-point accumulators, rounded once.

Plain prefix sums of doubles are wrong in almost every window, and one NaN poisons all later ones. Here every finite
double is an integer times a power of two, cut into base-2^32 limbs over the range of exponents that the chunk has (a
superaccumulator, after U. Kulisch and R. Neal, "Fast exact summation using small and large superaccumulators",
arXiv:1505.05571); the limbs have exact prefix sums. The result is the correctly rounded exact sum, hence the same bits
for every order of the rows and every way to cut them into chunks. NaN and the infinities are counted apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from beam_pipeline.windows.numpy_engine.bounds import Bools, Bounds, Int64s
from beam_pipeline.windows.numpy_engine.limbs import (
    LIMB_BITS,
    LIMB_MASK,
    UInt32s,
    is_negative,
    magnitude,
    window_digits,
)
from beam_pipeline.windows.numpy_engine.rounding import Doubles, leading_bits, to_doubles

# IEEE 754 binary64: 52 stored bits of fraction; the unit of a mantissa with exponent field f is 2^(f - 1075).
_FRACTION_BITS = 52
_MANTISSA_BITS = 53
_EXPONENT_MASK = 0x7FF
_UNIT_OF_FIELD_ZERO = -1075
# Rows that are decomposed at a time, so that the intermediate arrays stay in the processor's cache.
_BLOCK_ROWS = 1 << 15
# Powers of two up to this one, and products of two of them with doubles at hand, are far from what doubles cannot hold.
_MOST_SCALED = 500


@dataclass(frozen=True)
class Parts:
    """Finite doubles as `(-1)^sign * mantissa * 2^(unit + shift)`; a NaN or infinity has the mantissa 0.

    `sign` is 0 or -1 (all bits set), `limbs` how many base-2^32 digits the widest one reaches.
    """

    mantissa: npt.NDArray[np.uint64]
    shift: npt.NDArray[np.int16]
    sign: npt.NDArray[np.int8]
    unit: int
    limbs: int


def double_sums(values: Doubles, windows: Sequence[Bounds]) -> list[Doubles]:
    """The sum of each window, one per distinct probe, correctly rounded; 0.0 for an empty window.

    A sum beyond the greatest double is infinite, as IEEE 754 has it. A window with a NaN or with both infinities gives
    NaN (always the same bits), one with an infinity that infinity. A zero is never negative.
    """
    special = not np.isfinite(values).all()
    finite = np.where(np.isfinite(values), values, 0.0) if special else values
    scaled = scale(finite)
    if scaled is None:
        parts = decompose(values)
        limbs, count, unit = limbs_of(parts), parts.limbs, parts.unit
    else:
        limbs, count, unit = scaled_limbs(finite, scaled), scaled.limbs, scaled.unit
    sums = [rounded(digits, unit) for digits in window_digits(limbs, count, len(values), windows)]
    if special:
        overlay_special(values, windows, sums)
    return sums


@dataclass(frozen=True)
class Scale:
    """Finite doubles are integers times `2^unit`, each of at most so many bits beside its sign."""

    unit: int
    bits: int

    @property
    def limbs(self) -> int:
        """How many base-2^32 digits they have."""
        return -(-self.bits // LIMB_BITS)

    def lower(self, by: int) -> Scale:
        """The same doubles times a unit that is less by so many powers of two."""
        return Scale(self.unit - by, self.bits + by)


def scale(values: Doubles) -> Scale | None:
    """The scale of finite doubles; None where doubles do not reach from the least to the greatest of the integers."""
    absolute = np.abs(values)
    greatest = float(absolute.max(initial=0.0))
    if greatest == 0.0:
        return None
    least = float(np.min(absolute, where=absolute > 0.0, initial=np.inf))
    unit = max(math.frexp(least)[1] - _MANTISSA_BITS, _UNIT_OF_FIELD_ZERO + 1)
    bits = math.frexp(greatest)[1] - unit
    if abs(unit) > _MOST_SCALED or bits > _MOST_SCALED:
        return None
    return Scale(unit, bits)


def scaled_limbs(values: Doubles, by: Scale) -> Iterator[Int64s]:
    """Digits of all values, place by place, in one array that is used again; the last one has the sign.

    The arithmetic of doubles does it: every step divides by a power of two, rounds down, or leaves fewer bits than the
    value had, so that each is exact.
    """
    factor, base = 2.0**-by.unit, 2.0**LIMB_BITS
    left = np.empty(len(values), dtype=np.float64)
    limb = np.empty(len(values), dtype=np.int64)
    for place in range(by.limbs):
        for start in range(0, len(limb), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            whole = left[rows] if place else values[rows] * factor
            if place == by.limbs - 1:
                limb[rows] = whole
                continue
            upper = np.floor(whole * (1.0 / base))
            limb[rows] = whole - upper * base
            left[rows] = upper
        yield limb


def rounded(digits: UInt32s, unit: int) -> Doubles:
    """The doubles nearest to `digits * 2^unit`, which is in two's complement; `digits` is overwritten."""
    negative = is_negative(digits)
    bits, exponent = leading_bits(magnitude(digits))
    absolute = to_doubles(bits, exponent + unit)
    # An exact zero has no sign.
    signed: Doubles = np.where(negative, -absolute, absolute)
    return signed


def decompose(values: Doubles) -> Parts:
    """Doubles as integers; `unit` is the least of their exponents, or 0 if all are zero or special."""
    bits = np.ascontiguousarray(values).view(np.uint64)
    field = ((bits >> np.uint64(_FRACTION_BITS)) & np.uint64(_EXPONENT_MASK)).astype(np.int16)
    mantissa = bits & np.uint64((1 << _FRACTION_BITS) - 1)
    # A normal number has a hidden leading bit; a subnormal one (field 0) has the unit of field 1.
    mantissa |= (field > 0).astype(np.uint64) << np.uint64(_FRACTION_BITS)
    mantissa[field == _EXPONENT_MASK] = 0
    np.maximum(field, 1, out=field)
    sign = -(bits >> np.uint64(63)).astype(np.int8)
    present = field[mantissa != 0]
    if not len(present):
        return Parts(mantissa, field, sign, 0, 0)
    least, greatest = int(present.min()), int(present.max())
    limbs = -(-(greatest - least + _MANTISSA_BITS) // LIMB_BITS)
    field -= np.int16(least)
    return Parts(mantissa, field, sign, least + _UNIT_OF_FIELD_ZERO, limbs)


def limbs_of(parts: Parts) -> Iterator[Int64s]:
    """Signed digits of all values, place by place, in one array that is used again.

    The digit at place k of `mantissa << shift` is `(mantissa << (shift - 32 k)) mod 2^32`, with a negative shift to the
    right. Shifts by 32 to the left and by 63 to the right leave no bit, so further ones are held there.
    """
    limb = np.empty(len(parts.mantissa), dtype=np.int64)
    for place in range(parts.limbs):
        for start in range(0, len(limb), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            shift = parts.shift[rows] - np.int16(LIMB_BITS * place)
            digit = parts.mantissa[rows] << np.clip(shift, 0, LIMB_BITS).astype(np.uint64)
            digit >>= np.clip(-shift, 0, 63).astype(np.uint64)
            digit &= np.uint64(LIMB_MASK)
            sign = parts.sign[rows].astype(np.int64)
            signed = digit.view(np.int64)
            signed ^= sign
            np.subtract(signed, sign, out=limb[rows])
        yield limb


def overlay_special(values: Doubles, windows: Sequence[Bounds], sums: list[Doubles]) -> None:
    """Put NaN and infinities into the sums (or means) of the windows that contain them."""
    if np.isfinite(values).all():
        return
    nan = _counts(np.isnan(values))
    positive = _counts(values == np.inf)
    negative = _counts(values == -np.inf)
    for window, total in zip(windows, sums, strict=True):
        has_positive, has_negative = _within(positive, window), _within(negative, window)
        total[has_positive] = np.inf
        total[has_negative] = -np.inf
        total[_within(nan, window) | (has_positive & has_negative)] = np.nan


def _counts(marked: Bools) -> Int64s:
    """How many are marked before each position."""
    counts = np.zeros(len(marked) + 1, dtype=np.int64)
    np.cumsum(marked, out=counts[1:])
    return counts


def _within(counts: Int64s, window: Bounds) -> Bools:
    inside: Bools = counts[window.hi] > counts[window.lo]
    return inside


def has_special(values: Doubles, windows: Sequence[Bounds]) -> list[Bools]:
    """Per window, whether a NaN or an infinity is in it."""
    special = _counts(~np.isfinite(values))
    return [_within(special, window) for window in windows]
