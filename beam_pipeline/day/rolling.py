"""Windows of one day: DuckDB reads and filters the history, the engine aggregates it chunk by chunk.

A chunk holds whole entities, so nothing is carried from one to the next, and the result does not depend on where the
chunks are cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
import pyarrow as pa

from beam_pipeline.day.at_once import Task, results_in_order
from beam_pipeline.day.looking_ahead import label_columns, shifted
from beam_pipeline.day.task_share import share_of
from beam_pipeline.history.arrow_arrays import numbers
from beam_pipeline.history.chunk import Chunk
from beam_pipeline.history.ordering import ascends
from beam_pipeline.history.probes import NOBODY, ProbeBatch, ProbeStream, probe_stream
from beam_pipeline.history.reader import HistoryRequest, histories, room_for_history
from beam_pipeline.history.running_sums import pieces_of
from beam_pipeline.session.pieces import passed_on
from beam_pipeline.session.resources import DayResources
from beam_pipeline.session.session import DaySession
from beam_pipeline.windows.contract import AgeOverflow, History, Probes, SumOverflow, WindowedAggregate
from beam_pipeline.windows.engines import Engine, engine_of
from beam_pipeline.windows.numpy_engine.running_sums import Piece, aggregate_pieces
from daeda.dtypes import TimeUnit
from daeda.errors import DayError
from daeda.operators.temporal import Aggregate, LabelAggregate, RollingAggregate, WindowOperator
from daeda.sql import statements
from daeda.sql.handle import ROW, ColumnTable, Deferred, Materialised, stored_name

# Rows per batch of the sorted history: large enough to amortise the hand-over, small against a chunk.
_BATCH_ROWS = 122_880


# The columns of some probes over a chunk of history; the text begins the message of an overflow.
Compute = Callable[[History, Probes, str], list[pa.Array]]


@dataclass(frozen=True)
class _Work:
    """What one run of the operator needs."""

    request: HistoryRequest
    compute: Compute


def run_rolling(session: DaySession, operator: WindowOperator, left: Materialised, right: Deferred) -> ColumnTable:
    """Compute all aggregates of the operator for every row of `left`; returns the table of the new columns."""
    engine = engine_of(operator.compute)
    session.record.libraries.update(engine.libraries)
    tables = session.probe_tables.of(operator, left)
    request = HistoryRequest(session, operator, right, tables.entities, engine.working_copies, _BATCH_ROWS)
    work = _Work(request, _compute_of(operator, engine))
    names = tuple(aggregate.name for aggregate in operator.aggregates)
    chunk_rows = session.context.limits.rolling_chunk_rows
    with probe_stream(session.resources.beside(), tables, left.rows, _BATCH_ROWS, chunk_rows) as probes:
        pieces = _pieces(request)
        results = _results(work, probes) if pieces is None else _results_of_sums(request, pieces, probes)
        return _kept(session.resources, results, names, operator.output, left.rows)


def _pieces(request: HistoryRequest) -> Sequence[Piece] | None:
    """The history as running sums, where nothing else is asked of it; its rows need not be gathered then."""
    operator = request.operator
    if not isinstance(operator, RollingAggregate) or operator.compute != "duckdb":
        return None
    if statements.known_name(operator) is not None:
        return None
    return pieces_of(request.blocks, _windowed(operator), room_for_history(request.session.resources))


def _compute_of(operator: WindowOperator, engine: Engine) -> Compute:
    if isinstance(operator, LabelAggregate):
        labels = shifted(operator)
        return lambda history, probes, where: label_columns(engine.aggregate, labels, history, probes, where)
    aggregates = _windowed(operator)
    return lambda history, probes, where: engine.aggregate(history, probes, aggregates, where)


def _windowed(operator: RollingAggregate) -> tuple[WindowedAggregate, ...]:
    unit = statements.unit_of(operator)
    return tuple(
        WindowedAggregate(
            name=aggregate.name,
            kind=aggregate.kind,
            column=aggregate.column,
            columns=aggregate.columns,
            age=aggregate.age,
            apart=aggregate.layout == "columns",
            window=aggregate.window.in_unit(unit),
            aligned_to=None if aggregate.aligned_to is None else aggregate.aligned_to.in_unit(unit),
            offset=0 if aggregate.offset is None else aggregate.offset.in_unit(unit) or 0,
            max_length=aggregate.max_length,
            newest_first=aggregate.order == "newest_first",
            q=aggregate.q,
            half_life=_half_life(aggregate, unit),
            per_spine_unit=unit.value // operator.left_time.resolution.value,
        )
        for aggregate in operator.aggregates
    )


def _half_life(aggregate: Aggregate, unit: TimeUnit) -> Fraction | None:
    if aggregate.half_life is None or aggregate.half_life.nanoseconds is None:
        return None
    return Fraction(aggregate.half_life.nanoseconds * unit.value, 10**9)


def _results(work: _Work, probes: ProbeStream) -> Iterator[pa.Table]:
    """Tables of row number and new columns; together they hold every row once."""
    return _told_of(work.request, results_in_order(_tasks(work, probes), work.request.session.resources.threads))


def _tasks(work: _Work, probes: ProbeStream) -> Iterator[Task[pa.Table]]:
    """The work on each batch of probes.

    A row whose entity has no history goes with the next chunk, or with the last one, as does a row without entity.
    """
    chunks = histories(work.request)
    chunk = next(chunks)
    for following in chunks:
        for batch in probes.through(int(chunk.history.entity[-1])):
            yield _task(work, chunk, batch)
        chunk = following
    for batch in probes.through(NOBODY):
        yield _task(work, chunk, batch)


def _task(work: _Work, chunk: Chunk, batch: ProbeBatch) -> Task[pa.Table]:
    request = work.request
    compute = partial(work.compute, chunk.history, batch.probes)
    share = share_of(chunk, batch.probes, request.operator.aggregates, request.session.resources.engine_bytes)
    return Task(share, partial(_table, request, batch, compute))


def _results_of_sums(request: HistoryRequest, pieces: Sequence[Piece], probes: ProbeStream) -> Iterator[pa.Table]:
    """The same by running sums, which have all entities at once."""
    assert isinstance(request.operator, RollingAggregate)
    aggregates = _windowed(request.operator)

    def tables() -> Iterator[pa.Table]:
        for batch in probes.through(NOBODY):
            compute = partial(aggregate_pieces, pieces, batch.probes, aggregates)
            yield _table(request, batch, compute)

    return _told_of(request, tables())


def _table(request: HistoryRequest, batch: ProbeBatch, compute: Callable[[str], list[pa.Array]]) -> pa.Table:
    """The rows of a batch, and what is computed of them; the text given to `compute` begins an error's message."""
    request.session.resources.check()
    columns = compute(f"day {request.session.day}, operator '{request.operator.name}'")
    names = [stored_name(aggregate.name) for aggregate in request.operator.aggregates]
    return pa.table([pa.array(batch.rows), *columns], names=[ROW, *names])


