"""RollingAggregate of one day: DuckDB reads and filters the history, the engine aggregates it chunk by chunk.

A chunk holds whole entities, so nothing is carried from one to the next, and the result does not depend on where the
chunks are cut.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from beam_pipeline.day.table_writer import filling
from beam_pipeline.history.probes import NOBODY, Piece, ProbeStream, probing
from beam_pipeline.history.reader import Reading, histories, numbers
from beam_pipeline.session.session import DaySession
from beam_pipeline.windows.contract import History, SumOverflow, WindowedAggregate
from beam_pipeline.windows.engines import Engine, engine_of
from daeda.errors import DayError
from daeda.operators.temporal import RollingAggregate
from daeda.sql import statements
from daeda.sql.handle import ROW, ColumnTable, Deferred, Materialised, stored_name

# The table that takes the results of chunks.
_CHUNKS = "daeda_chunks"
# Rows per batch of the sorted history: large enough to amortise the hand-over, small against a chunk.
_BATCH_ROWS = 122_880


@dataclass(frozen=True)
class _Work:
    """What one run of the operator needs."""

    reading: Reading
    aggregates: tuple[WindowedAggregate, ...]
    engine: Engine


def run_rolling(session: DaySession, operator: RollingAggregate, left: Materialised, right: Deferred) -> ColumnTable:
    """Compute all aggregates of the operator for every row of `left`; returns the table of the new columns."""
    engine = engine_of(operator.compute)
    session.record.libraries.update(engine.libraries)
    connection = session.resources.connection
    moments = session.probe_tables.of(operator, left)
    reading = Reading(session, operator, right, moments.entities, engine.working_copies, _BATCH_ROWS)
    work = _Work(reading, _windowed(operator), engine)
    names = tuple(one.name for one in operator.aggregates)
    limit = session.context.limits.rolling_chunk_rows
    with probing(connection, moments, left.rows, _BATCH_ROWS, limit) as probes:
        return _kept(session, _results(work, probes), names, operator.output)


def _windowed(operator: RollingAggregate) -> tuple[WindowedAggregate, ...]:
    unit = statements.rolling_unit(operator)
    return tuple(
        WindowedAggregate(
            name=one.name,
            kind=one.kind,
            column=one.column,
            window=one.window.in_unit(unit),
            max_length=one.max_length,
            newest_first=one.order == "newest_first",
        )
        for one in operator.aggregates
    )


def _results(work: _Work, probes: ProbeStream) -> Iterator[pa.Table]:
    """Tables of row number and new columns; together they hold every row once.

    Rows without history go with the chunk behind them, and with the last one those of nobody.
    """
    chunks = histories(work.reading)
    held = next(chunks)
    for following in chunks:
        for piece in probes.through(int(held.entity[-1])):
            yield _aggregate(work, held, piece)
        held = following
    for piece in probes.through(NOBODY):
        yield _aggregate(work, held, piece)


def _aggregate(work: _Work, history: History, piece: Piece) -> pa.Table:
    reading = work.reading
    reading.session.resources.check()
    where = f"day {reading.session.day}, operator '{reading.operator.name}'"
    try:
        columns = work.engine.aggregate(history, piece.probes, work.aggregates, where)
    except SumOverflow as error:
        raise DayError(
            f"column '{error.aggregate}' of {reading.entity_name(error.entity)}: the sum does not fit "
            "its type: aggregate a smaller unit, or declare the column as a decimal or a double"
        ) from error
    names = [stored_name(one.name) for one in work.aggregates]
    return pa.table([pa.array(piece.rows), *columns], names=[ROW, *names])


def _kept(session: DaySession, results: Iterator[pa.Table], names: tuple[str, ...], name: str) -> ColumnTable:
    """The results of all chunks in row order: as they are where there is room, else in a table of DuckDB's."""
    held: list[pa.Table] = []
    room = session.resources.arrow_columns.room
    for result in results:
        held.append(result)
        room -= result.nbytes
        if room < 0:
            break
    else:
        session.resources.arrow_columns.hold(name, _in_row_order(pa.concat_tables(held)))
        return ColumnTable(name, names, numbered=False)
    _merge_in_row_order(session, itertools.chain(held, results), names, name)
    return ColumnTable(name, names)


def _in_row_order(result: pa.Table) -> pa.Table:
    rows = numbers(result.column(ROW))
    places = np.empty(len(rows), dtype=np.int64)
    places[rows] = np.arange(len(rows), dtype=np.int64)
    return result.remove_column(0).take(pa.array(places))


def _merge_in_row_order(session: DaySession, results: Iterable[pa.Table], names: tuple[str, ...], name: str) -> None:
    """Chunks go to a table as they come, and DuckDB sorts them (and spills)."""
    with filling(session.resources.connection, _CHUNKS) as add:
        for result in results:
            add(result)
    session.resources.table(name, statements.in_row_order(_CHUNKS, names))
    session.resources.connection.execute(f"DROP TABLE {_CHUNKS}")
