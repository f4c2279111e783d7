"""Means and sample standard deviations over windows, from exact sums of numbers and of their squares.

With n numbers, S their sum and Q the sum of their squares, the mean is `S / n` and the variance
`(n Q - S^2) / (n (n - 1))`. S, Q and the numerators are exact integers, so nothing cancels, whatever the numbers have
in common; one long division and one rounding follow. The mean is the double nearest to the exact mean, and a deviation
differs from the exact one by less than two units in the last place. Both are the same bits for every order of the rows
and every way to cut them into chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from beam_pipeline.windows.numpy_engine.bounds import Bounds, Int64s
from beam_pipeline.windows.numpy_engine.double_sum import Parts, decompose, has_special, limbs_of, overlay_special
from beam_pipeline.windows.numpy_engine.exact_sum import (
    Integers,
    decimal_limbs,
    decimal_words,
    integer_limbs,
    integers_of,
)
from beam_pipeline.windows.numpy_engine.limbs import (
    LIMB_BITS,
    LIMB_MASK,
    MOST_ROWS,
    UInt32s,
    divide,
    is_negative,
    magnitude,
    minus,
    raised,
    square,
    times,
    window_digits,
)
from beam_pipeline.windows.numpy_engine.rounding import Doubles, UInt64s, leading_bits, to_doubles
from daeda.errors import DayError

# Rows or probes that are worked on at a time, so that the intermediate arrays stay in the processor's cache.
_BLOCK = 1 << 14
_WORD_BITS = 64
_COUNT_BITS = MOST_ROWS.bit_length()
# 10^9 is the greatest power of ten that a long division by 32-bit digits takes at once.
_TEN_STEP = 9


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a column: integers times `2^unit / 10^scale`.

    `limbs` gives their digits and `squares` those of their squares, `count` and `square_count` of them. `doubles` are
    the numbers themselves where NaN and infinities are possible: these count as 0 in both.
    """

    rows: int
    limbs: Callable[[], Iterator[Int64s]]
    count: int
    squares: Callable[[], Iterator[Int64s]]
    square_count: int
    unit: int = 0
    scale: int = 0
    doubles: Doubles | None = None


def window_means(values: pa.Array, windows: Sequence[Bounds]) -> list[Doubles]:
    """The mean of each window, one per distinct probe; 0.0 for an empty window.

    NaN and infinities give what their sum gives, and touch only the windows that contain them. Raises DayError for a
    column that is not of numbers.
    """
    numbers = _numbers_of(values, "mean")
    sums = window_digits(numbers.limbs(), numbers.count, numbers.rows, windows)
    means = [
        means_of(digits, window.hi - window.lo, numbers.unit, numbers.scale)
        for window, digits in zip(windows, sums, strict=True)
    ]
    if numbers.doubles is not None:
        overlay_special(numbers.doubles, windows, means)
    return means


def means_of(sums: UInt32s, count: Int64s, unit: int, scale: int) -> Doubles:
    """The doubles nearest to `sums * 2^unit / 10^scale / count`, 0.0 where the count is 0; `sums` are overwritten.

    They are digits in two's complement.
    """
    tens = _powers_of_ten(scale)
    places = _places(_COUNT_BITS + sum(ten.bit_length() for ten in tens))
    means = np.empty(len(count), dtype=np.float64)
    for block in _blocks(len(count)):
        some = sums[:, block]
        negative = is_negative(some)
        absolute = raised(magnitude(some), places)
        inexact = divide(absolute, np.maximum(count[block], 1))
        for ten in tens:
            inexact |= divide(absolute, ten)
        bits, exponent = leading_bits(absolute, inexact)
        mean = to_doubles(bits, exponent + (unit - LIMB_BITS * places))
        # A negative number that is rounded to zero has no sign.
        means[block] = np.where(negative, -mean, mean) + 0.0
    return means


def window_deviations(values: pa.Array, windows: Sequence[Bounds]) -> list[Doubles]:
    """The sample standard deviation of each window, one per distinct probe; 0.0 where there are less than two values.

    A NaN or an infinity makes it NaN. Raises DayError for a column that is not of numbers.
    """
    numbers = _numbers_of(values, "std")
    sums = window_digits(numbers.limbs(), numbers.count, numbers.rows, windows)
    squares = window_digits(numbers.squares(), numbers.square_count, numbers.rows, windows)
    places = _places(2 * _COUNT_BITS)
    deviations = []
    for window, first, second in zip(windows, sums, squares, strict=True):
        result = np.empty(len(window), dtype=np.float64)
        for block in _blocks(len(window)):
            count = window.hi[block] - window.lo[block]
            variance = raised(minus(times(second[:, block], count), square(magnitude(first[:, block]))), places)
            inexact = divide(variance, np.maximum(count, 1))
            inexact |= divide(variance, np.maximum(count - 1, 1))
            bits, exponent = leading_bits(variance, inexact)
            result[block] = _roots(bits, exponent + (2 * numbers.unit - LIMB_BITS * places))
        if numbers.scale:
            result /= float(10**numbers.scale)
        deviations.append(result)
    if numbers.doubles is not None:
        for result, special in zip(deviations, has_special(numbers.doubles, windows), strict=True):
            result[special] = np.nan
    return deviations


