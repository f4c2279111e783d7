"""Aggregates of the history of each probe over the window `[e - W, e)`: the interface of the engine.

    history, probes ── windows ── visible ── column ──┬── count, first, last, ages, sequences
                                                      ├── sums, moments      (rounding)
                                                      ├── decays             (sums)
                                                      ├── extremes           (min, max), quantiles
                                                      └── items, lists       (distinct, frequent, lists)

Memory beside the input and the result, at its peak: about 60 bytes per history row, 100 where a column is told apart or
summed, plus a copy of each column; per distinct probe 16 bytes per window; and 100 for each of the PAIR_BUDGET pairs of
a probe and a row that are looked at together, or of the longest window where that has more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

import polars as pl
import pyarrow as pa

from beam_pipeline.windows.contract import AgeOverflow, History, Int64s, Probes, SumOverflow, WindowedAggregate
from beam_pipeline.windows.polars_engine.column import aggregate_columns
from beam_pipeline.windows.polars_engine.past import Outside, Past
from beam_pipeline.windows.polars_engine.visible import Copies, Visibility
from beam_pipeline.windows.polars_engine.windows import DistinctProbes, Finder
from daeda.errors import DayError


def aggregate(history: History, probes: Probes, aggregates: Sequence[WindowedAggregate], where: str) -> list[pa.Array]:
    """Compute the aggregates of every probe.

    Args:
        history: one chunk of whole entities, whose codes are numbers from 0.
        probes: instants of the same entities; an entity without history has empty windows. Their order is that of
            the results.
        aggregates: what to compute.
        where: begins the message of an overflow, like "day 2017-01-29, operator 'rolling_x'".

    Returns:
        Per aggregate one array of the length of the probes, of the type of `Aggregate.output`.

    Raises:
        SumOverflow: an integer sum leaves int64, or a decimal one 38 digits.
        AgeOverflow: an age leaves int64.
        DayError: the lists or the text of one chunk outgrow Arrow's offsets; a type that cannot be summed.
        KeyError: a column that the history does not have.
    """
    order = None if probes.order is None else _series(probes.order)
    distinct = DistinctProbes.of(_series(probes.entity), _series(probes.time), order)
    entity, time = _series(history.entity), _series(history.time)
    needed = dict.fromkeys(name for wanted in aggregates for name in wanted.reads)
    columns = {name: pl.Series(history.columns[name]) for name in needed}
    finder = Finder(entity, time, distinct)
    windows = {extent: finder.find(*extent) for extent in {wanted.extent for wanted in aggregates}}
    past = Past(entity, time, columns, windows, distinct.time)
    try:
        if history.known is None:
            results = aggregate_columns(past, aggregates)
        else:
            visibility = Visibility(entity, time, _series(history.known), distinct)
            results = _of_known_rows(past, visibility, aggregates)
    except Outside as error:
        wanted, looker = error.aggregate, int(distinct.entity[error.probe])
        if wanted.kind in ("since_last", "sequence"):
            raise AgeOverflow(where, wanted.name, looker, int(distinct.time[error.probe])) from None
        raise SumOverflow(where, wanted.name, looker, _output_type(wanted, history)) from None
    if distinct.inverse is not None:
        results = [result.gather(distinct.inverse) for result in results]
    return [
        _to_arrow(result, _output_type(wanted, history)) for result, wanted in zip(results, aggregates, strict=True)
    ]


def _of_known_rows(past: Past, visibility: Visibility, aggregates: Sequence[WindowedAggregate]) -> list[pl.Series]:
    """The aggregates of every probe over those rows of its windows that were known before it."""
    seen = {extent: visibility.within(windows) for extent, windows in past.windows.items()}
    ranges = replace(past, windows={extent: of_window.windows for extent, of_window in seen.items()})
    results = aggregate_columns(ranges, aggregates)
    for extent, of_window in seen.items():
        mixed = of_window.mixed
        if mixed.is_empty():
            continue
        indices = [index for index, wanted in enumerate(aggregates) if wanted.extent == extent]
        of_extent = [aggregates[index] for index in indices]
        blocks, done = [], 0
        for copies in visibility.copies(past.windows[extent], mixed):
            blocks.append(_of_copies(past, copies, of_extent, mixed.slice(done, len(copies.windows))))
            done += len(copies.windows)
        probes = len(past.windows[extent])
        moved = pl.DataFrame({"p": mixed}).select("p", at=probes + pl.int_range(pl.len()))
        every = pl.select(p=pl.int_range(probes)).join(moved, on="p", how="left", maintain_order="left")
        at = every.select(pl.coalesce("at", "p")).to_series()
        for number, index in enumerate(indices):
            results[index] = pl.concat([results[index], *(block[number] for block in blocks)]).gather(at)
    return results


def _of_copies(
    past: Past, copies: Copies, aggregates: Sequence[WindowedAggregate], probes: pl.Series
) -> list[pl.Series]:
    """The aggregates of probes that look back on histories of their own, each an entity."""
    names = {name for wanted in aggregates for name in wanted.reads}
    columns = {name: past.columns[name].gather(copies.rows) for name in names}
    windows = {wanted.extent: copies.windows for wanted in aggregates}
    try:
        copied = Past(copies.owner, past.time.gather(copies.rows), columns, windows, past.now.gather(probes))
        return aggregate_columns(copied, aggregates)
    except Outside as error:
        raise Outside(error.aggregate, int(probes[error.probe])) from None


def _output_type(wanted: WindowedAggregate, history: History) -> pa.DataType:
    source = None if wanted.column is None else history.columns[wanted.column].type
    match wanted.kind:
        case "any":
            return pa.bool_()
        case "count" | "count_distinct" | "since_last":
            return pa.int64()
        case "mean" | "std" | "decayed_count" | "decayed_sum":
            return pa.float64()
        case "sum":
            if source is not None and pa.types.is_decimal(source):
                return pa.decimal128(38, source.scale)
            return pa.int64() if pa.types.is_integer(source) else pa.float64()
        case "list" | "last_distinct" | "top_k":
            return pa.list_(source)
        case "min" | "max" | "first" | "last" | "quantile" | "flatten_distinct":
            return source
        case "sequence":
            fields = [pa.field(name, history.columns[name].type) for name in wanted.columns]
            fields += [] if wanted.age is None else [pa.field(wanted.age, pa.int64())]
            return pa.list_(fields[0].type if wanted.apart else pa.struct(fields))
        case _:
            assert_never(wanted.kind)


def _series(values: Int64s) -> pl.Series:
    return pl.Series(values=values, dtype=pl.Int64)


def _to_arrow(values: pl.Series, kind: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(kind) and values.dtype == pl.Int128:
        # Unscaled integers: the digits are there, the point is put in its place.
        return values.cast(pl.Decimal(38, 0)).to_arrow().view(kind)
    try:
        return values.to_arrow().cast(kind)
    except (pa.ArrowInvalid, pa.ArrowCapacityError) as error:
        raise DayError(f"the result of one chunk is too large for Arrow ({error}): lower rolling_chunk_rows") from error
