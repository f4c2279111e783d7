"""Aggregates of one column of the history, each over its windows, one value per distinct probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

import numpy as np
import pyarrow as pa

from beam_pipeline.windows.contract import SumOverflow, WindowedAggregate
from beam_pipeline.windows.numpy_engine.bounds import Bools, Bounds, Int64s
from beam_pipeline.windows.numpy_engine.distinct import Grouped, group_items, newest_distinct
from beam_pipeline.windows.numpy_engine.distinct_count import distinct_counts
from beam_pipeline.windows.numpy_engine.exact_sum import WindowSums, window_sums
from beam_pipeline.windows.numpy_engine.frequent import most_frequent
from beam_pipeline.windows.numpy_engine.lists import Picked, elements_of, gather, newest, take
from beam_pipeline.windows.numpy_engine.moments import window_deviations, window_means
from beam_pipeline.windows.numpy_engine.order import order_codes
from beam_pipeline.windows.numpy_engine.tree import greatest_rows
from daeda.aggregates import AggregateKind
from daeda.errors import DayError

Windows = Mapping[int | None, Bounds]


@dataclass(frozen=True)
class Past:
    """What a set of distinct probes looks back on.

    Attributes:
        columns: of the history, all of one length.
        ranks: gives for each history row the place of its entity among the entities of the history.
        windows: by length, the rows that each probe sees.
        entity: code of the entity of each probe, for messages.
    """

    columns: Mapping[str, pa.Array]
    ranks: Callable[[], Int64s]
    windows: Windows
    entity: Int64s


def aggregate_columns(past: Past, aggregates: Sequence[WindowedAggregate], where: str) -> list[pa.Array]:
    """One array per aggregate, of one value per distinct probe; raises what `aggregate` raises."""
    results: dict[int, pa.Array] = {}
    for column in dict.fromkeys(one.column for one in aggregates):
        places = [place for place, one in enumerate(aggregates) if one.column == column]
        source = None if column is None else past.columns[column]
        needed = {aggregates[place].window for place in places}
        held = _Column(source, past.ranks, {window: past.windows[window] for window in needed})
        mine = [aggregates[place] for place in places]
        results.update(zip(places, _results(held, mine, past.entity, where), strict=True))
    return [results[place] for place in range(len(aggregates))]


class _Column:
    """One column of the history without its NULLs, and the windows as ranges of what is left."""

    def __init__(self, source: pa.Array | None, ranks: Callable[[], Int64s], windows: Windows) -> None:
        """Without a `source` the windows are those of the rows."""
        self.values = source
        self.windows = windows
        self._ranks = ranks
        self._valid: Bools | None = None
        if source is not None and source.null_count:
            self._valid = np.asarray(source.is_valid())
            before = np.zeros(len(source) + 1, dtype=np.int64)
            np.cumsum(self._valid, out=before[1:])
            self.values = source.drop_null()
            self.windows = {name: Bounds(before[one.lo], before[one.hi]) for name, one in windows.items()}

    @property
    def ranks(self) -> Int64s:
        """For each value the place of its entity."""
        return self._ranks() if self._valid is None else self._ranks()[self._valid]

    @cached_property
    def items(self) -> Grouped:
        """The values grouped by entity and item."""
        return group_items(self.ranks, self.values)

    @cached_property
    def elements(self) -> _Column:
        """The elements of a column of lists, as values that are newer the earlier they stand in a list."""
        values, before = elements_of(self.values)
        windows = {name: Bounds(before[one.lo], before[one.hi]) for name, one in self.windows.items()}
        return _Column(values, lambda: np.repeat(self.ranks, np.diff(before)), windows)


def _results(held: _Column, aggregates: Sequence[WindowedAggregate], entity: Int64s, where: str) -> Iterator[pa.Array]:
    """The aggregates of one column, in order; those of one kind share one pass over the column."""
    singles: dict[AggregateKind, dict[int | None, pa.Array]] = {}
    for one in aggregates:
        if one.max_length is not None:
            source = held.elements if one.kind == "flatten_distinct" else held
            yield gather(source.values, _picked(source, one, one.max_length), one.newest_first)
            continue
        if one.kind not in singles:
            wanted = list(dict.fromkeys(other.window for other in aggregates if other.kind == one.kind))
            windows = [held.windows[window] for window in wanted]
            try:
                singles[one.kind] = dict(zip(wanted, _single(held, one.kind, windows), strict=True))
            except _Overflow as error:
                name = next(
                    other.name for other in aggregates if other.kind == "sum" and other.window == wanted[error.window]
                )
                raise SumOverflow(where, name, int(entity[error.probe]), error.type) from None
        yield singles[one.kind][one.window]


class _Overflow(DayError):
    """A sum of window number `window` and probe number `probe` does not fit `type`."""

    def __init__(self, window: int, probe: int, kind: pa.DataType) -> None:
        super().__init__(f"a sum does not fit {kind}")
        self.window, self.probe, self.type = window, probe, kind


def _picked(held: _Column, wanted: WindowedAggregate, most: int) -> Picked:
    window = held.windows[wanted.window]
    match wanted.kind:
        case "list":
            return newest(window, most)
        case "last_distinct" | "flatten_distinct":
            return newest_distinct(held.items.following, window, most)
        case "top_k":
            return most_frequent(held.items, window, most)
        case _:
            raise AssertionError(f"'{wanted.kind}' is not a list kind")


def _single(held: _Column, kind: AggregateKind, windows: Sequence[Bounds]) -> list[pa.Array]:
    """An aggregate that gives one value, over each of the windows."""
    values = held.values
    match kind:
        case "count":
            return [pa.array(window.hi - window.lo) for window in windows]
        case "count_distinct":
            return [pa.array(counts) for counts in distinct_counts(held.items, windows)]
        case "sum":
            return _sums(window_sums(values, windows), windows)
        case "mean":
            means = window_means(values, windows)
            return [pa.array(one, mask=_fewer(window, 1)) for one, window in zip(means, windows, strict=True)]
        case "std":
            spreads = window_deviations(values, windows)
            return [pa.array(one, mask=_fewer(window, 2)) for one, window in zip(spreads, windows, strict=True)]
        case "first":
            return [_taken(values, window.lo, window) for window in windows]
        case "last":
            return [_taken(values, window.hi - 1, window) for window in windows]
        case "min" | "max":
            codes = order_codes(values)
            every = Bounds.joined(windows)
            rows = greatest_rows(codes if kind == "max" else ~codes, every)
            parts = np.split(rows, np.cumsum([len(window) for window in windows])[:-1])
            return [_taken(values, part, window) for part, window in zip(parts, windows, strict=True)]
        case "list" | "last_distinct" | "flatten_distinct" | "top_k":
            raise AssertionError(f"'{kind}' is a list kind")
        case _:
            assert_never(kind)


def _sums(sums: Sequence[WindowSums], windows: Sequence[Bounds]) -> list[pa.Array]:
    for number, one in enumerate(sums):
        if one.outside is not None and one.outside.any():
            raise _Overflow(number, int(np.argmax(one.outside)), one.type)
    return [one.to_arrow(_fewer(window, 1)) for one, window in zip(sums, windows, strict=True)]


def _fewer(window: Bounds, count: int) -> Bools:
    """Where a window has less than `count` values."""
    fewer: Bools = window.hi - window.lo < count
    return fewer


def _taken(values: pa.Array, rows: Int64s, window: Bounds) -> pa.Array:
    """The value at a row of each window, NULL where the window is empty."""
    return take(values, pa.array(rows, mask=_fewer(window, 1)))
