"""The history that one RollingAggregate looks back on, chunk by chunk: whole entities, in the order of time.

Where it fits into a part of the kernel's memory, its rows come in any order, from the sorted partitions
of the run or from DuckDB, and are put in order here, mostly by counting (`ordering`). Where it does not,
DuckDB sorts them, and spills.
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
from beam_pipeline.history.projected_partitions import projected
from beam_pipeline.history.sorted_partitions import Rows, rows_of_partitions
from beam_pipeline.session.session import DaySession
from beam_pipeline.windows.contract import History
from daeda.errors import DayError
from daeda.operators.relation import Relation
from daeda.operators.temporal import RollingAggregate
from daeda.sql import statements, unordered
from daeda.sql.handle import Deferred
from daeda.sql.statements import CREATED, ENTITY, TIME, ProbingOperator

Int64s = npt.NDArray[np.int64]

# The part of the kernel's memory that a whole history may take. As much again is needed to put it in order.
HELD_SHARE = 0.25
# Text of a column has to fit Arrow's offsets.
MOST_HELD = (1 << 31) - 1
_TIED = "daeda_tied"


@dataclass(frozen=True)
class Reading:
    """One operator of a day about to read its history.

    `right` is the history, `entities` the table of the day's entities; `copies` is the memory that the engine needs to
    work on a chunk, in copies of it, and `batch_rows` are handed over at a time.
    """

    session: DaySession
    operator: RollingAggregate
    right: Deferred
    entities: str
    copies: int
    batch_rows: int

    @property
    def engine_bytes(self) -> int:
        """Memory of the kernel, less what it has made already."""
        return self.session.context.limits.engine_bytes - self.session.resources.arrow_columns.nbytes

    @property
    def room(self) -> int:
        """Bytes that a whole history may take."""
        return min(int(self.engine_bytes * HELD_SHARE), MOST_HELD)

    @property
    def chunk_rows(self) -> int:
        """About how many rows a chunk has."""
        return self.session.context.limits.rolling_chunk_rows

    def entity_name(self, entity: int) -> str:
        """The keys of an entity, for messages. Ends the stream of the history: an error is on its way."""
        keys = self.operator.keys
        columns = ", ".join('"' + key.replace('"', '""') + '"' for key in keys)
        # A cursor would not see the table, which is temporary.
        query = f"SELECT {columns} FROM {self.entities} WHERE {ENTITY} = ?"
        found = self.session.resources.connection.execute(query, [entity]).fetchone()
        values = found if found is not None else ("?",) * len(keys)
        return ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True))


def histories(reading: Reading) -> Iterator[History]:
    """The chunks, at least one, which may be empty. Raises DayError when an entity alone is too large."""
    session = reading.session
    rows = rows_of_partitions(session, reading.operator, reading.right, reading.entities, reading.room)
    if rows is None:
        right = projected(session, reading.right)
        reading = replace(reading, right=right)
        rows = rows_of_duckdb(session, reading.operator, right, reading.entities, reading.room, reading.batch_rows)
    made = None if rows is None else _Held.put_in_order(reading, rows)
    if made is not None:
        yield from made.chunks()
    else:
        yield from _sorted_by_duckdb(reading)


def numbers(column: pa.ChunkedArray) -> Int64s:
    """A column of integers without NULLs as one array."""
    return np.ascontiguousarray(column.to_numpy(), dtype=np.int64)


def rows_of_duckdb(
    session: DaySession, operator: ProbingOperator, right: Deferred, entities: str, room: int, batch_rows: int
) -> Rows | None:
    """All rows of a history or a right side, None where they take more than `room`."""
    query = unordered.unordered_history(operator, right, entities)
    reader = session.resources.connection.execute(query).to_arrow_reader(batch_rows)
    batches: list[pa.RecordBatch] = []
    size = 0
    for batch in reader:
        size += batch.nbytes
        if size > room:
            return None
        batches.append(batch)
    table = pa.Table.from_batches(batches, schema=reader.schema)
    columns = {name: table.column(name) for name in table.column_names if name != ENTITY}
    return Rows(columns, None, numbers(table.column(ENTITY)), size)


@dataclass(frozen=True)
class _Held:
    """A history in memory: `rows` are the places of its rows in `columns`, in order, `entity` and `time` are theirs."""

    columns: Mapping[str, pa.Array]
    rows: Int64s
    entity: Int64s
    time: Int64s
    known: Int64s | None
    cuts: list[int]

    @classmethod
    def put_in_order(cls, reading: Reading, given: Rows) -> _Held | None:
        """None where an entity is too large beside the rest."""
        all_times = numbers(given.columns[TIME])
        by_time = ordering.ascends(all_times)
        order = ordering.in_order(given.entity, None if by_time else _at(all_times, given.indices))
        rows = order if given.indices is None else given.indices[order]
        entity, time = ordering.sorted_numbers(given.entity), all_times[rows]
        found = ordering.tied(entity, time)
        put_ties_in_order(reading.session, reading.operator, reading.right.relation, given.columns, found, rows)
        room = (reading.engine_bytes - 2 * given.nbytes) // reading.copies
        fitting = room * max(len(rows), 1) // max(given.nbytes, 1)
        cuts = ordering.cuts(entity, min(reading.chunk_rows, fitting))
        if max(np.diff(cuts), default=0) > max(fitting, 1):
            return None
        columns = {name: combined(given.columns[name]) for name in statements.history_values(reading.operator)}
        known = numbers(given.columns[CREATED])[rows] if reading.operator.created is not None else None
        return cls(columns, rows, entity, time, known, cuts)

    def chunks(self) -> Iterator[History]:
        """Chunks of whole entities; one without rows where there are none."""
        for first, last in itertools.pairwise(self.cuts) if len(self.cuts) > 1 else [(0, 0)]:
            places = pa.array(self.rows[first:last])
            columns = {name: pc.take(one, places, boundscheck=False) for name, one in self.columns.items()}
            known = None if self.known is None else self.known[first:last]
            yield History(self.entity[first:last], self.time[first:last], columns, known)


def put_ties_in_order(
    session: DaySession,
    operator: ProbingOperator,
    relation: Relation,
    columns: Mapping[str, pa.ChunkedArray],
    found: ordering.Tied,
    rows: Int64s,
) -> None:
    """Put rows of one entity and time into their order, in `rows` itself. `relation` is the right side's."""
    ties = unordered.tie_columns(operator, relation)
    if not ties or not len(found.places):
        return
    places = rows[found.places]
    taken = pa.array(places)
    tied = pa.table({name: columns[name].take(taken) for name in ties})
    tied = tied.append_column(unordered.GROUP, pa.array(found.group))
    tied = tied.append_column(unordered.POSITION, pa.array(np.arange(len(places), dtype=np.int64)))
    with session.resources.connection.cursor() as beside:
        beside.register(_TIED, tied)
        query = unordered.tied_in_order(operator, relation, _TIED)
        order = numbers(beside.execute(query).to_arrow_table().column(0))
        beside.unregister(_TIED)
    rows[found.places] = places[order]


