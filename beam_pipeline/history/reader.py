"""The history that an operator with windows looks at, chunk by chunk: whole entities, in the order of time.

Where it fits into a part of the engine's memory, its rows are gathered from the ordered blocks of the run, or come in
any order, from its sorted partitions or from DuckDB, and are put in order here, mostly by counting (`ordering`). Where
it does not, the same is done with a few entities at a time, whose rows a file brings together (`entity_blocks`). Where
an entity or a block alone is too large for that, DuckDB sorts the rows, and spills.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beam_pipeline.history import ordering
from beam_pipeline.history.arrow_arrays import MOST_BYTES, combined, numbers
from beam_pipeline.history.block_history import SharesOfDay, history_of_blocks, shares_of_day
from beam_pipeline.history.chunk import Chunk
from beam_pipeline.history.counting_partitions import counting_partitions
from beam_pipeline.history.entity_blocks import EntityBlocks, Unfinished, fitting_rows
from beam_pipeline.history.projected_partitions import projected, projected_parts
from beam_pipeline.history.sorted_partitions import Rows, rows_of_partitions
from beam_pipeline.history.streams import stream_of
from beam_pipeline.history.ties import put_ties_in_order
from beam_pipeline.session.inputs import ScannedFiles
from beam_pipeline.session.resources import DayResources
from beam_pipeline.session.session import DaySession
from beam_pipeline.windows.contract import History, Int64s
from daeda.errors import DayError
from daeda.operators.relation import Relation
from daeda.operators.temporal import WindowOperator
from daeda.sql import statements, unordered
from daeda.sql.handle import Deferred, quoted_name
from daeda.sql.statements import CREATED, ENTITY, TIME, USABLE, ProbingOperator

# The part of the engine's memory that a whole history may take. As much again is needed to put it in order.
HISTORY_SHARE = 0.25
# A packed file, unpacked: what is read of it is less than all of its columns.
UNPACKED = 4
# A history without room is written, and put in order, in pieces of about this part of the room.
_PIECES = 4


@dataclass(frozen=True)
class HistoryRequest:
    """The history that an operator of a day needs.

    `right` is the history, `entities` the table of the day's entities; `copies` is the memory that the engine needs to
    work on a chunk, in copies of it, and `batch_rows` are handed over at a time.
    """

    session: DaySession
    operator: WindowOperator
    right: Deferred
    entities: str
    copies: int
    batch_rows: int

    @cached_property
    def scanned(self) -> Sequence[ScannedFiles]:
        """What is read of the files of the day."""
        return counting_partitions(self.session, self.operator, self.right)

    @cached_property
    def blocks(self) -> SharesOfDay | None:
        """The ordered blocks of the history, None where it has none."""
        room = room_for_history(self.session.resources)
        return shares_of_day(self.session, self.operator, self.right, self.entities, room, self.scanned)

    @cached_property
    def projected(self) -> Deferred:
        """The history, read from projected files where that pays."""
        return projected(self.session, self.right, self.scanned)

    @cached_property
    def parts(self) -> Sequence[Deferred]:
        """The same by files, as many parts as are read at once: a thread each, and DuckDB's own beside them."""
        threads = self.session.resources.threads
        return projected_parts(self.session, self.right, self.scanned, threads // 2 + 1 if threads > 1 else 1)

    def entity_name(self, entity: int) -> str:
        """The keys of an entity, for messages. Ends the stream of the history: an error is on its way."""
        keys = self.operator.keys
        query = f"SELECT {', '.join(map(quoted_name, keys))} FROM {self.entities} WHERE {ENTITY} = ?"
        row = self.session.resources.connection.execute(query, [entity]).fetchone()
        values = row if row is not None else ("?",) * len(keys)
        return ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True))


def room_for_history(resources: DayResources) -> int:
    """Bytes that a whole history, or the right side of a look-up, may take."""
    return min(int(resources.engine_bytes * HISTORY_SHARE), MOST_BYTES)


