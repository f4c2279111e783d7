"""RollingAggregate of one day: DuckDB filters and sorts, the engine aggregates chunk by chunk.

A chunk holds whole entities, so nothing is carried from one to the next, and the result does not depend on where the
chunks are cut.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_pipeline.engines import Engine, engine_of
from beam_pipeline.filling import filling
from beam_pipeline.probe_stream import NOBODY, Piece, ProbeStream, probing
from beam_pipeline.session import DaySession
from beam_pipeline.windowed import History, SumOverflow, WindowedAggregate
from daeda.errors import DayError
from daeda.operators.temporal import RollingAggregate
from daeda.sql import statements
from daeda.sql.handle import ROW, ColumnTable, Composed, Numbered
from daeda.sql.statements import CREATED, ENTITY, TIME

Int64s = npt.NDArray[np.int64]

# The table that takes the results of chunks.
_CHUNKS = "daeda_chunks"
# Rows per batch of the sorted history: large enough to amortise the hand-over, small against a chunk.
_BATCH_ROWS = 122_880


@dataclass(frozen=True)
class _Work:
    """What one run of the operator needs."""

    session: DaySession
    operator: RollingAggregate
    schema: pa.Schema
    aggregates: tuple[WindowedAggregate, ...]
    engine: Engine
    entities: str


def run_rolling(session: DaySession, operator: RollingAggregate, left: Numbered, right: Composed) -> ColumnTable:
    """Compute all aggregates of the operator for every row of `left`; returns the table of the new columns."""
    engine = engine_of(operator.compute)
    session.libraries.update(engine.libraries)
    connection = session.connection
    moments = session.moments.of(session, operator, left)
    query = statements.rolling_history(operator, right, moments.entities)
    reader = connection.execute(query).to_arrow_reader(_BATCH_ROWS)
    work = _Work(session, operator, reader.schema, _windowed(operator), engine, moments.entities)
    names = tuple(one.name for one in operator.aggregates)
    limit = session.context.limits.rolling_chunk_rows
    with probing(connection, moments, left.rows, _BATCH_ROWS, limit) as probes:
        return _kept(session, _results(work, reader, probes), names, operator.output)


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


def _results(work: _Work, reader: pa.RecordBatchReader, probes: ProbeStream) -> Iterator[pa.Table]:
    """Tables of row number and new columns; together they hold every row once.

    Rows without history go with the chunk behind them, and with the last one those of nobody.
    """
    chunks = _chunks(work, reader)
    held = next(chunks, None) or _history(pa.Table.from_batches([], schema=work.schema))
    for following in chunks:
        for piece in probes.through(int(held.entity[-1])):
            yield _aggregate(work, held, piece)
        held = following
    for piece in probes.through(NOBODY):
        yield _aggregate(work, held, piece)


def _aggregate(work: _Work, history: History, piece: Piece) -> pa.Table:
    work.session.check()
    where = f"day {work.session.day}, operator '{work.operator.name}'"
    try:
        columns = work.engine.aggregate(history, piece.probes, work.aggregates, where)
    except SumOverflow as error:
        raise DayError(
            f"{where}: column '{error.aggregate}' of {_entity_name(work, error.entity)}: the sum does not fit "
            "its type: aggregate a smaller unit, or declare the column as a decimal or a double"
        ) from error
    names = [one.name for one in work.aggregates]
    return pa.table([pa.array(piece.rows), *columns], names=[ROW, *names])


def _chunks(work: _Work, reader: pa.RecordBatchReader) -> Iterator[History]:
    """Cut the sorted history into chunks of whole entities."""
    limit_rows = work.session.context.limits.rolling_chunk_rows
    limit_bytes = _kernel_bytes(work) // work.engine.working_copies
    pending: list[pa.RecordBatch] = []
    for batch in reader:
        pending.append(batch)
        rows = sum(one.num_rows for one in pending)
        size = sum(one.nbytes for one in pending)
        if rows < limit_rows and size < limit_bytes:
            continue
        table = pa.Table.from_batches(pending)
        entity = _numpy(table, ENTITY)
        cut = int(np.searchsorted(entity, entity[-1], side="left"))
        if cut:
            yield _history(table.slice(0, cut))
            table = table.slice(cut)
        elif size >= limit_bytes:
            raise DayError(_too_large(work, int(entity[-1]), rows, size))
        pending = table.to_batches()
    if pending:
        yield _history(pa.Table.from_batches(pending))


def _kernel_bytes(work: _Work) -> int:
    """Memory of the kernel, less what it has made already."""
    return work.session.context.limits.kernel_bytes - work.session.held.nbytes


def _too_large(work: _Work, entity: int, rows: int, size: int) -> str:
    return (
        f"the history of {_entity_name(work, entity)} alone has more than {rows} rows and {size >> 20} MiB, and the "
        f"kernel has {_kernel_bytes(work) >> 20} MiB: raise compute.duckdb_config.memory_limit, lower day_workers, or "
        "filter such an entity out with 'where'"
    )


def _entity_name(work: _Work, entity: int) -> str:
    keys = work.operator.keys
    columns = ", ".join('"' + key.replace('"', '""') + '"' for key in keys)
    # A cursor would not see the table, which is temporary. This ends the stream of the history: an error is on its way.
    query = f"SELECT {columns} FROM {work.entities} WHERE {ENTITY} = ?"
    found = work.session.connection.execute(query, [entity]).fetchone()
    values = found if found is not None else ("?",) * len(keys)
    return ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True))


def _history(table: pa.Table) -> History:
    held = {ENTITY, TIME, CREATED}
    columns: Mapping[str, pa.Array] = {
        name: _combined(table.column(name)) for name in table.column_names if name not in held
    }
    known = _numpy(table, CREATED) if CREATED in table.column_names else None
    return History(_numpy(table, ENTITY), _numpy(table, TIME), columns, known)


def _combined(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


def _numpy(table: pa.Table, name: str) -> Int64s:
    return np.ascontiguousarray(table.column(name).to_numpy(), dtype=np.int64)


def _kept(session: DaySession, results: Iterator[pa.Table], names: tuple[str, ...], name: str) -> ColumnTable:
    """The results of all chunks in row order: as they are where there is room, else in a table of DuckDB's."""
    held: list[pa.Table] = []
    room = session.held.room
    for result in results:
        held.append(result)
        room -= result.nbytes
        if room < 0:
            break
    else:
        session.held.hold(name, _in_row_order(pa.concat_tables(held)))
        return ColumnTable(name, names, numbered=False)
    _merge_in_row_order(session, itertools.chain(held, results), names, name)
    return ColumnTable(name, names)


def _in_row_order(result: pa.Table) -> pa.Table:
    rows = _numpy(result, ROW)
    places = np.empty(len(rows), dtype=np.int64)
    places[rows] = np.arange(len(rows), dtype=np.int64)
    return result.remove_column(0).take(pa.array(places))


def _merge_in_row_order(session: DaySession, results: Iterable[pa.Table], names: tuple[str, ...], name: str) -> None:
    """Chunks go to a table as they come, and DuckDB sorts them (and spills)."""
    with filling(session.connection, _CHUNKS) as add:
        for result in results:
            add(result)
    session.table(name, statements.in_row_order(_CHUNKS, names))
    session.connection.execute(f"DROP TABLE {_CHUNKS}")