def _roots(bits: UInt64s, exponent: Int64s) -> Doubles:
    """The square roots of `bits * 2^exponent`, also where that number itself is outside of the doubles."""
    odd = exponent & 1
    root = np.sqrt(np.ldexp(bits.astype(np.float64), odd.astype(np.int32)))
    with np.errstate(over="ignore"):
        return np.ldexp(root, ((exponent - odd) >> 1).astype(np.int32))


def _blocks(length: int) -> Iterator[slice]:
    for start in range(0, length, _BLOCK):
        yield slice(start, start + _BLOCK)


def _places(divisor_bits: int) -> int:
    """Places to put below a number, so that its quotient by so long a divisor keeps 64 bits."""
    return -(-(divisor_bits + _WORD_BITS) // LIMB_BITS)


def _powers_of_ten(scale: int) -> list[int]:
    """10^scale as factors that `divide` takes."""
    return [10 ** min(_TEN_STEP, scale - done) for done in range(0, scale, _TEN_STEP)]


def _numbers_of(values: pa.Array, kind: str) -> _Numbers:
    if pa.types.is_floating(values.type):
        return _of_doubles(values.cast(pa.float64()).to_numpy())
    if pa.types.is_integer(values.type):
        wide = integers_of(values)
        squares = _squares(_integer_magnitudes(wide))
        return _Numbers(len(wide), lambda: integer_limbs(wide), 2, lambda: _rows_of(squares), len(squares))
    if pa.types.is_decimal(values.type):
        words = decimal_words(values)
        squares = _squares(_decimal_magnitudes(words))
        scale = values.type.scale
        return _Numbers(
            len(words), lambda: decimal_limbs(words), words.shape[1], lambda: _rows_of(squares), len(squares), 0, scale
        )
    raise DayError(f"a {kind} needs numbers, found a column of {values.type}")


def _of_doubles(doubles: Doubles) -> _Numbers:
    parts = decompose(doubles)
    # A square has twice the shift and twice the bits: shift <= 32 * limbs - 53.
    count = 2 * parts.limbs
    return _Numbers(
        len(doubles), lambda: limbs_of(parts), parts.limbs, lambda: _double_squares(parts, count), count, parts.unit,
        doubles=doubles,
    )  # fmt: skip


def _integer_magnitudes(wide: Integers) -> UInt32s:
    words = np.where(wide < 0, ~wide.view(np.uint64) + np.uint64(1), wide.view(np.uint64))
    return np.stack([(words & np.uint64(LIMB_MASK)), words >> np.uint64(LIMB_BITS)]).astype(np.uint32)


def _decimal_magnitudes(words: UInt32s) -> UInt32s:
    return magnitude(words.T.copy())


def _squares(digits: UInt32s) -> UInt32s:
    result = np.empty((2 * len(digits), digits.shape[1]), dtype=np.uint32)
    for block in _blocks(digits.shape[1]):
        result[:, block] = square(digits[:, block])
    return result


def _rows_of(digits: UInt32s) -> Iterator[Int64s]:
    for place in digits:
        yield place.astype(np.int64)


def _double_squares(parts: Parts, count: int) -> Iterator[Int64s]:
    """Digits of `mantissa^2 << (2 * shift)`, place by place, in one array that is used again.

    The digit at place k begins at bit `32 k - 2 shift` of the 128-bit square: inside its lower word, across both, or
    inside the upper one. Shifts that leave no bit stop at the widest that a word takes.
    """
    mantissa = np.stack([parts.mantissa & np.uint64(LIMB_MASK), parts.mantissa >> np.uint64(LIMB_BITS)])
    digits = _squares(mantissa.astype(np.uint32)).astype(np.uint64)
    lower = digits[0] | (digits[1] << np.uint64(LIMB_BITS))
    upper = digits[2] | (digits[3] << np.uint64(LIMB_BITS))
    del digits, mantissa
    limb = np.empty(len(lower), dtype=np.int64)
    for place in range(count):
        for block in _blocks(len(lower)):
            begin = LIMB_BITS * place - 2 * parts.shift[block].astype(np.int32)
            left = np.clip(-begin, 0, LIMB_BITS).astype(np.uint64)
            right = np.clip(begin, 0, _WORD_BITS - 1).astype(np.uint64)
            beyond = np.clip(begin - _WORD_BITS, 0, _WORD_BITS - 1).astype(np.uint64)
            across = (upper[block] << np.uint64(1)) << (np.uint64(_WORD_BITS - 1) - right)
            inside = np.where(begin < 0, lower[block] << left, (lower[block] >> right) | across)
            digit = np.where(begin < _WORD_BITS, inside, upper[block] >> beyond)
            limb[block] = (digit & np.uint64(LIMB_MASK)).view(np.int64)
        yield limb