def _sorted_by_duckdb(reading: Reading) -> Iterator[History]:
    """Cut the history, as DuckDB sorts it, into chunks of whole entities."""
    query = statements.rolling_history(reading.operator, reading.right, reading.entities)
    reader = reading.session.resources.connection.execute(query).to_arrow_reader(reading.batch_rows)
    limit_bytes = reading.engine_bytes // reading.copies
    pending: list[pa.RecordBatch] = []
    given = False
    for batch in reader:
        pending.append(batch)
        rows = sum(one.num_rows for one in pending)
        size = sum(one.nbytes for one in pending)
        if rows < reading.chunk_rows and size < limit_bytes:
            continue
        table = pa.Table.from_batches(pending)
        entity = numbers(table.column(ENTITY))
        cut = int(np.searchsorted(entity, entity[-1], side="left"))
        if cut:
            yield _history(table.slice(0, cut))
            given = True
            table = table.slice(cut)
        elif size >= limit_bytes:
            raise DayError(_too_large(reading, int(entity[-1]), rows, size))
        pending = table.to_batches()
    if pending or not given:
        yield _history(pa.Table.from_batches(pending, schema=reader.schema))


def _too_large(reading: Reading, entity: int, rows: int, size: int) -> str:
    return (
        f"the history of {reading.entity_name(entity)} alone has more than {rows} rows and {size >> 20} MiB, and the "
        f"kernel has {reading.engine_bytes >> 20} MiB: raise compute.duckdb_config.memory_limit, lower day_workers, or "
        "filter such an entity out with 'where'"
    )


def _history(table: pa.Table) -> History:
    held = {ENTITY, TIME, CREATED}
    columns: Mapping[str, pa.Array] = {
        name: combined(table.column(name)) for name in table.column_names if name not in held
    }
    known = numbers(table.column(CREATED)) if CREATED in table.column_names else None
    return History(numbers(table.column(ENTITY)), numbers(table.column(TIME)), columns, known)


def _at(values: Int64s, indices: Int64s | None) -> Int64s:
    return values if indices is None else values[indices]


def combined(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)
