"""Aggregates of one column of the history, each over its windows, one value per distinct probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, assert_never

import polars as pl

from beam_pipeline.windows.contract import WindowedAggregate
from beam_pipeline.windows.polars_engine.extremes import rows_of_greatest
from beam_pipeline.windows.polars_engine.items import Items, distinct_counts, most_frequent, newest_distinct
from beam_pipeline.windows.polars_engine.lists import elements_of, lists_of, newest
from beam_pipeline.windows.polars_engine.moments import Numbers, deviations, means, sums
from beam_pipeline.windows.polars_engine.windows import Windows, running_count
from daeda.aggregates import ListKind
from daeda.errors import DayError


class Outside(DayError):
    """The sum of an aggregate over the window of a probe does not fit its type."""

    def __init__(self, aggregate: WindowedAggregate, probe: int) -> None:
        super().__init__(f"'{aggregate.name}': a sum does not fit its type")
        self.aggregate, self.probe = aggregate, probe


@dataclass(frozen=True)
class Past:
    """What a set of distinct probes looks back on: rows with their entity and columns, and windows by length."""

    entity: pl.Series
    columns: Mapping[str, pl.Series]
    windows: Mapping[int | None, Windows]


class _Column:
    """One column of the history without its NULLs, and the windows as ranges of what is left."""

    def __init__(self, entity: pl.Series, values: pl.Series, windows: Mapping[int | None, Windows]) -> None:
        self.entity, self.values, self.windows = entity, values, windows
        if values.null_count():
            known = values.is_not_null()
            before = running_count(known)
            self.entity, self.values = entity.filter(known), values.filter(known)
            self.windows = {length: window.within(before) for length, window in windows.items()}

    @cached_property
    def items(self) -> Items:
        """The values told apart."""
        return Items(self.entity, self.values)

    @cached_property
    def numbers(self) -> Numbers:
        """The values as numbers."""
        return Numbers(self.values)

    @cached_property
    def elements(self) -> _Column:
        """The elements of a column of lists, as values that are newer the earlier they stand in a list."""
        elements, before = elements_of(self.values)
        lengths = before.slice(1) - before.head(len(before) - 1)
        owner = pl.DataFrame({"entity": self.entity, "length": lengths}).filter(pl.col("length") > 0)
        entity = owner.select(pl.col("entity").repeat_by("length").explode()).to_series()
        windows = {length: window.within(before) for length, window in self.windows.items()}
        return _Column(entity, elements, windows)


def aggregate_columns(past: Past, aggregates: Sequence[WindowedAggregate]) -> list[pl.Series]:
    """One series per aggregate, of one value per distinct probe. Raises Outside."""
    results: dict[int, pl.Series] = {}
    for name in dict.fromkeys(wanted.column for wanted in aggregates):
        column = None if name is None else _Column(past.entity, past.columns[name], past.windows)
        for index, wanted in enumerate(aggregates):
            if wanted.column == name:
                windows = past.windows[wanted.window]
                results[index] = _of_rows(windows, wanted) if column is None else _result(column, wanted)
    return [results[index] for index in range(len(aggregates))]


def _of_rows(windows: Windows, wanted: WindowedAggregate) -> pl.Series:
    """An aggregate that does without a column."""
    return windows.rows > 0 if wanted.kind == "any" else windows.rows


def _result(column: _Column, wanted: WindowedAggregate) -> pl.Series:
    windows, kind = column.windows[wanted.window], wanted.kind
    match kind:
        case "any":
            return windows.within(running_count(column.values)).rows > 0
        case "count":
            return windows.rows
        case "count_distinct":
            return distinct_counts(column.items, windows)
        case "sum" | "mean" | "std":
            return _summed(column, kind, wanted)
        case "first" | "last" | "min" | "max":
            return column.values.gather(_row(column, kind, windows))
        case "list" | "last_distinct" | "flatten_distinct" | "top_k":
            return _list(column, kind, wanted)
        case _:
            assert_never(kind)


def _summed(column: _Column, kind: Literal["sum", "mean", "std"], wanted: WindowedAggregate) -> pl.Series:
    windows = column.windows[wanted.window]
    match kind:
        case "sum":
            total, outside = sums(column.numbers, windows)
            if outside is not None and outside.any():
                raise Outside(wanted, int(outside.arg_true()[0]))
            return _unless_fewer(total, windows, 1)
        case "mean":
            return _unless_fewer(means(column.numbers, windows), windows, 1)
        case "std":
            return _unless_fewer(deviations(column.numbers, windows), windows, 2)
        case _:
            assert_never(kind)


def _row(column: _Column, kind: Literal["first", "last", "min", "max"], windows: Windows) -> pl.Series:
    """The row of each window whose value is taken, NULL where the window is empty."""
    match kind:
        case "first":
            return _unless_fewer(windows.lo, windows, 1)
        case "last":
            return _unless_fewer(windows.hi - 1, windows, 1)
        case "max":
            return rows_of_greatest(column.values, windows)
        case "min":
            return rows_of_greatest(column.values, windows, least=True)
        case _:
            assert_never(kind)


def _list(column: _Column, kind: ListKind, wanted: WindowedAggregate) -> pl.Series:
    assert wanted.max_length is not None
    most, newest_first = wanted.max_length, wanted.newest_first
    source = column.elements if kind == "flatten_distinct" else column
    windows = source.windows[wanted.window]
    match kind:
        case "list":
            picked = newest(windows, most, newest_first=newest_first)
        case "last_distinct" | "flatten_distinct":
            picked = newest_distinct(source.items, windows, most, newest_first=newest_first)
        case "top_k":
            picked = most_frequent(source.items, windows, most, newest_first=newest_first)
        case _:
            assert_never(kind)
    return lists_of(source.values, picked)


def _unless_fewer(values: pl.Series, windows: Windows, count: int) -> pl.Series:
    """NULL where a window has fewer than `count` values."""
    frame = pl.DataFrame({"value": values, "rows": windows.rows})
    return frame.select(pl.when(pl.col("rows") >= count).then("value")).to_series()