def histories(request: HistoryRequest) -> Iterator[Chunk]:
    """The chunks, at least one, which may be empty. Raises DayError when an entity alone is too large."""
    session, operator, entities = request.session, request.operator, request.entities
    room, scanned = room_for_history(session.resources), request.scanned
    gathered = history_of_blocks(session, operator, request.blocks, request.copies)
    if gathered is not None:
        yield from gathered
        return
    rows = rows_of_partitions(session, operator, request.right, entities, room, scanned)
    if rows is None:
        read = rows_of_duckdb(session.resources, operator, request.parts, entities, room, request.batch_rows)
        if isinstance(read, Unfinished):
            with closing(read.stream):
                session.resources.need_all_memory()
                yield from _in_blocks(request, read, room)
            return
        rows = read
    in_memory = _HistoryInMemory.put_in_order(request, rows)
    if in_memory is not None:
        yield from in_memory.chunks()
    else:
        session.resources.need_all_memory()
        yield from _sorted_by_duckdb(request)


def rows_of_duckdb(
    resources: DayResources,
    operator: ProbingOperator,
    parts: Sequence[Deferred],
    entities: str,
    room: int,
    batch_rows: int,
) -> Rows | Unfinished:
    """All rows of a history or a right side, its parts read at once; Unfinished where they take more than `room`."""
    telling = _telling_key(resources, operator, parts[0].relation, entities)
    queries = [unordered.unordered_history(operator, right, entities, telling) for right in parts]
    stream = stream_of(resources, queries, batch_rows)
    batches: list[pa.RecordBatch] = []
    size = 0
    try:
        for batch in stream.batches:
            size += batch.nbytes
            batches.append(batch)
            if size > room:
                return Unfinished(batches, stream)
    except BaseException:
        stream.close()
        raise
    table = pa.Table.from_batches(batches, schema=stream.schema)
    columns = {name: table.column(name) for name in table.column_names if name != ENTITY}
    return Rows(columns, None, numbers(table.column(ENTITY)), size)


def _telling_key(resources: DayResources, operator: ProbingOperator, relation: Relation, entities: str) -> str | None:
    """A key of several that tells the entities of the day apart by itself, as a session does where users have many."""
    keys = unordered.numeric_keys(operator, relation)
    if not keys:
        return None
    told = resources.connection.execute(unordered.telling_keys(keys, entities)).fetchone() or ()
    return next((key for key, tells in zip(keys, told, strict=True) if tells), None)


@dataclass(frozen=True)
class _HistoryInMemory:
    """A history in memory: `rows` are indices of its rows in `columns`, in order; `entity` and `time` are theirs.

    `share` is that of a row in the memory for the engine's work.
    """

    columns: Mapping[str, pa.Array]
    rows: Int64s
    entity: Int64s
    time: Int64s
    known: Int64s | None
    cuts: list[int]
    share: float

    @classmethod
    def put_in_order(cls, request: HistoryRequest, given: Rows) -> _HistoryInMemory | None:
        """None where an entity is too large beside the rest."""
        resources, operator = request.session.resources, request.operator
        all_times = numbers(given.columns[TIME])
        if ordering.ascends(all_times):
            times = None
        else:
            times = all_times if given.indices is None else all_times[given.indices]
        order = ordering.in_order(given.entity, times)
        rows = order if given.indices is None else given.indices[order]
        entity, time = ordering.sorted_numbers(given.entity), all_times[rows]
        ties = ordering.tied_rows(entity, time)
        put_ties_in_order(resources, operator, request.right.relation, given.columns, ties, rows)
        fitting = fitting_rows(len(rows), given.nbytes, given.nbytes, resources.engine_bytes, request.copies)
        cuts = ordering.cuts(entity, min(request.session.context.limits.rolling_chunk_rows, fitting))
        if max(np.diff(cuts), default=0) > fitting:
            return None
        columns = {name: combined(given.columns[name]) for name in statements.history_values(operator)}
        name = statements.known_name(operator)
        known = None if name is None else numbers(given.columns[name])[rows]
        return cls(columns, rows, entity, time, known, cuts, 1 / fitting)

    def chunks(self) -> Iterator[Chunk]:
        """Chunks of whole entities; one without rows where there are none."""
        for first, last in itertools.pairwise(self.cuts) if len(self.cuts) > 1 else [(0, 0)]:
            indices = pa.array(self.rows[first:last])
            columns = {name: pc.take(column, indices, boundscheck=False) for name, column in self.columns.items()}
            known = None if self.known is None else self.known[first:last]
            history = History(self.entity[first:last], self.time[first:last], columns, known)
            yield Chunk(history, (last - first) * self.share)


