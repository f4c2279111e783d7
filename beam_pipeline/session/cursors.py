"""Cursors of the day's connection: each runs a statement beside it, and an interrupt of the connection spares them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb


class Cursors:
    """A connection and its open cursors, which are interrupted as one."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._open: dict[int, duckdb.DuckDBPyConnection] = {}

    @contextmanager
    def beside(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for as long as the block runs."""
        with self._connection.cursor() as cursor:
            with self._lock:
                self._open[id(cursor)] = cursor
            try:
                yield cursor
            finally:
                # Closed behind this: whoever interrupts finds open ones alone.
                with self._lock:
                    del self._open[id(cursor)]

    def interrupt(self) -> None:
        """End the statements that run in the connection and in its cursors."""
        # A connection that has been closed meanwhile has nothing left to interrupt, which is an error.
        with contextlib.suppress(duckdb.Error):
            self._connection.interrupt()
        with self._lock:
            for cursor in self._open.values():
                cursor.interrupt()
