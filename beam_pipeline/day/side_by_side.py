"""Operators with windows beside others of the day: which may run so, and which of them the next operator waits for.

An operator whose history is small beside the memory of the day, and is read from files alone, is started in a thread of
its own, where the day has several. The chain goes on, and waits where an operator needs the columns, at the latest
before the Sink. The columns are the same: what an operator computes does not depend on who runs beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from beam_pipeline.day.extend import DayOperator, Extend
from beam_pipeline.day.rolling import run_rolling
from beam_pipeline.history.counting_partitions import counting_partitions
from beam_pipeline.history.reader import HISTORY_SHARE, UNPACKED
from beam_pipeline.session.resources import NoRoom
from beam_pipeline.session.session import DaySession
from beam_pipeline.session.started import Started
from beam_pipeline.workers.context import DayHandle
from daeda.operators.relational import Join, Sink
from daeda.operators.temporal import PointInTimeJoin, RollingAggregate, WindowOperator
from daeda.sql.handle import ColumnTable, Deferred, Materialised, quoted_name
from daeda.sql.lower import Handle
from daeda.sql.scan import reads

# A history of less is aggregated sooner than a thread takes over.
_LEAST_BYTES = 256 << 10


def roll(session: DaySession, operator: WindowOperator, left: Materialised, right: Deferred) -> ColumnTable:
    """The table of the operator's columns: of one that was started, the table in which they will be."""
    nbytes = _history_bytes(session, operator, right)
    if nbytes < _LEAST_BYTES or nbytes > _fitting(session.started.part_bytes) or not _of_files(session, right):
        return run_rolling(session, operator, left, right)
    # Entities and probes are made by whoever needs them first, in the connection of the day.
    session.probe_tables.of(operator, left)
    names = tuple(aggregate.name for aggregate in operator.aggregates)
    table = ColumnTable(operator.output, names, numbered=False)
    session.started.start(
        operator, (left, right), table, lambda part: run_rolling(session.beside(part), operator, left, right)
    )
    return table


def waited_for(session: DaySession, operator: DayOperator, handle: DayHandle) -> Iterator[Started]:
    """The operators whose columns must be there before this one runs."""
    inputs = [handle.relations[name] for name in operator.inputs if name in handle.relations]
    all_of_them = isinstance(operator, Sink | Extend) or _needs_all_memory(session, operator, inputs)
    for started in session.started:
        if all_of_them or _needs(operator, inputs, started.table):
            yield started


def _needs_all_memory(session: DaySession, operator: DayOperator, inputs: list[Handle]) -> bool:
    """Whether a history or a right side is large beside the memory that others leave."""
    if not isinstance(operator, WindowOperator | PointInTimeJoin):
        return False
    fitting = _fitting(session.resources.engine_bytes)
    return any(
        isinstance(right, Deferred) and _history_bytes(session, operator, right) > fitting for right in inputs[1:]
    )


def finished(session: DaySession, started: Started, handle: DayHandle) -> DayHandle:
    """The handle with the columns of an operator that was started; one that had no room runs again, alone."""
    try:
        table = session.started.finish(started)
    except NoRoom:
        session.started.wait()
        left, right = started.inputs
        assert isinstance(left, Materialised)
        assert isinstance(right, Deferred)
        table = run_rolling(session, started.operator, left, right)
    if table == started.table:
        return handle
    relations = {name: _with_table(relation, table) for name, relation in handle.relations.items()}
    return replace(handle, relations=relations)


def _with_table(given: Handle, table: ColumnTable) -> Handle:
    if isinstance(given, Deferred):
        return given
    return replace(given, tables=tuple(table if one.name == table.name else one for one in given.tables))


def _needs(operator: DayOperator, inputs: list[Handle], table: ColumnTable) -> bool:
    """Whether the operator reads columns of the table."""
    read = [given for given in inputs if isinstance(given, Materialised) and table in given.tables]
    if isinstance(operator, WindowOperator | PointInTimeJoin | Join) and read == inputs[:1]:
        # Of the rows on its left it reads keys and times, and passes on the rest.
        names = operator.keys if isinstance(operator, Join) else (*operator.keys, operator.left_time.column)
        return bool(read[0].needed(names) & set(table.stored))
    return bool(read)


def _of_files(session: DaySession, right: Deferred) -> bool:
    """Whether nothing of the day is read: a cursor sees neither its temporary tables nor its Arrow columns."""
    return not any(quoted_name(name) in right.template for name in session.resources.own_tables)


def _fitting(engine_bytes: int) -> int:
    """Bytes of files of which the history fits into a part of so much memory."""
    return int(engine_bytes * HISTORY_SHARE) // UNPACKED


def _history_bytes(session: DaySession, operator: WindowOperator | PointInTimeJoin, right: Deferred) -> int:
    """Bytes of the files that are read for the right side."""
    if isinstance(operator, RollingAggregate):
        scans = counting_partitions(session, operator, right)
    else:
        scans = tuple(session.inputs.scanned.values())
    return sum(file.size for scanned in scans if reads(right, scanned.scan.name) for file in scanned.needed.values())
