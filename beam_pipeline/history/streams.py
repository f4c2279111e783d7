"""Results of DuckDB in Arrow's batches, several results at once: of one result, a single thread makes the batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import TypeAlias

import duckdb
import pyarrow as pa

from beam_pipeline.session.resources import DayResources
from daeda.errors import Stopped
from daeda.sql.streamed import Stream, stream

# Batches of each result that wait for whoever reads them.
_WAITING = 2
# An interrupt that comes between two statements ends neither, so it is told again.
_AGAIN_SECONDS = 0.05


def stream_of(resources: DayResources, queries: Sequence[str], batch_rows: int) -> Stream:
    """The rows of all queries, which have the same columns; of one in its order, of several in any.

    Several queries have a thread and a cursor each, which sees no temporary table. The threads end with the stream and
    with its `close`. Raises duckdb.Error for the first query that fails, whose error ends the others.
    """
    if len(queries) == 1:
        return stream(resources.connection, queries[0], batch_rows, resources.check)
    batches = _batches(_Readers(resources, queries, batch_rows))
    # The threads are there from the first one on, which has no rows.
    first = next(batches)
    return Stream(first.schema, batches)


_Item: TypeAlias = pa.RecordBatch | BaseException | None


class _Thread(threading.Thread):
    """A thread of a stream.

    The collector of garbage runs in any thread, and may end a stream there that nobody has. Which thread waits for
    which then must not be a circle: one of these waits for none.
    """


class _Readers:
    """Threads that read a query each. What each finds is a batch without rows, batches, and None or an error."""

    def __init__(self, resources: DayResources, queries: Sequence[str], batch_rows: int) -> None:
        self._resources, self._batch_rows = resources, batch_rows
        self._found: queue.Queue[_Item] = queue.Queue(_WAITING * len(queries))
        self._over = threading.Event()
        # Reentrant, for a collector of garbage that ends the stream in the middle of it.
        self._lock = threading.RLock()
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self._threads = [
            _Thread(target=self._read, args=(query,), name=f"history-{number}", daemon=True)
            for number, query in enumerate(queries)
        ]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._threads)

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    def item(self) -> _Item:
        """What was found next."""
        return self._found.get()

    def end(self) -> None:
        """End the threads, whatever they are at, and wait for them."""
        self._over.set()
        self._interrupt()
        if isinstance(threading.current_thread(), _Thread):
            return
        for thread in self._threads:
            while thread.is_alive():
                thread.join(_AGAIN_SECONDS)
                self._interrupt()

    def _interrupt(self) -> None:
        with self._lock:
            for cursor in self._cursors:
                with suppress(duckdb.Error):
                    cursor.interrupt()

    def _read(self, query: str) -> None:
        try:
            with self._resources.beside() as cursor:
                with self._lock:
                    self._cursors.append(cursor)
                try:
                    found = stream(cursor, query, self._batch_rows, self._check)
                    self._put(pa.RecordBatch.from_pylist([], found.schema))
                    for batch in found.batches:
                        self._put(batch)
                finally:
                    # Closed behind this: whoever interrupts finds open ones alone.
                    with self._lock:
                        self._cursors.remove(cursor)
            self._put(None)
        except BaseException as error:  # noqa: BLE001 - whoever reads the batches raises it
            with suppress(Stopped):
                self._put(error)

    def _check(self) -> None:
        """Raise Stopped when the stream or the run is over."""
        self._check_is_read()
        self._resources.check()

    def _check_is_read(self) -> None:
        if self._over.is_set():
            raise Stopped("nobody reads the history any more")

    def _put(self, item: _Item) -> None:
        # Not where the run is over: whoever reads is to have the error that says so.
        while True:
            self._check_is_read()
            with suppress(queue.Full):
                self._found.put(item, timeout=_AGAIN_SECONDS)
                return


def _batches(readers: _Readers) -> Generator[pa.RecordBatch]:
    """What all queries find; the first one has no rows."""
    ended = 0
    try:
        readers.start()
        while ended < readers.count:
            match readers.item():
                case BaseException() as error:
                    raise error
                case None:
                    ended += 1
                case batch:
                    yield batch
    finally:
        readers.end()
