"""Columns of the day that stay in Arrow: DuckDB reads them where they lie, and nobody writes them before the Sink.

To make a table of many columns costs DuckDB more than to read them, and 256 KiB for each column, however few its rows
are. What does not fit in the limit becomes a table, which DuckDB spills.
"""

from __future__ import annotations

from dataclasses import replace

import duckdb
import pyarrow as pa

from daeda.sql.handle import ColumnTable, Numbered

_JOINED = "daeda_held"


class HeldColumns:
    """Arrow tables by name, in row order, each visible to the day's connection as a relation without a rowid."""

    # Their share in the memory of the kernel.
    SHARE = 0.25

    def __init__(self, connection: duckdb.DuckDBPyConnection, limit: int) -> None:
        """All of them together have at most `limit` bytes."""
        self._connection = connection
        self._tables: dict[str, pa.Table] = {}
        self._left = limit
        self.nbytes = 0
        self._joined: pa.Table | None = None

    @property
    def room(self) -> int:
        """Bytes that can still be held."""
        return self._left

    def hold(self, name: str, columns: pa.Table) -> None:
        """Keep the columns under a name."""
        self._tables[name] = columns
        self._left -= columns.nbytes
        self.nbytes += columns.nbytes
        self._connection.register(name, columns)

    def side_by_side(self, given: Numbered) -> Numbered:
        """The same rows with all held columns in one relation, which `show` makes: DuckDB joins fewer of them."""
        held = tuple(one for one in given.tables if not one.numbered)
        if not held:
            return given
        columns = tuple(name for one in held for name in one.columns)
        self._joined = pa.table(
            [self._tables[one.name].column(name) for one in held for name in one.columns], names=list(columns)
        )
        others = tuple(one for one in given.tables if one.numbered)
        return replace(given, tables=(*others, ColumnTable(_JOINED, columns, numbered=False)))

    def show(self, first: int = 0, last: int | None = None) -> None:
        """Let the connection see rows first .. last - 1 of what stands side by side; all from `first` on without it."""
        if self._joined is not None:
            rows = self._joined.slice(first, None if last is None else last - first)
            self._connection.register(_JOINED, rows)
