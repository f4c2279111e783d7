"""Counts, sums and means over windows that reach over several pieces of a history, by what each piece has summed up.

A piece keeps the sums of its rows up to each of them, limb by limb, in units that are whole powers of 2^32. Limbs of
one place add up whatever piece they are of, exactly, so that the results are those of one pass over all rows, to the
bit, and cost a few look-ups per probe and piece, however many rows the windows have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_pipeline.windows.contract import Extent, Probes, SumOverflow, WindowedAggregate
from beam_pipeline.windows.numpy_engine.bounds import (
    BoundFinder,
    Bounds,
    DistinctProbes,
    Int64s,
    Segments,
    distinct_probes,
)
from beam_pipeline.windows.numpy_engine.double_sum import rounded as rounded_sums
from beam_pipeline.windows.numpy_engine.double_sum import scale, scaled_limbs
from beam_pipeline.windows.numpy_engine.exact_sum import (
    WindowSums,
    decimal_limbs,
    decimal_sums_of,
    decimal_words,
    integer_limbs,
    integer_sums_of,
    integers_of,
)
from beam_pipeline.windows.numpy_engine.limbs import LIMB_BITS, MOST_ROWS, UInt32s, digits_of
from beam_pipeline.windows.numpy_engine.lists import spread
from beam_pipeline.windows.numpy_engine.moments import means_of

_SUMMED = ("sum", "mean")


@dataclass(frozen=True)
class RunningSums:
    """A column of a piece, summed up to each row.

    Attributes:
        type: of the column.
        limbs: int64, one array per place, each of one number more than there are rows.
        lowest: the lowest place stands for multiples of 2^(32 lowest).
        values: how many values stand before each row; None where no row is NULL.
    """

    type: pa.DataType
    limbs: tuple[Int64s, ...]
    lowest: int
    values: Int64s | None

    @property
    def nbytes(self) -> int:
        """What it takes in memory."""
        return sum(array.nbytes for array in self.limbs) + (0 if self.values is None else self.values.nbytes)


@dataclass(frozen=True)
class Piece:
    """Some rows of a history: of each entity those of its segment, in the order of time, all within `span`."""

    segments: Segments
    time: Int64s
    span: tuple[int, int] | None
    sums: Mapping[str, RunningSums]


def can_sum(aggregates: Sequence[WindowedAggregate], types: Mapping[str, pa.DataType]) -> bool:
    """Whether all of them are computed of running sums; `types` are those of the columns."""
    return all(_can_sum(wanted, None if wanted.column is None else types[wanted.column]) for wanted in aggregates)


def _can_sum(wanted: WindowedAggregate, kind: pa.DataType | None) -> bool:
    match wanted.kind:
        case "count":
            return True
        case "any":
            return kind is None
        case "sum" | "mean":
            return kind is not None and (
                pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
            )
        case _:
            return False


def summed_columns(aggregates: Sequence[WindowedAggregate]) -> dict[str, bool]:
    """The columns that are to be summed up; those of which values are counted alone are False."""
    columns: dict[str, bool] = {}
    for wanted in aggregates:
        if wanted.column is not None:
            columns[wanted.column] = columns.get(wanted.column, False) or wanted.kind in _SUMMED
    return columns


def running_sums(column: pa.Array, summed: bool) -> RunningSums | None:
    """The sums up to each row, or the number of values alone; None for a NaN, an infinity, or doubles of all sizes."""
    if len(column) > MOST_ROWS:
        return None
    values = _before(np.asarray(column.is_valid())) if column.null_count else None
    if not summed:
        return RunningSums(column.type, (), 0, values)
    made = _limbs(pc.fill_null(column, pa.scalar(0, column.type)) if column.null_count else column)
    if made is None:
        return None
    limbs, lowest = made
    return RunningSums(column.type, tuple(map(_before, limbs)), lowest, values)


def _limbs(values: pa.Array) -> tuple[Iterator[Int64s], int] | None:
    if pa.types.is_integer(values.type):
        return integer_limbs(integers_of(values)), 0
    if pa.types.is_decimal(values.type):
        return decimal_limbs(decimal_words(values)), 0
    doubles = values.cast(pa.float64()).to_numpy()
    if not np.isfinite(doubles).all():
        return None
    if not doubles.any():
        return iter(()), 0
    of_values = scale(doubles)
    if of_values is None:
        return None
    return scaled_limbs(doubles, of_values.lower(of_values.unit % LIMB_BITS)), of_values.unit // LIMB_BITS


def _before(numbers: Int64s) -> Int64s:
    sums = np.zeros(len(numbers) + 1, dtype=np.int64)
    np.cumsum(numbers, out=sums[1:])
    return sums


def aggregate_pieces(
    pieces: Sequence[Piece], probes: Probes, aggregates: Sequence[WindowedAggregate], where: str
) -> list[pa.Array]:
    """The aggregates of every probe over all pieces, of which each is later than the one before; see `aggregate`.

    `can_sum` is true of the aggregates. Raises SumOverflow.
    """
    distinct = distinct_probes(probes)
    finders = [BoundFinder(piece.segments, piece.time, distinct, packed=False, span=piece.span) for piece in pieces]
    windows = {
        extent: [finder.find(*extent) for finder in finders]
        for extent in dict.fromkeys(wanted.extent for wanted in aggregates)
    }
    results = [_aggregated(pieces, windows, distinct, wanted, where) for wanted in aggregates]
    return results if distinct.inverse is None else [spread(result, distinct.inverse) for result in results]


def _aggregated(
    pieces: Sequence[Piece],
    windows: Mapping[Extent, Sequence[Bounds]],
    probes: DistinctProbes,
    wanted: WindowedAggregate,
    where: str,
) -> pa.Array:
    bounds = windows[wanted.extent]
    if wanted.column is None:
        count = _total([window.hi - window.lo for window in bounds], len(probes.time))
        return pa.array(count > 0 if wanted.kind == "any" else count)
    sums = [piece.sums[wanted.column] for piece in pieces]
    count = _total([_counted(one, window) for one, window in zip(sums, bounds, strict=True)], len(probes.time))
    if wanted.kind == "count":
        return pa.array(count)
    kind = sums[0].type
    digits, lowest = _digits(sums, bounds, len(probes.time))
    if wanted.kind == "mean":
        tens = kind.scale if pa.types.is_decimal(kind) else 0
        return pa.array(means_of(digits, count, LIMB_BITS * lowest, tens), mask=count < 1)
    found = _sums(digits, lowest, kind)
    if found.outside is not None and found.outside.any():
        raise SumOverflow(where, wanted.name, int(probes.entity[int(np.argmax(found.outside))]), found.type)
    return found.to_arrow(count < 1)


def _sums(digits: UInt32s, lowest: int, kind: pa.DataType) -> WindowSums:
    if pa.types.is_integer(kind):
        return integer_sums_of(digits)
    if pa.types.is_decimal(kind):
        return decimal_sums_of(digits, kind.scale)
    return WindowSums(rounded_sums(digits, LIMB_BITS * lowest), pa.float64(), None)


def _counted(sums: RunningSums, window: Bounds) -> Int64s:
    return window.hi - window.lo if sums.values is None else sums.values[window.hi] - sums.values[window.lo]


def _digits(sums: Sequence[RunningSums], bounds: Sequence[Bounds], probes: int) -> tuple[UInt32s, int]:
    """The sums of each window over all pieces, as digits in two's complement, and the place of the lowest."""
    some = [one for one in sums if one.limbs]
    lowest = min((one.lowest for one in some), default=0)
    places = max((one.lowest + len(one.limbs) for one in some), default=1) - lowest
    totals = [np.zeros(probes, dtype=np.int64) for _ in range(places)]
    for one, window in zip(sums, bounds, strict=True):
        for place, limb in enumerate(one.limbs, one.lowest - lowest):
            totals[place] += limb[window.hi]
            totals[place] -= limb[window.lo]
    return digits_of(totals), lowest


def _total(parts: Sequence[Int64s], probes: int) -> Int64s:
    total = np.zeros(probes, dtype=np.int64)
    for part in parts:
        total += part
    return total
