"""Sums over windows whose terms fade with age: each times `2^(-age / half_life)`.

Subtracting prefix sums of faded terms would leave nothing of the newest rows behind a history of many half-lives. So
time is cut into blocks of BLOCK half-lives, from the epoch. A row's term, faded to the end of its block, is one double
`value * 2^-fraction` times a power of two; the sum of those of a window and a block is exact (see `double_sum`) and is
faded once more, to the window's `t`; and a window adds up its blocks from the newest to the oldest. What is rounded
depends on the rows of the window alone: not on their order among ties, and not on what else is in the chunk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_pipeline.windows.numpy_engine.bounds import Bounds, Int64s
from beam_pipeline.windows.numpy_engine.double_sum import (
    decompose,
    limbs_of,
    overlay_special,
    scale,
    scaled_limbs,
)
from beam_pipeline.windows.numpy_engine.limbs import is_negative, magnitude, window_digits
from beam_pipeline.windows.numpy_engine.rounding import Doubles, leading_bits
from daeda.errors import DayError

# Half-lives of a block: so many bits more have to be summed exactly, one limb.
BLOCK = 32
# So many half-lives before t, nothing is left of all rows of a chunk: 2^1024 * 2^30 * 2^-2200 is far below 2^-1075.
_GONE = 2_200
_LONGEST_BLOCK = 2**62
_HALVED = 2.0 ** -np.arange(BLOCK + 1)
# Pieces of windows that are summed at a time, where that is more than there are windows.
_PIECES = 1 << 20


@dataclass(frozen=True)
class Fading:
    """A half-life in the unit of the times, and the blocks that it cuts time into.

    A block ends with its last instant, to which its rows are faded.
    """

    half_life: Fraction

    @property
    def length(self) -> int:
        """Units of a block, at least one."""
        return min(max(1, math.floor(BLOCK * self.half_life)), _LONGEST_BLOCK)

    def to_end(self, times: Int64s, block: Int64s) -> Doubles:
        """How many half-lives lie between an instant and the end of its block: 0 up to BLOCK."""
        length = np.int64(self.length)
        # Modulo 2^64: a block can begin before the least int64, but an instant is always within it.
        rest = length - 1 - (times - block * length)
        return rest.astype(np.float64) * float(1 / self.half_life)

    def of_blocks(self) -> tuple[Int64s, Doubles]:
        """How many half-lives so many blocks take, as whole numbers and what they lack: 0 blocks, 1, and so on.

        There are as many as something is left behind, or as int64 times have.
        """
        one = self.length / self.half_life
        count = min(math.floor(_GONE / one), 2**64 // self.length) + 2
        whole = [math.floor(number * one) for number in range(count)]
        rest = [float(number * one - part) for number, part in enumerate(whole)]
        return np.array([min(part, 2**31) for part in whole], dtype=np.int64), np.array(rest)


@dataclass(frozen=True)
class Faded:
    """The rows of a column faded to the ends of their blocks: `numbers * 2^-halvings`.

    Attributes:
        values: as they were, for those that are not finite.
        numbers: what is left of the finite ones by the fraction of their halvings, 0.0 for others.
        halvings: whole ones, 0 up to BLOCK.
        block: of the times.
        begins: for each row the first one that shares its entity and block.
    """

    values: Doubles
    numbers: Doubles
    halvings: npt.NDArray[np.int16]
    block: Int64s
    begins: Int64s

    @staticmethod
    def of(values: Doubles, times: Int64s, ranks: Int64s, fading: Fading) -> Faded:
        """Rows are in order of ranks, those of their entities, and of times."""
        block = times // np.int64(fading.length)
        ages = fading.to_end(times, block)
        whole = np.floor(ages)
        finite = np.where(np.isfinite(values), values, 0.0)
        finite *= np.exp2(whole - ages)
        new = np.ones(len(times), dtype=np.bool_)
        new[1:] = (ranks[1:] != ranks[:-1]) | (block[1:] != block[:-1])
        first = np.flatnonzero(new)
        return Faded(values, finite, whole.astype(np.int16), block, first[np.cumsum(new) - 1])

    def limbs(self) -> tuple[Iterator[Int64s], int, int]:
        """The numbers and their halvings as whole numbers: base-2^32 digits, how many, and the exponent of the unit."""
        by = scale(self.numbers)
        if by is None:
            parts = decompose(self.numbers)
            shift = parts.shift + (np.int16(BLOCK) - self.halvings)
            parts = replace(parts, shift=shift, unit=parts.unit - BLOCK, limbs=parts.limbs + 1)
            return limbs_of(parts), parts.limbs, parts.unit
        by = by.lower(BLOCK)
        return scaled_limbs(self.numbers * _HALVED[self.halvings], by), by.limbs, by.unit


def decayed_sums(
    values: Doubles, times: Int64s, ranks: Int64s, windows: Sequence[Bounds], now: Int64s, half_life: Fraction
) -> list[Doubles]:
    """The faded sum of each window, one per distinct probe; 0.0 for an empty one, infinite beyond the doubles.

    Args:
        values: one per row.
        times: of the rows.
        ranks: of their entities, non-decreasing.
        windows: each lies within one entity, and before `now`.
        now: of each probe.
        half_life: in the unit of the times.
    """
    fading, every = Fading(half_life), Bounds.joined(windows)
    faded = Faded.of(values, times, ranks, fading)
    count = len(now)
    totals = _Totals.zero(len(every))
    for pieces in _pieces(faded, every, np.tile(now, len(windows)), fading):
        totals.add(faded, pieces)
    sums = [totals.doubles(slice(place * count, (place + 1) * count)) for place in range(len(windows))]
    overlay_special(values, windows, sums)
    return sums


def faded_values(values: pa.Array | None, rows: int) -> Doubles:
    """Numbers of any type as doubles; without a column, 1.0 for each row. Raises DayError for what is no number."""
    if values is None:
        return np.ones(rows)
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise DayError(f"a sum needs numbers, found a column of {kind}")
    doubles: Doubles = values.cast(pa.float64(), safe=False).to_numpy()
    return doubles


@dataclass(frozen=True)
class _Pieces:
    """Rows that windows share with blocks; of one window and several pieces, the newer piece comes first.

    `step` numbers the pieces of a window, `halvings + rest` is how many half-lives lie between block and window.
    """

    window: Int64s
    rows: Bounds
    step: Int64s
    halvings: Int64s
    rest: Doubles


class _Piece(NamedTuple):
    """What one block has of some windows: their numbers, rows `[lo, hi)`, and how many blocks lie between."""

    window: Int64s
    lo: Int64s
    hi: Int64s
    apart: Int64s


def _pieces(faded: Faded, every: Bounds, now: Int64s, fading: Fading) -> Iterator[_Pieces]:
    """All pieces of the windows, so many at a time as there are windows."""
    whole, rest = fading.of_blocks()
    now_block = now // np.int64(fading.length)
    # The window's t lies before the end of its block, by so many half-lives.
    ahead = fading.to_end(now, now_block)
    window = np.flatnonzero(every.hi > every.lo).astype(np.int64, copy=False)
    hi = every.hi[window]
    held: list[_Piece] = []
    most, room = max(len(every), _PIECES), 0
    while len(window):
        block = faded.block[hi - 1]
        # Two blocks can lie almost 2^64 apart; the window's is never the earlier one.
        apart = now_block[window].view(np.uint64) - block.view(np.uint64)
        near = apart < len(whole)
        window, hi = window[near], hi[near]
        lo = np.maximum(faded.begins[hi - 1], every.lo[window])
        held.append(_Piece(window, lo, hi, apart[near].astype(np.int64)))
        room += len(window)
        left = lo > every.lo[window]
        window, hi = window[left], lo[left]
        if room >= most or not len(window):
            yield _joined(held, whole, rest, ahead)
            held, room = [], 0


def _joined(held: Sequence[_Piece], whole: Int64s, rest: Doubles, ahead: Doubles) -> _Pieces:
    window, lo, hi, apart = (np.concatenate(parts) for parts in zip(*held, strict=True))
    step = np.repeat(np.arange(len(held)), [len(piece.window) for piece in held])
    return _Pieces(window, Bounds(lo, hi), step, whole[apart], rest[apart] - ahead[window])


@dataclass(frozen=True)
class _Totals:
    """A number for each window, `mantissa * 2^exponent`, so that no sum on the way is beyond the doubles."""

    mantissa: Doubles
    exponent: Int64s

    @staticmethod
    def zero(count: int) -> _Totals:
        return _Totals(np.zeros(count), np.full(count, -(2**20), dtype=np.int64))

    def add(self, faded: Faded, pieces: _Pieces) -> None:
        """Add the sums of pieces, step by step."""
        limbs, places, unit = faded.limbs()
        (digits,) = window_digits(limbs, places, len(faded.numbers), [pieces.rows])
        negative = is_negative(digits)
        bits, exponent = leading_bits(magnitude(digits))
        whole = np.floor(pieces.rest)
        terms = bits.astype(np.float64) * np.exp2(whole - pieces.rest)
        np.negative(terms, out=terms, where=negative)
        exponent += unit - pieces.halvings - whole.astype(np.int64)
        present = terms != 0
        for step in np.unique(pieces.step):
            those = np.flatnonzero((pieces.step == step) & present)
            self._add(pieces.window[those], terms[those], exponent[those])

    def _add(self, window: Int64s, terms: Doubles, exponent: Int64s) -> None:
        """Add one term to each of some windows."""
        before, top = self.exponent[window], np.maximum(self.exponent[window], exponent)
        total = np.ldexp(self.mantissa[window], np.maximum(before - top, -(2**20)).astype(np.int32))
        total += np.ldexp(terms, np.maximum(exponent - top, -(2**20)).astype(np.int32))
        self.mantissa[window], self.exponent[window] = total, top

    def doubles(self, windows: slice) -> Doubles:
        """The totals as doubles; a zero has no sign."""
        with np.errstate(over="ignore", under="ignore"):
            exponent = np.maximum(self.exponent[windows], -(2**20)).astype(np.int32)
            result: Doubles = np.ldexp(self.mantissa[windows], exponent) + 0.0
        return result
