"""Aggregates of one column of the history, each over its windows, one value per distinct probe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal, assert_never

import numpy as np
import pyarrow as pa

from beam_pipeline.windows.contract import AgeOverflow, SumOverflow, WindowedAggregate
from beam_pipeline.windows.numpy_engine.ages import ages_of_newest
from beam_pipeline.windows.numpy_engine.bounds import Bools, Bounds, Int64s
from beam_pipeline.windows.numpy_engine.decays import decayed_sums, faded_values
from beam_pipeline.windows.numpy_engine.distinct import Grouped, group_items, newest_distinct
from beam_pipeline.windows.numpy_engine.distinct_count import distinct_counts
from beam_pipeline.windows.numpy_engine.exact_sum import WindowSums, window_sums
from beam_pipeline.windows.numpy_engine.frequent import most_frequent
from beam_pipeline.windows.numpy_engine.lists import elements_of, gather, newest, oldest, take
from beam_pipeline.windows.numpy_engine.moments import window_deviations, window_means
from beam_pipeline.windows.numpy_engine.order import order_codes
from beam_pipeline.windows.numpy_engine.past import Past, Windows
from beam_pipeline.windows.numpy_engine.quantiles import rows_of_quantiles
from beam_pipeline.windows.numpy_engine.rounding import Doubles
from beam_pipeline.windows.numpy_engine.sequences import Sequences
from beam_pipeline.windows.numpy_engine.tree import greatest_rows
from daeda.aggregates import ListKind, SingleKind
from daeda.errors import DayError


def aggregate_columns(past: Past, aggregates: Sequence[WindowedAggregate], where: str) -> list[pa.Array]:
    """One array per aggregate, of one value per distinct probe; raises what `aggregate` raises."""
    results: dict[int, pa.Array] = {}
    for name in dict.fromkeys(wanted.column for wanted in aggregates):
        indices = [index for index, wanted in enumerate(aggregates) if wanted.column == name]
        of_column = [aggregates[index] for index in indices]
        windows = {wanted.extent: past.windows[wanted.extent] for wanted in of_column}
        column = _Column(None if name is None else past.columns[name], replace(past, windows=windows))
        results.update(zip(indices, _results(column, of_column, where), strict=True))
    return [results[index] for index in range(len(aggregates))]


class _Column:
    """One column of the history without its NULLs, and the windows as ranges of what is left."""

    def __init__(self, source: pa.Array | None, past: Past) -> None:
        """Without a `source` the windows are those of the rows."""
        self.values = source
        self.windows = windows = past.windows
        self.past = past
        self._valid: Bools | None = None
        if source is not None and source.null_count:
            self._valid = np.asarray(source.is_valid())
            before = np.zeros(len(source) + 1, dtype=np.int64)
            np.cumsum(self._valid, out=before[1:])
            self.values = source.drop_null()
            self.windows = {extent: Bounds(before[window.lo], before[window.hi]) for extent, window in windows.items()}

    @property
    def ranks(self) -> Int64s:
        """For each value the rank of its entity."""
        return self._kept(self.past.ranks())

    @property
    def times(self) -> Int64s:
        """For each value the time of its row."""
        return self._kept(self.past.times())

    def _kept(self, of_rows: Int64s) -> Int64s:
        return of_rows if self._valid is None else of_rows[self._valid]

    @cached_property
    def items(self) -> Grouped:
        """The values grouped by entity and item."""
        return group_items(self.ranks, self.values)

    @cached_property
    def elements(self) -> _Column:
        """The elements of a column of lists, as values that are newer the earlier they stand in a list."""
        values, before = elements_of(self.values)
        windows = {extent: Bounds(before[window.lo], before[window.hi]) for extent, window in self.windows.items()}

        def repeated(of_values: Int64s) -> Int64s:
            return np.repeat(of_values, np.diff(before))

        past = replace(
            self.past, ranks=lambda: repeated(self.ranks), times=lambda: repeated(self.times), windows=windows
        )
        return _Column(values, past)

    @cached_property
    def mirrored(self) -> _Column:
        """The values in the opposite order, so that what was oldest is newest; its times are of no use."""
        assert self.values is not None
        rows = len(self.values)
        turned = take(self.values, pa.array(np.arange(rows - 1, -1, -1, dtype=np.int64)))

        def ranks() -> Int64s:
            given = self.ranks
            return given[-1] - given[::-1] if len(given) else given

        past = replace(self.past, ranks=ranks, windows=_mirrored(self.windows, rows))
        return _Column(turned, past)


def _mirrored(windows: Windows, rows: int) -> Windows:
    return {length: Bounds(rows - window.hi, rows - window.lo) for length, window in windows.items()}


def _results(column: _Column, aggregates: Sequence[WindowedAggregate], where: str) -> Iterator[pa.Array]:
    """The aggregates of one column, in order; those of one kind share one pass over the column."""
    singles: dict[SingleKind, dict[WindowedAggregate, pa.Array]] = {}
    sequences = Sequences(column.past)
    for wanted in aggregates:
        kind = wanted.kind
        match kind:
            case "sequence":
                yield sequences.of(wanted, where)
            case "list" | "last_distinct" | "flatten_distinct" | "top_k":
                yield _list(column, kind, wanted)
            case _:
                if kind not in singles:
                    same_kind = [other for other in aggregates if other.kind == kind]
                    singles[kind] = _singles(column, kind, same_kind, where)
                yield singles[kind][_unnamed(wanted)]


def _singles(
    column: _Column, kind: SingleKind, aggregates: Sequence[WindowedAggregate], where: str
) -> dict[WindowedAggregate, pa.Array]:
    """The values of the aggregates, which are of one kind, by what they ask for."""
    asked = list(dict.fromkeys(map(_unnamed, aggregates)))
    try:
        return dict(zip(asked, _single(column, kind, asked), strict=True))
    except _Overflow as error:
        name = next(wanted.name for wanted in aggregates if _unnamed(wanted) == asked[error.number])
        entity = int(column.past.entity[error.probe])
        if kind == "since_last":
            raise AgeOverflow(where, name, entity, int(column.past.now[error.probe])) from None
        raise SumOverflow(where, name, entity, error.type) from None


def _unnamed(wanted: WindowedAggregate) -> WindowedAggregate:
    """What is asked for, the same for columns that differ in their names alone."""
    return replace(wanted, name="")


class _Overflow(DayError):
    """What aggregate number `number` gives of probe number `probe` does not fit `type`."""

    def __init__(self, number: int, probe: int, kind: pa.DataType) -> None:
        super().__init__(f"a value does not fit {kind}")
        self.number, self.probe, self.type = number, probe, kind


def _list(column: _Column, kind: ListKind, wanted: WindowedAggregate) -> pa.Array:
    assert wanted.max_length is not None
    if kind == "list" and wanted.keeps_oldest:
        # A list needs no column of its own in which what is oldest is newest.
        return gather(column.values, oldest(column.windows[wanted.extent], wanted.max_length), not wanted.newest_first)
    source = column.elements if kind == "flatten_distinct" else column
    source = source.mirrored if wanted.keeps_oldest else source
    window = source.windows[wanted.extent]
    match kind:
        case "list":
            picked = newest(window, wanted.max_length)
        case "last_distinct" | "flatten_distinct":
            picked = newest_distinct(source.items.following, window, wanted.max_length)
        case "top_k":
            picked = most_frequent(source.items, window, wanted.max_length)
        case _:
            assert_never(kind)
    return gather(source.values, picked, wanted.newest_first != wanted.keeps_oldest)


def _single(column: _Column, kind: SingleKind, asked: Sequence[WindowedAggregate]) -> list[pa.Array]:
    """Aggregates of one kind, of one value each, which differ in their windows."""
    values, windows = column.values, [column.windows[wanted.extent] for wanted in asked]
    match kind:
        case "any":
            return [pa.array(found) for found in _found(values, windows)]
        case "count":
            return [pa.array(window.hi - window.lo) for window in windows]
        case "count_distinct":
            return [pa.array(counts) for counts in distinct_counts(column.items, windows)]
        case "sum":
            return _sums(window_sums(values, windows), windows)
        case "mean":
            return _unless_fewer(window_means(values, windows), windows, 1)
        case "std":
            return _unless_fewer(window_deviations(values, windows), windows, 2)
        case "first":
            return [_taken(values, window.lo, window) for window in windows]
        case "last":
            return [_taken(values, window.hi - 1, window) for window in windows]
        case "since_last" | "decayed_count" | "decayed_sum":
            return _by_age(column, kind, asked)
        case "quantile":
            quantiles = [wanted.q for wanted in asked if wanted.q is not None]
            taken = rows_of_quantiles(column.ranks, order_codes(values), windows, quantiles)
            return [_taken(values, rows, window) for rows, window in zip(taken, windows, strict=True)]
        case "min" | "max":
            codes = order_codes(values)
            every = Bounds.joined(windows)
            rows = greatest_rows(codes if kind == "max" else ~codes, every)
            parts = np.split(rows, np.cumsum([len(window) for window in windows])[:-1])
            return [_taken(values, part, window) for part, window in zip(parts, windows, strict=True)]
        case _:
            assert_never(kind)


def _found(values: pa.Array | None, windows: Sequence[Bounds]) -> list[Bools]:
    """Whether each window has a value that is true; without `values`, a row."""
    if values is None:
        return [~_fewer(window, 1) for window in windows]
    before = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(values.to_numpy(zero_copy_only=False), out=before[1:])
    return [before[window.hi] > before[window.lo] for window in windows]


def _sums(sums: Sequence[WindowSums], windows: Sequence[Bounds]) -> list[pa.Array]:
    for index, of_window in enumerate(sums):
        if of_window.outside is not None and of_window.outside.any():
            raise _Overflow(index, int(np.argmax(of_window.outside)), of_window.type)
    return [of_window.to_arrow(_fewer(window, 1)) for of_window, window in zip(sums, windows, strict=True)]


def _by_age(
    column: _Column, kind: Literal["since_last", "decayed_count", "decayed_sum"], asked: Sequence[WindowedAggregate]
) -> list[pa.Array]:
    """Aggregates that read the times of rows."""
    if kind == "since_last":
        return [_age(column, number, wanted) for number, wanted in enumerate(asked)]
    return _decayed(column, asked, 0 if kind == "decayed_count" else 1)


def _age(column: _Column, number: int, wanted: WindowedAggregate) -> pa.Array:
    window = column.windows[wanted.extent]
    ages, outside = ages_of_newest(column.times, column.past.now, window, wanted.per_spine_unit)
    if outside.any():
        raise _Overflow(number, int(np.argmax(outside)), ages.type)
    return ages


def _decayed(column: _Column, asked: Sequence[WindowedAggregate], count: int) -> list[pa.Array]:
    """Sums that fade, of values or, where an empty window has one, of 1 for each; one pass for each half-life."""
    times = column.times
    results: dict[int, pa.Array] = {}
    values = faded_values(column.values if count else None, len(times))
    for half_life in dict.fromkeys(wanted.half_life for wanted in asked):
        assert half_life is not None
        numbers = [number for number, wanted in enumerate(asked) if wanted.half_life == half_life]
        windows = [column.windows[asked[number].extent] for number in numbers]
        sums = decayed_sums(values, times, column.ranks, windows, column.past.now, half_life)
        results.update(zip(numbers, _unless_fewer(sums, windows, count), strict=True))
    return [results[number] for number in range(len(asked))]


def _unless_fewer(results: Sequence[Doubles], windows: Sequence[Bounds], count: int) -> list[pa.Array]:
    """NULL where a window has less than `count` values."""
    return [pa.array(values, mask=_fewer(window, count)) for values, window in zip(results, windows, strict=True)]


def _fewer(window: Bounds, count: int) -> Bools:
    """Where a window has less than `count` values."""
    fewer: Bools = window.hi - window.lo < count
    return fewer


def _taken(values: pa.Array, rows: Int64s, window: Bounds) -> pa.Array:
    """The value at a row of each window, NULL where the window is empty."""
    return take(values, pa.array(rows, mask=_fewer(window, 1)))