def _told_of(request: HistoryRequest, results: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The results; what overflows is told by the keys of its entity, which the connection of the day knows."""
    try:
        yield from results
    except SumOverflow as error:
        raise DayError(
            f"column '{error.aggregate}' of {request.entity_name(error.entity)}: the sum does not fit its type: "
            "aggregate a smaller unit, or declare the column as a decimal or a double"
        ) from error
    except AgeOverflow as error:
        raise DayError(_told(request, error)) from error


def _told(request: HistoryRequest, error: AgeOverflow) -> str:
    """Which row it is, by its key and its time in the spine's own unit."""
    spine, unit = request.operator.left_time, statements.unit_of(request.operator)
    time = error.time // (unit.value // spine.resolution.value)
    kind = next(one.kind for one in request.operator.aggregates if one.name == error.aggregate)
    row = "a row of its list" if kind == "sequence" else "the newest row of its window"
    return (
        f"column '{error.aggregate}' of {request.entity_name(error.entity)} at {time} {spine.unit} after 1970-01-01: "
        f"{row} lies so far back that its age in {spine.unit} does not fit an int64: give it a "
        f"bounded window, or declare the time '{spine.column}' in a coarser unit"
    )


def _kept(
    resources: DayResources, results: Iterator[pa.Table], names: tuple[str, ...], name: str, rows: int
) -> ColumnTable:
    """The results of all chunks in row order: in memory where there is room, else spilled."""
    kept: list[pa.Table] = []
    room = resources.arrow_columns.room
    for result in results:
        kept.append(result)
        room -= result.nbytes
        if room < 0:
            break
    else:
        resources.arrow_columns.add(name, _in_row_order(pa.concat_tables(kept), resources.threads))
        return ColumnTable(name, names, numbered=False)
    resources.need_all_memory()
    resources.arrow_columns.spill(name, rows, passed_on(kept, results))
    return ColumnTable(name, names, numbered=False)


def _in_row_order(result: pa.Table, threads: int) -> pa.Table:
    rows = numbers(result.column(ROW))
    if ascends(rows):
        return result.remove_column(0)
    positions = np.empty(len(rows), dtype=np.int64)
    positions[rows] = np.arange(len(rows), dtype=np.int64)
    taken = pa.array(positions)
    tasks = [Task(0, partial(column.take, taken)) for column in result.columns[1:]]
    return pa.table(list(results_in_order(tasks, min(threads, len(tasks)))), names=result.column_names[1:])
