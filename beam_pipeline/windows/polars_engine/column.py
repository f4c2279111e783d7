"""Aggregates of one column of the history, each over its windows, one value per distinct probe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Literal, assert_never

import polars as pl

from beam_pipeline.windows.contract import Extent, WindowedAggregate
from beam_pipeline.windows.polars_engine.ages import ages_of_newest
from beam_pipeline.windows.polars_engine.decays import Fading, doubles_of
from beam_pipeline.windows.polars_engine.extremes import rows_of_greatest
from beam_pipeline.windows.polars_engine.items import Items, distinct_counts, most_frequent, newest_distinct
from beam_pipeline.windows.polars_engine.lists import elements_of, lists_of, newest, oldest
from beam_pipeline.windows.polars_engine.moments import Numbers, deviations, means, sums
from beam_pipeline.windows.polars_engine.past import Outside, Past
from beam_pipeline.windows.polars_engine.quantiles import rows_of_quantile
from beam_pipeline.windows.polars_engine.sequences import Sequences
from beam_pipeline.windows.polars_engine.windows import Windows, running_count
from daeda.aggregates import ListKind


class _Column:
    """One column of the history without its NULLs, and the windows as ranges of what is left."""

    def __init__(self, past: Past, values: pl.Series) -> None:
        self.past, self.values = past, values
        if values.null_count():
            known = values.is_not_null()
            before = running_count(known)
            windows = {extent: window.within(before) for extent, window in past.windows.items()}
            self.values = values.filter(known)
            self.past = replace(past, entity=past.entity.filter(known), time=past.time.filter(known), windows=windows)

    @property
    def windows(self) -> Mapping[Extent, Windows]:
        """The rows of the values that each probe sees, by where the window lies."""
        return self.past.windows

    @cached_property
    def items(self) -> Items:
        """The values told apart."""
        return Items(self.past.entity, self.values)

    @cached_property
    def numbers(self) -> Numbers:
        """The values as numbers."""
        return Numbers(self.values)

    @cached_property
    def elements(self) -> _Column:
        """The elements of a column of lists, as values that are newer the earlier they stand in a list."""
        elements, before = elements_of(self.values)
        lengths = before.slice(1) - before.head(len(before) - 1)
        rows = pl.DataFrame({"entity": self.past.entity, "time": self.past.time, "length": lengths})
        owner = rows.filter(pl.col("length") > 0).select(pl.col("entity", "time").repeat_by("length").explode())
        windows = {extent: window.within(before) for extent, window in self.windows.items()}
        return _Column(replace(self.past, entity=owner["entity"], time=owner["time"], windows=windows), elements)

    @cached_property
    def turned_around(self) -> _Column:
        """The values from new to old, for lists of items at their oldest rows: entities ascend, by negative numbers."""
        count = len(self.values)
        windows = {
            length: Windows(lo=count - window.hi, hi=count - window.lo) for length, window in self.windows.items()
        }
        past = replace(self.past, entity=-self.past.entity.reverse(), time=self.past.time.reverse(), windows=windows)
        return _Column(past, self.values.reverse())


def aggregate_columns(past: Past, aggregates: Sequence[WindowedAggregate]) -> list[pl.Series]:
    """One series per aggregate, of one value per distinct probe. Raises Outside."""
    results: dict[int, pl.Series] = {}
    sequences = Sequences(past)
    for name in dict.fromkeys(wanted.column for wanted in aggregates):
        column = None if name is None else _Column(past, past.columns[name])
        for index, wanted in enumerate(aggregates):
            if wanted.kind == "sequence":
                results[index] = sequences.of(wanted)
            elif wanted.column == name:
                results[index] = _of_rows(past, wanted) if column is None else _result(column, wanted)
    return [results[index] for index in range(len(aggregates))]


def _of_rows(past: Past, wanted: WindowedAggregate) -> pl.Series:
    """An aggregate that does without a column."""
    if wanted.kind == "since_last":
        return _age(past, wanted)
    if wanted.kind == "decayed_count":
        return _decayed(past, pl.repeat(1.0, len(past.time), eager=True), wanted)
    rows = past.windows[wanted.extent].rows
    return rows > 0 if wanted.kind == "any" else rows


def _age(past: Past, wanted: WindowedAggregate) -> pl.Series:
    ages, outside = ages_of_newest(past.time, past.now, past.windows[wanted.extent], wanted.per_spine_unit)
    if outside.any():
        raise Outside(wanted, int(outside.arg_true()[0]))
    return ages


def _decayed(past: Past, values: pl.Series, wanted: WindowedAggregate) -> pl.Series:
    assert wanted.half_life is not None
    fading = Fading(values, past.entity, past.time, wanted.half_life)
    return fading.sums(past.windows[wanted.extent], past.now)


def _result(column: _Column, wanted: WindowedAggregate) -> pl.Series:
    windows, kind = column.windows[wanted.extent], wanted.kind
    match kind:
        case "any":
            return windows.within(running_count(column.values)).rows > 0
        case "count":
            return windows.rows
        case "count_distinct":
            return distinct_counts(column.items, windows)
        case "since_last":
            return _age(column.past, wanted)
        case "decayed_count":
            return _decayed(column.past, pl.repeat(1.0, len(column.values), eager=True), wanted)
        case "decayed_sum":
            faded = _decayed(column.past, doubles_of(column.values), wanted)
            return _unless_fewer(faded, windows, 1)
        case "sum" | "mean" | "std":
            return _summed(column, kind, wanted)
        case "first" | "last" | "min" | "max":
            return column.values.gather(_row(column, kind, windows))
        case "quantile":
            assert wanted.q is not None
            return column.values.gather(rows_of_quantile(column.past.entity, column.values, windows, wanted.q))
        case "list" | "last_distinct" | "flatten_distinct" | "top_k":
            return _list(column, kind, wanted)
        case "sequence":
            raise AssertionError("a sequence has no single column")
        case _:
            assert_never(kind)


def _summed(column: _Column, kind: Literal["sum", "mean", "std"], wanted: WindowedAggregate) -> pl.Series:
    windows = column.windows[wanted.extent]
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
    if kind == "list":
        pick = oldest if wanted.keeps_oldest else newest
        return lists_of(column.values, pick(column.windows[wanted.extent], most, newest_first=newest_first))
    source = column.elements if kind == "flatten_distinct" else column
    if wanted.keeps_oldest:
        source, newest_first = source.turned_around, not newest_first
    windows = source.windows[wanted.extent]
    match kind:
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
