"""Results of DuckDB in Arrow's batches, several results at once: of one result, a single thread makes the batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa

from beam_pipeline.session.resources import DayResources
from daeda.sql.streamed import Stream, stream

# Batches of each result that wait for their reader.
_WAITING = 2
_AGAIN_SECONDS = 0.05


@dataclass(frozen=True)
class _End:
    """The end of a result, and the error that it ended with."""

    error: BaseException | None = None


_Found: TypeAlias = queue.Queue[pa.Schema | pa.RecordBatch | _End]


def stream_of(resources: DayResources, queries: Sequence[str], batch_rows: int) -> Stream:
    """The rows of all queries, which have the same columns; of one in its order, of several in any.

    Several queries have a thread and a cursor each, which sees no temporary table. The threads end with the stream, and
    when nobody has it any more. Raises duckdb.Error for the first query that fails.
    """
    if len(queries) == 1:
        return stream(resources.connection, queries[0], batch_rows, resources.check)
    batches = _batches(resources, queries, batch_rows)
    # Threads and cursors are there from the first one on.
    first = next(batches)
    return Stream(first.schema, batches)


def _batches(resources: DayResources, queries: Sequence[str], batch_rows: int) -> Generator[pa.RecordBatch]:
    """A batch without rows, and those of all queries."""
    found: _Found = queue.Queue(_WAITING * len(queries))
    over = threading.Event()
    with ThreadPoolExecutor(len(queries), "history") as pool:
        running = [pool.submit(_read, resources, query, batch_rows, found, over) for query in queries]
        try:
            schemas = ended = 0
            while ended < len(queries):
                match found.get():
                    case _End(error):
                        if error is not None:
                            raise error
                        ended += 1
                    case pa.Schema() as schema:
                        schemas += 1
                        if schemas == 1:
                            yield pa.RecordBatch.from_pylist([], schema)
                    case batch:
                        yield batch
        finally:
            over.set()
            # A thread may wait for room.
            while not all(future.done() for future in running):
                with suppress(queue.Empty):
                    found.get(timeout=_AGAIN_SECONDS)


def _read(resources: DayResources, query: str, batch_rows: int, found: _Found, over: threading.Event) -> None:
    try:
        with resources.beside() as cursor:
            one = stream(cursor, query, batch_rows, resources.check)
            found.put(one.schema)
            for batch in one.batches:
                if over.is_set():
                    return
                found.put(batch)
    except BaseException as error:  # noqa: BLE001 - whoever reads the batches raises it
        found.put(_End(error))
    else:
        found.put(_End())
