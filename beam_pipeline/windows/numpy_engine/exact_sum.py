"""Sums over windows: integers and decimals exactly, doubles correctly rounded.

The type of a result is that of `Aggregate.output`: int64 for integers, decimal128(38, s) for decimals, double for
floating point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_pipeline.windows.numpy_engine.bounds import Bools, Bounds, Int64s
from beam_pipeline.windows.numpy_engine.double_sum import double_sums
from beam_pipeline.windows.numpy_engine.limbs import LIMB_BITS, LIMB_MASK, UInt32s, leaves, window_digits
from daeda.errors import DayError

Integers = npt.NDArray[np.int64] | npt.NDArray[np.uint64]

DECIMAL_LIMBS = 4
_DECIMAL_DIGITS = 38
_DECIMAL_LIMIT = 10**_DECIMAL_DIGITS


@dataclass(frozen=True)
class WindowSums:
    """The sums of one window, one per distinct probe.

    `values` is numpy int64 or float64, or for decimals the 16 bytes of each as four uint32 (shape (probes, 4));
    `outside` marks the sums that do not fit `type`, None if none can be.
    """

    values: npt.NDArray[np.generic]
    type: pa.DataType
    outside: Bools | None

    def to_arrow(self, empty: Bools) -> pa.Array:
        """One value per distinct probe, NULL where its window is empty."""
        if not pa.types.is_decimal(self.type):
            return pa.array(self.values, type=self.type, mask=empty)
        validity = pa.py_buffer(np.packbits(~empty, bitorder="little"))
        data = pa.py_buffer(np.ascontiguousarray(self.values))
        return pa.Array.from_buffers(self.type, len(empty), [validity, data])


def window_sums(values: pa.Array, windows: Sequence[Bounds]) -> list[WindowSums]:
    """The sums of a column without NULLs over each of the windows; one pass of prefix sums serves them all.

    Raises DayError for a column that is not of numbers, or longer than 2^30 - 1.
    """
    if pa.types.is_floating(values.type):
        doubles = values.cast(pa.float64()).to_numpy()
        return [WindowSums(sums, pa.float64(), None) for sums in double_sums(doubles, windows)]
    if pa.types.is_integer(values.type):
        return _integer_sums(values, windows)
    if pa.types.is_decimal(values.type):
        return _decimal_sums(values, windows)
    raise DayError(f"a sum needs numbers, found a column of {values.type}")


def integers_of(values: pa.Array) -> Integers:
    """Integers of any width as 64-bit ones, unsigned where they can be beyond int64."""
    numbers: Integers = values.to_numpy()
    return numbers if numbers.dtype == np.uint64 else numbers.astype(np.int64, copy=False)


def integer_limbs(wide: Integers) -> Iterator[Int64s]:
    """The two limbs of 64-bit integers."""
    yield (wide & LIMB_MASK).astype(np.int64, copy=False)
    yield (wide >> LIMB_BITS).astype(np.int64, copy=False)


def decimal_words(values: pa.Array) -> UInt32s:
    """The unscaled integers, shape (rows, 4): Arrow keeps each as 16 bytes in little-endian two's complement."""
    source = values.cast(pa.decimal128(values.type.precision, values.type.scale))
    words = np.frombuffer(source.buffers()[1], dtype=np.uint32).reshape(-1, DECIMAL_LIMBS)
    return words[source.offset : source.offset + len(source)]


def decimal_limbs(words: UInt32s) -> Iterator[Int64s]:
    """The four limbs of `decimal_words`; the highest one has the sign."""
    for place in range(DECIMAL_LIMBS - 1):
        yield words[:, place].astype(np.int64)
    yield words[:, DECIMAL_LIMBS - 1].astype(np.int32).astype(np.int64)


def _integer_sums(values: pa.Array, windows: Sequence[Bounds]) -> list[WindowSums]:
    return [
        integer_sums_of(digits) for digits in window_digits(integer_limbs(integers_of(values)), 2, len(values), windows)
    ]


def integer_sums_of(digits: UInt32s) -> WindowSums:
    """Sums of integers, of the three digits of each."""
    words = digits[:2].astype(np.uint64)
    low = (words[1] << np.uint64(LIMB_BITS)) | words[0]
    return WindowSums(low.view(np.int64), pa.int64(), leaves(digits, 2))


def _decimal_sums(values: pa.Array, windows: Sequence[Bounds]) -> list[WindowSums]:
    words = decimal_words(values)
    return [
        decimal_sums_of(digits, values.type.scale)
        for digits in window_digits(decimal_limbs(words), DECIMAL_LIMBS, len(words), windows)
    ]


def decimal_sums_of(digits: UInt32s, scale: int) -> WindowSums:
    """Sums of decimals, of the five digits of each."""
    values = np.ascontiguousarray(digits[:DECIMAL_LIMBS].T)
    return WindowSums(values, pa.decimal128(_DECIMAL_DIGITS, scale), _beyond_decimal(digits))


def _beyond_decimal(digits: UInt32s) -> Bools:
    """Whether a sum is 10^38 or more, or -10^38 or less."""
    words = digits[:DECIMAL_LIMBS].astype(np.uint64)
    low = (words[1] << np.uint64(LIMB_BITS)) | words[0]
    high = ((words[3] << np.uint64(LIMB_BITS)) | words[2]).view(np.int64)
    high_limit, low_limit = divmod(_DECIMAL_LIMIT, 2**64)
    above = (high > high_limit) | ((high == high_limit) & (low >= np.uint64(low_limit)))
    high_limit, low_limit = divmod(-_DECIMAL_LIMIT, 2**64)
    below = (high < high_limit) | ((high == high_limit) & (low <= np.uint64(low_limit)))
    beyond: Bools = above | below | leaves(digits, DECIMAL_LIMBS)
    return beyond
