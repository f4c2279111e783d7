"""Aggregates of the history of each probe over the window `[e - W, e)`: the interface of the engine.

Rows at exactly e, mostly the time of the probe, are not seen, rows at exactly e - W are. No kind collects NULLs.
Nothing depends on how the history was cut into chunks, as long as each entity is whole.

    history, probes ── bounds ── visibility ── column ──┬── count, first, last, ages, sequences
                                                        ├── exact_sum, double_sum, moments   (limbs)
                                                        ├── decays                           (limbs)
                                                        ├── order                            (tree, quantiles)
                                                        └── distinct, frequent, lists        (rows to take)

Memory beside the input and the result, at its peak: about 30 bytes per history row, 70 where a column is made distinct
or counted by item or has a quantile, 100 where it has a deviation or decays, 40 more where rows become known late,
plus a copy of a column that has NULLs; per distinct probe 16 bytes per window, 4 per limb of a sum (3 or 4 limbs for
usual doubles, 66 for all exponents there are, and three times as many for a deviation) and 24 per distinct item found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from beam_pipeline.windows.contract import History, Probes, WindowedAggregate
from beam_pipeline.windows.numpy_engine.bounds import BoundFinder, DistinctProbes, Int64s, distinct_probes, segments_of
from beam_pipeline.windows.numpy_engine.column import aggregate_columns
from beam_pipeline.windows.numpy_engine.lists import joined, spread, take
from beam_pipeline.windows.numpy_engine.past import Past
from beam_pipeline.windows.numpy_engine.visibility import Copies, Seen, Visibility


def aggregate(history: History, probes: Probes, aggregates: Sequence[WindowedAggregate], where: str) -> list[pa.Array]:
    """Compute the aggregates of every probe.

    Args:
        history: one chunk of whole entities.
        probes: instants of the same entities; an entity without history has empty windows. Their order is that of
            the results.
        aggregates: what to compute; bounds are found once per distinct window and NULLs dropped once per column.
        where: begins the message of an overflow, like "operator 'rolling_x', day 2017-01-29".

    Returns:
        Per aggregate one array of the length of the probes, of the type of `Aggregate.output`: counts are int64, sums
        int64, decimal128(38, s) or double, means and deviations double, the others of the column's type or lists of
        it. Over an empty window a count is 0, a list empty, the rest NULL; so is a deviation of a single value.

    Raises:
        SumOverflow: an integer sum leaves int64, or a decimal one 38 digits.
        AgeOverflow: an age leaves int64.
        DayError: lists of more than 2^31 - 1 values in all, or text of more bytes than Arrow's offsets reach: the
            caller cuts smaller chunks; a type that cannot be summed, ordered or told apart.
        KeyError: a column that the history does not have.
    """
    distinct = distinct_probes(probes)
    segments = segments_of(history.entity)
    finder = BoundFinder(segments, history.time, distinct)
    windows = {extent: finder.find(*extent) for extent in dict.fromkeys(wanted.extent for wanted in aggregates)}
    del finder  # its keys take as much memory as the times
    past = Past(history.columns, segments.ranks, lambda: history.time, windows, distinct.entity, distinct.time)
    if history.known is not None:
        return _of_known_rows(past, Visibility(history.time, history.known), distinct, aggregates, where)
    return _ordered(past, distinct.inverse, aggregates, where)


def _ordered(past: Past, inverse: Int64s | None, aggregates: Sequence[WindowedAggregate], where: str) -> list[pa.Array]:
    """The aggregates of every probe, in the order of `inverse`.

    What is read of a column lies near where probes ascend, and so they are looked at in their order, and their values
    spread. A list is most of what is read for it, and known from its window alone: it is gathered once, in its place.
    """
    if inverse is None:
        return aggregate_columns(past, aggregates, where)
    in_place = [index for index, wanted in enumerate(aggregates) if _known_from_its_window(wanted)]
    others = [index for index in range(len(aggregates)) if index not in in_place]
    spread_out = aggregate_columns(past, [aggregates[index] for index in others], where)
    results = {index: spread(values, inverse) for index, values in zip(others, spread_out, strict=True)}
    if in_place:
        del spread_out
        lists = aggregate_columns(past.of_probes(inverse), [aggregates[index] for index in in_place], where)
        results.update(zip(in_place, lists, strict=True))
    return [results[index] for index in range(len(aggregates))]


def _known_from_its_window(wanted: WindowedAggregate) -> bool:
    """Whether it is a list of the newest or oldest rows; one with ages tells of the first probe that has none."""
    return wanted.kind == "list" or (wanted.kind == "sequence" and wanted.age is None)


def _of_known_rows(
    past: Past, visibility: Visibility, distinct: DistinctProbes, aggregates: Sequence[WindowedAggregate], where: str
) -> list[pa.Array]:
    """The aggregates of every probe over those rows of its windows that were known before it.

    One pass serves all probes that see ranges of rows; the results of the mixed ones are put behind theirs.
    """
    seen = {extent: visibility.within(bounds, distinct.time) for extent, bounds in past.windows.items()}
    ranges = replace(past, windows={extent: of_window.bounds for extent, of_window in seen.items()})
    results = aggregate_columns(ranges, aggregates, where)
    for extent, of_window in seen.items():
        indices = [index for index, wanted in enumerate(aggregates) if wanted.extent == extent]
        of_extent = [aggregates[index] for index in indices]
        copies = visibility.copies(past.windows[extent], distinct.time, of_window.mixed)
        mixed = [_of_copies(past, copy, of_extent, where) for copy in copies]
        order = _spread_index(of_window, distinct)
        for number, index in enumerate(indices):
            whole = joined([results[index], *(block[number] for block in mixed)]) if mixed else results[index]
            results[index] = whole if order is None else spread(whole, order)
    return results


def _of_copies(past: Past, copies: Copies, aggregates: Sequence[WindowedAggregate], where: str) -> list[pa.Array]:
    """The aggregates of probes that look back on histories of their own."""
    rows = pa.array(copies.rows)
    needed = dict.fromkeys(name for wanted in aggregates for name in wanted.reads)
    columns = {name: take(past.columns[name], rows) for name in needed}
    windows = {wanted.extent: copies.bounds for wanted in aggregates}
    entity, now = past.entity[copies.probes], past.now[copies.probes]
    copied = Past(columns, copies.ranks, lambda: past.times()[copies.rows], windows, entity, now)
    return aggregate_columns(copied, aggregates, where)


def _spread_index(seen: Seen, distinct: DistinctProbes) -> Int64s | None:
    """Per probe the index of its result: mixed probes have theirs behind those of all distinct ones."""
    if not len(seen.mixed):
        return distinct.inverse
    count = len(distinct.entity)
    indices = np.arange(count, dtype=np.int64)
    indices[seen.mixed] = count + np.arange(len(seen.mixed), dtype=np.int64)
    return indices if distinct.inverse is None else indices[distinct.inverse]
