"""PointInTimeJoin of one day by a search, where its right side fits in memory: no join, and no table of DuckDB's.

The right side is put in order as a history is, by entity, time, `created` and ties, and the day's probes, which a
RollingAggregate with the same keys and times shares, are searched in it, some of them at a time. Of what lies before
all probes the newest rows are enough. Where there is no room for the right side, the as-of join in SQL does the work.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beam_pipeline.history import ordering
from beam_pipeline.history.arrow_arrays import MOST_BYTES, combined, numbers
from beam_pipeline.history.entity_blocks import Unfinished
from beam_pipeline.history.reader import rows_of_duckdb
from beam_pipeline.history.sorted_partitions import Rows
from beam_pipeline.history.ties import put_ties_in_order
from beam_pipeline.session.pieces import passed_on
from beam_pipeline.session.probe_tables import ProbeTables
from beam_pipeline.session.resources import DayResources
from beam_pipeline.session.session import DaySession
from beam_pipeline.windows.contract import Int64s, Probes
from beam_pipeline.windows.numpy_engine.bounds import BoundFinder, distinct_probes, segments_of
from daeda.operators.relation import Relation
from daeda.operators.temporal import PointInTimeJoin
from daeda.sql.handle import ROW, ColumnTable, Deferred, Materialised, stored_name
from daeda.sql.statements import ENTITY, TIME, known_name, unit_of
from daeda.sql.streamed import stream

# Bytes of a probe and of the row that it sees: three numbers as they are read, and about as many while it is searched.
_PROBE_BYTES = 64
# Of each row of the day the number of the row that it sees.
_INDEX_BYTES = 8
# Of the right side: itself, its order, and its numbers in that order.
_COPIES = 3
_BATCH_ROWS = 122_880
# The columns are taken in slices of up to so many bytes where no more is free.
_LEAST_ROOM = 1 << 20
_LEAST, _GREATEST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Visible:
    """The right side in the order in which its rows become visible to their entity.

    Of the rows up to the n-th, the newest is row `newest[n]` of the right side; its own time is `time[n]`.
    """

    entity: Int64s
    instant: Int64s
    newest: Int64s
    time: Int64s

    def of(self, first: int, last: int) -> Visible:
        """The same of the entities first .. last."""
        lo = int(np.searchsorted(self.entity, first, side="left"))
        hi = int(np.searchsorted(self.entity, last, side="right"))
        return Visible(self.entity[lo:hi], self.instant[lo:hi], self.newest[lo:hi], self.time[lo:hi])


def run_search(
    session: DaySession, operator: PointInTimeJoin, left: Materialised, right: Deferred
) -> ColumnTable | None:
    """The table of the new columns of `left`; None where the as-of join is to make them."""
    searched = session.context.searched
    if searched is not None and operator.name not in searched:
        return None
    tables = session.probe_tables.of(operator, left)
    resources = session.resources
    at_once = min(left.rows, session.context.limits.rolling_chunk_rows)
    free = resources.engine_bytes - left.rows * _INDEX_BYTES - at_once * _PROBE_BYTES
    room = min(free // _COPIES, MOST_BYTES)
    if room <= 0:
        return None
    given = rows_of_duckdb(resources, operator, [right], tables.entities, room, _BATCH_ROWS)
    if isinstance(given, Unfinished):
        given.stream.close()
        return None
    query = f"SELECT count(*) - count({TIME}), min({TIME}), max({TIME}) FROM {tables.probes}"
    without_time, first, last = resources.connection.execute(query).fetchone() or (0, None, None)
    if without_time or last == _GREATEST:
        return None
    given = _ever_seen(operator, given, first)
    visible = _in_order(resources, operator, right.relation, given)
    indices = np.full(left.rows, -1, dtype=np.int64)
    for rows, looking in _probes(resources, tables, at_once):
        resources.check()
        indices[rows] = _seen(operator, visible.of(int(looking.entity[0]), int(looking.entity[-1])), looking)
    return _kept(resources, operator, given, indices)


def _probes(resources: DayResources, tables: ProbeTables, at_once: int) -> Iterator[tuple[Int64s, Probes]]:
    """The rows that have an entity, and their probes in order, about `at_once` at a time."""
    found = stream(resources.connection, f"FROM {tables.probes}", min(at_once, _BATCH_ROWS) or 1, resources.check)
    pending: list[pa.RecordBatch] = []
    for batch in itertools.chain(found.batches, (None,)):
        if batch is not None:
            pending.append(batch)
        if pending and (batch is None or sum(map(len, pending)) >= at_once):
            probes = pa.Table.from_batches(pending)
            yield numbers(probes.column(ROW)), Probes(numbers(probes.column(ENTITY)), numbers(probes.column(TIME)))
            pending = []


def _ever_seen(operator: PointInTimeJoin, given: Rows, first: int | None) -> Rows:
    """The rows without those that no probe sees; the first probe of all is at `first`, None where there is none.

    Of what is visible before it, an entity needs the newest: several, where rows share its time.
    """
    if first is None or not len(given.entity):
        return given
    chosen = _may_be_seen(operator, given, first)
    if chosen.all():
        return given
    rows = pa.table(dict(given.columns)).filter(pa.array(chosen))
    return Rows({name: rows.column(name) for name in rows.column_names}, None, given.entity[chosen], rows.nbytes)


def _may_be_seen(operator: PointInTimeJoin, given: Rows, first: int) -> npt.NDArray[np.bool_]:
    """Which rows become visible at the first probe of all or behind it, or are the newest of their entity before it."""
    times = numbers(given.columns[TIME])
    since = known_name(operator)
    instant = times if since is None else np.maximum(times, numbers(given.columns[since]))
    before = instant < first
    newest = np.full(int(given.entity.max()) + 1, _LEAST, dtype=np.int64)
    np.maximum.at(newest, given.entity[before], times[before])
    chosen: npt.NDArray[np.bool_] = ~before | (times == newest[given.entity])
    return chosen


def _in_order(resources: DayResources, operator: PointInTimeJoin, relation: Relation, given: Rows) -> Visible:
    times = numbers(given.columns[TIME])
    order = ordering.in_order(given.entity, times)
    entity, time = ordering.sorted_numbers(given.entity), times[order]
    put_ties_in_order(resources, operator, relation, given.columns, ordering.tied_rows(entity, time), order)
    since = known_name(operator)
    if since is None:
        return Visible(entity, time, order, time)
    instant = np.maximum(time, numbers(given.columns[since])[order])
    by_instant = ordering.in_order(entity, instant)
    # Entities stand one after another in both orders, so none is reached by what came before it.
    newest = np.maximum.accumulate(by_instant) if len(by_instant) else by_instant
    return Visible(entity, instant[by_instant], order[newest], time[newest])


def _seen(operator: PointInTimeJoin, visible: Visible, probes: Probes) -> Int64s:
    """For each probe the row of the right side, -1 where there is none that is visible and young enough."""
    distinct = distinct_probes(probes)
    unseen = replace(distinct, time=_first_unseen(operator, distinct.time))
    bounds = BoundFinder(segments_of(visible.entity), visible.instant, unseen).find(None)
    last = bounds.hi - 1
    seen = np.full(len(last), -1, dtype=np.int64)
    some = np.flatnonzero(bounds.hi > bounds.lo)
    seen[some] = visible.newest[last[some]]
    seen[some[_too_old(operator, distinct.time[some], visible.time[last[some]])]] = -1
    return seen if distinct.inverse is None else seen[distinct.inverse]


def _first_unseen(operator: PointInTimeJoin, time: Int64s) -> Int64s:
    """The first instant that a probe does not see."""
    return time + 1 if operator.allow_exact else time


def _too_old(operator: PointInTimeJoin, probe: Int64s, time: Int64s) -> npt.NDArray[np.bool_]:
    """Which rows of these times are older than the ttl at the times of their probes, which are not before them."""
    ttl = None if operator.ttl is None else operator.ttl.in_unit(unit_of(operator))
    if ttl is None or ttl >= 1 << 64:
        return np.zeros(len(probe), dtype=np.bool_)
    # An age can be wider than int64, and fits modulo 2^64.
    old: npt.NDArray[np.bool_] = probe.view(np.uint64) - time.view(np.uint64) > np.uint64(ttl)
    return old


def _kept(resources: DayResources, operator: PointInTimeJoin, given: Rows, indices: Int64s) -> ColumnTable:
    """The columns of the rows at these indices: in memory where there is room, else spilled."""
    columns = {stored_name(name): combined(given.columns[name]) for name in operator.columns}
    room = resources.arrow_columns.room
    slices = _slices(indices, sum(map(_widest, columns.values())), max(room, _LEAST_ROOM))
    taken = (_taken(columns, some) for some in slices)
    kept: list[pa.Table] = []
    for some in taken:
        kept.append(some)
        room -= some.nbytes
        if room < 0:
            resources.arrow_columns.spill(operator.output, len(indices), _numbered(passed_on(kept, taken)))
            break
    else:
        resources.arrow_columns.add(operator.output, pa.concat_tables(kept))
    return ColumnTable(operator.output, operator.columns, numbered=False)


def _taken(columns: Mapping[str, pa.Array], indices: Int64s) -> pa.Table:
    masked = pa.array(indices, mask=indices < 0)
    return pa.table({name: pc.take(column, masked, boundscheck=False) for name, column in columns.items()})


def _numbered(taken: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The rows with their numbers."""
    first = 0
    for some in taken:
        yield some.append_column(ROW, pa.array(np.arange(first, first + len(some), dtype=np.int64)))
        first += len(some)


def _slices(indices: Int64s, widest: int, room: int) -> Iterator[Int64s]:
    """The indices in slices, at least one, so few at a time that they cannot take much more than the room."""
    step = max(1, min(_BATCH_ROWS, room // max(widest, 1)))
    for first in range(0, max(len(indices), 1), step):
        yield indices[first : first + step]


def _widest(column: pa.Array) -> int:
    """An upper bound of what a value takes, in bytes."""
    if pa.types.is_list(column.type):
        return 8 + int(pc.max(pc.list_value_length(column)).as_py() or 0) * _widest(column.flatten())
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        return 8 + int(pc.max(pc.binary_length(column)).as_py() or 0)
    return 32
