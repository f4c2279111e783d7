"""PointInTimeJoin of one day by a search, where its right side fits in memory: no join, and no table of DuckDB's.

The right side is put in order as a history is, by entity, time, `created` and ties, and the day's probes, which a
RollingAggregate needs anyway, are searched in it. Where that is not for this day, the as-of join in SQL does the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beam_pipeline.history import ordering
from beam_pipeline.history.reader import HELD_SHARE, MOST_HELD, combined, numbers, put_ties_in_order, rows_of_duckdb
from beam_pipeline.history.sorted_partitions import Rows
from beam_pipeline.session.probe_tables import ProbeTables
from beam_pipeline.session.session import DaySession
from beam_pipeline.windows.contract import Probes
from beam_pipeline.windows.numpy_engine.bounds import BoundFinder, distinct_probes, segments_of
from daeda.operators.relation import Relation
from daeda.operators.temporal import PointInTimeJoin
from daeda.sql.handle import ROW, ColumnTable, Deferred, Materialised, stored_name
from daeda.sql.statements import CREATED, ENTITY, TIME, unit_of

Int64s = npt.NDArray[np.int64]

# Bytes of a probe and of what is found for it: three numbers as they are read, and about as many while it is searched.
_PROBE_BYTES = 64
_BATCH_ROWS = 122_880
_GREATEST = 2**63 - 1


@dataclass(frozen=True)
class Visible:
    """The right side in the order in which its rows become visible to their entity.

    At the n-th place the row `winner[n]` of it is the newest of those up to there; its own time is `time[n]`.
    """

    entity: Int64s
    instant: Int64s
    winner: Int64s
    time: Int64s


def run_search(
    session: DaySession, operator: PointInTimeJoin, left: Materialised, right: Deferred
) -> ColumnTable | None:
    """The table of the new columns of `left`; None where the as-of join is to make them."""
    if operator.name not in session.context.searched:
        return None
    moments = session.probe_tables.of(operator, left)
    kernel = session.resources.engine_bytes
    room = min(int(kernel * HELD_SHARE), MOST_HELD) - left.rows * _PROBE_BYTES
    if room <= 0:
        return None
    given = rows_of_duckdb(session, operator, right, moments.entities, room, _BATCH_ROWS)
    if given is None:
        return None
    probes = _probes(session, moments)
    if probes is None:
        return None
    rows, looking = probes
    visible = _in_order(session, operator, right.relation, given)
    places = np.full(left.rows, -1, dtype=np.int64)
    places[rows] = _found(operator, visible, looking)
    return _kept(session, operator, given, places)


def _probes(session: DaySession, moments: ProbeTables) -> tuple[Int64s, Probes] | None:
    """The rows that have an entity, and their moments; None where a moment is not known, or the last that there is."""
    read = session.resources.connection.table(moments.probes).to_arrow_table()
    time = read.column(TIME)
    if time.null_count:
        return None
    times = numbers(time)
    if int(times.max(initial=0)) == _GREATEST:
        return None
    return numbers(read.column(ROW)), Probes(numbers(read.column(ENTITY)), times)


def _in_order(session: DaySession, operator: PointInTimeJoin, relation: Relation, given: Rows) -> Visible:
    times = numbers(given.columns[TIME])
    order = ordering.in_order(given.entity, times)
    entity, time = ordering.sorted_numbers(given.entity), times[order]
    put_ties_in_order(session, operator, relation, given.columns, ordering.tied(entity, time), order)
    if operator.created is None:
        return Visible(entity, time, order, time)
    instant = np.maximum(time, numbers(given.columns[CREATED])[order])
    by_instant = ordering.in_order(entity, instant)
    # Entities stand one after another in both orders, so none is reached by what came before it.
    newest = np.maximum.accumulate(by_instant) if len(by_instant) else by_instant
    return Visible(entity, instant[by_instant], order[newest], time[newest])


def _found(operator: PointInTimeJoin, visible: Visible, probes: Probes) -> Int64s:
    """For each probe the row of the right side, -1 where there is none that is seen and young enough."""
    distinct = distinct_probes(probes.entity, probes.time)
    unseen = replace(distinct, time=_first_unseen(operator, distinct.time))
    bounds = BoundFinder(segments_of(visible.entity), visible.instant, unseen).find(None)
    last = bounds.hi - 1
    found = np.full(len(last), -1, dtype=np.int64)
    some = np.flatnonzero(bounds.hi > bounds.lo)
    found[some] = visible.winner[last[some]]
    found[some[_too_old(operator, distinct.time[some], visible.time[last[some]])]] = -1
    return found if distinct.inverse is None else found[distinct.inverse]


def _first_unseen(operator: PointInTimeJoin, moment: Int64s) -> Int64s:
    """The first instant that a probe does not see."""
    return moment + 1 if operator.allow_exact else moment


def _too_old(operator: PointInTimeJoin, moment: Int64s, time: Int64s) -> npt.NDArray[np.bool_]:
    """Which rows of these times are older than the ttl at their moments, none of which is before its row."""
    ttl = None if operator.ttl is None else operator.ttl.in_unit(unit_of(operator))
    if ttl is None or ttl >= 1 << 64:
        return np.zeros(len(moment), dtype=np.bool_)
    # An age can be wider than int64, and fits modulo 2^64.
    old: npt.NDArray[np.bool_] = moment.view(np.uint64) - time.view(np.uint64) > np.uint64(ttl)
    return old


def _kept(session: DaySession, operator: PointInTimeJoin, given: Rows, places: Int64s) -> ColumnTable | None:
    """The columns of the rows at these places, held; None where there is no room for them."""
    columns = {stored_name(name): combined(given.columns[name]) for name in operator.columns}
    held, room = [], session.resources.arrow_columns.room
    for some in _slices(places, sum(_widest(one) for one in columns.values()), room):
        wanted = pa.array(some, mask=some < 0)
        held.append(pa.table({name: pc.take(one, wanted, boundscheck=False) for name, one in columns.items()}))
        room -= held[-1].nbytes
        if room < 0:
            return None
    session.resources.arrow_columns.hold(operator.output, pa.concat_tables(held))
    return ColumnTable(operator.output, operator.columns, numbered=False)


def _slices(places: Int64s, widest: int, room: int) -> Iterator[Int64s]:
    """The places in pieces, at least one, so few at a time that they cannot take much more than the room."""
    step = max(1, min(_BATCH_ROWS, room // max(widest, 1)))
    for first in range(0, max(len(places), 1), step):
        yield places[first : first + step]


def _widest(column: pa.Array) -> int:
    """An upper bound of what a value takes, in bytes."""
    if pa.types.is_list(column.type):
        return 8 + int(pc.max(pc.list_value_length(column)).as_py() or 0) * _widest(column.flatten())
    if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
        return 8 + int(pc.max(pc.binary_length(column)).as_py() or 0)
    return 32