def _in_blocks(request: HistoryRequest, history: Unfinished, room: int) -> Iterator[Chunk]:
    """The chunks of a history that does not fit in memory.

    While the engine works on some of them the next share is read and put in order, so each leaves room for the largest.
    """
    resources, limits = request.session.resources, request.session.context.limits
    with resources.beside() as beside:
        [entities] = beside.execute(f"SELECT count(*) FROM {request.entities}").fetchone() or (0,)
    packed = sum(file.size for scanned in request.scanned for file in scanned.needed.values())
    with EntityBlocks(resources.spill, entities, packed * UNPACKED * _PIECES // max(room, 1)) as blocks:
        blocks.fill(history, room // _PIECES, limits.threads)
        shares = blocks.shares(resources.engine_bytes, request.copies, limits.rolling_chunk_rows)
        largest = max(map(blocks.nbytes, shares or ()), default=0)
        for share in blocks.read(shares or ()):
            in_memory = _HistoryInMemory.put_in_order(request, share.rows)
            assert in_memory is not None, "an entity fits where its block does"
            rows, nbytes = len(in_memory.rows), share.rows.nbytes
            fitting = fitting_rows(rows, nbytes, largest, resources.engine_bytes, request.copies)
            for chunk in replace(in_memory, share=1 / fitting).chunks():
                of_day = replace(chunk.history, entity=chunk.history.entity + share.first)
                yield replace(chunk, history=of_day)
    if shares is None:
        yield from _sorted_by_duckdb(request)


def _sorted_by_duckdb(request: HistoryRequest) -> Iterator[Chunk]:
    """Cut the history, as DuckDB sorts it, into chunks of whole entities, of which there is one at a time."""
    resources = request.session.resources
    query = statements.rolling_history(request.operator, request.projected, request.entities)
    stream = stream_of(resources, [query], request.batch_rows)
    limit_bytes = resources.engine_bytes // request.copies
    pending: list[pa.RecordBatch] = []
    yielded = False
    for batch in stream.batches:
        pending.append(batch)
        rows = sum(batch.num_rows for batch in pending)
        size = sum(batch.nbytes for batch in pending)
        if rows < request.session.context.limits.rolling_chunk_rows and size < limit_bytes:
            continue
        table = pa.Table.from_batches(pending)
        entity = numbers(table.column(ENTITY))
        cut = int(np.searchsorted(entity, entity[-1], side="left"))
        if cut:
            yield Chunk(_history(table.slice(0, cut)), 1)
            yielded = True
            table = table.slice(cut)
        elif size >= limit_bytes:
            raise DayError(_too_large(request, int(entity[-1]), rows, size))
        pending = table.to_batches()
    if pending or not yielded:
        yield Chunk(_history(pa.Table.from_batches(pending, schema=stream.schema)), 1)


def _too_large(request: HistoryRequest, entity: int, rows: int, size: int) -> str:
    return (
        f"the history of {request.entity_name(entity)} alone has more than {rows} rows and {size >> 20} MiB, and the "
        f"kernel has {request.session.resources.engine_bytes >> 20} MiB: raise compute.duckdb_config.memory_limit, "
        "lower day_workers, or filter such an entity out with 'where'"
    )


def _history(table: pa.Table) -> History:
    names = [name for name in table.column_names if name not in (ENTITY, TIME, CREATED, USABLE)]
    columns: Mapping[str, pa.Array] = {name: combined(table.column(name)) for name in names}
    since = next((name for name in (USABLE, CREATED) if name in table.column_names), None)
    known = None if since is None else numbers(table.column(since))
    return History(numbers(table.column(ENTITY)), numbers(table.column(TIME)), columns, known)
