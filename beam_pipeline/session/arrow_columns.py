"""Columns of the day that stay in Arrow: DuckDB reads them where they lie, and nobody writes them before the Sink.

To make a table of many columns costs DuckDB more than to read them, and 256 KiB for each column, however few its rows
are. What does not fit in the limit becomes a table, which DuckDB spills.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import duckdb
import pyarrow as pa

# DuckDB imports it when it first reads a table of Arrow: that is not to be in the middle of a day.
import pyarrow.dataset

from daeda.sql.handle import ColumnTable, Materialised, column, selected, table

_JOINED = "daeda_held"


class ArrowColumns:
    """Arrow tables by name, in row order, each visible to the day's connection as a relation without a rowid."""

    # Their share in the memory of the rolling engine.
    SHARE = 0.25

    def __init__(self, connection: duckdb.DuckDBPyConnection, limit: int) -> None:
        """All of them together have at most `limit` bytes."""
        self._connection = connection
        self._tables: dict[str, pa.Table] = {}
        self.limit = limit
        self._lent = 0
        self.nbytes = 0
        self._joined: pa.Table | None = None

    @property
    def room(self) -> int:
        """Bytes that can still be added."""
        return self.limit - self.nbytes - self._lent

    def lend(self, nbytes: int) -> None:
        """Have so much less room, or more where it is given back."""
        self._lent += nbytes

    def get(self, name: str) -> pa.Table | None:
        """The columns under a name."""
        return self._tables.get(name)

    def add(self, name: str, columns: pa.Table) -> None:
        """Keep the columns under a name."""
        self._tables[name] = columns
        self.nbytes += columns.nbytes
        self._connection.register(name, columns)

    def side_by_side(self, given: Materialised) -> Materialised:
        """The same rows with all Arrow columns in one relation, which `show` makes: DuckDB joins fewer of them.

        Where there is room for the columns of its tables, too, nothing is left to be joined, and DuckDB reads with all
        its threads; but the rows have no numbers then.
        """
        in_arrow = [table for table in given.tables if not table.numbered]
        if not in_arrow:
            return given
        columns = {name: self._tables[table.name].column(name) for table in in_arrow for name in table.stored}
        tables = tuple(table for table in given.tables if table.numbered)
        read = self._read(tables, given.needed(given.relation.names))
        if read is not None:
            columns, tables = {**read, **columns}, ()
        self._joined = pa.table(list(columns.values()), names=list(columns))
        return replace(given, tables=(*tables, ColumnTable(_JOINED, tuple(columns), numbered=False)))

    def _read(self, tables: tuple[ColumnTable, ...], needed: set[str]) -> dict[str, pa.ChunkedArray] | None:
        """The needed columns of tables, or None where there is no room for them."""
        room = self.room
        columns: dict[str, pa.ChunkedArray] = {}
        for stored in tables:
            names = [name for name in stored.stored if name in needed]
            if not names:
                continue
            query = selected(*map(column, names)).from_(table(stored.name), copy=False).sql("duckdb")
            reader = self._connection.execute(query).to_arrow_reader()
            batches: list[pa.RecordBatch] = []
            for batch in reader:
                batches.append(batch)
                room -= batch.nbytes
                if room < 0:
                    return None
            whole = pa.Table.from_batches(batches, schema=reader.schema)
            columns |= {name: whole.column(name) for name in names}
        return columns

    def show(self, first: int = 0, last: int | None = None) -> None:
        """Let the connection see rows first .. last - 1 of what stands side by side; all from `first` on without it."""
        if self._joined is not None:
            rows = self._joined.slice(first, None if last is None else last - first)
            self._connection.register(_JOINED, rows)

    def has_all(self, given: Materialised) -> bool:
        """Whether everything that a relation needs stands side by side."""
        return self._joined is not None and [each.name for each in given.tables] == [_JOINED]

    def size_of(self, name: str) -> int:
        """Bytes of a column that stands side by side."""
        assert self._joined is not None
        return int(self._joined.column(name).nbytes)

    def show_beside(
        self, connection: duckdb.DuckDBPyConnection, names: Iterable[str], first: int, last: int
    ) -> ColumnTable:
        """Let another connection see rows first .. last - 1 of some columns that stand side by side, and no others."""
        assert self._joined is not None
        chosen = sorted(names)
        connection.register(_JOINED, self._joined.select(chosen).slice(first, last - first))
        return ColumnTable(_JOINED, tuple(chosen), numbered=False)

    def drop(self) -> None:
        """Let go of the columns."""
        self._tables.clear()
        self._joined = None
