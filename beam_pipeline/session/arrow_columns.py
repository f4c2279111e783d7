"""Columns of the day that stay in Arrow: DuckDB reads them where they lie, and nobody writes them before the Sink.

To make a table of many columns costs DuckDB more than to read them, and 256 KiB for each column, however few its rows
are. What does not fit in the limit is spilled to a file, and streamed from it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa

# DuckDB imports it when it first reads a table of Arrow: that is not to be in the middle of a day.
import pyarrow.dataset

from beam_pipeline.session.block_file import write_behind
from beam_pipeline.session.pieces import gathered, tables_of
from beam_pipeline.session.row_stream import Held, RowStream
from beam_pipeline.session.spilled_columns import SpilledColumns
from daeda.sql.handle import ROW, ColumnTable, Materialised, column, quoted, selected, table
from daeda.sql.streamed import stream

_JOINED = "daeda_held"
# A spilled file is written in pieces of this part of the limit: each costs a read of every block.
_GATHERED = 8


class ArrowColumns:
    """Columns by name, in row order, each visible to the day's connection as a relation without a rowid."""

    # Their share in the memory of the rolling engine.
    SHARE = 0.25

    def __init__(self, connection: duckdb.DuckDBPyConnection, limit: int, spill: Path, threads: int = 1) -> None:
        """All of those in memory together have at most `limit` bytes; the others are files in `spill`.

        With two `threads` a file is written while what comes into it is computed.
        """
        self._connection = connection
        self._tables: dict[str, pa.Table] = {}
        self._spilled: dict[str, SpilledColumns] = {}
        self._spill, self._threads = spill, threads
        self.limit = limit
        self._lent = 0
        self.nbytes = 0
        self._numbers = itertools.count()
        # What stands side by side, its first row and the rows of the day.
        self._joined: dict[str, Held] | None = None
        self._first = self._rows = 0
        # What has come up while DuckDB has read a stream: of that it tells no more than the text.
        self.failures: list[Exception] = []

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

    def spill(self, name: str, rows: int, results: Iterable[pa.Table]) -> None:
        """Keep the columns under a name in a file: `results` have each of the rows once, with its number as ROW."""
        self._spilled[name] = spilled = self._in_file(rows, results)
        self._connection.register(name, RowStream(dict.fromkeys(spilled.schema.names, spilled), 0, rows, self.failures))

    def side_by_side(self, given: Materialised, tables_too: bool = False) -> Materialised:
        """The same rows with all columns in one relation, which `show` makes, where any of them is one of Arrow's.

        DuckDB joins nothing then, and reads with all its threads; but the rows have no numbers. Columns of tables of
        DuckDB's are read, or spilled where there is no room for them; where there are no others, with `tables_too`.
        """
        tables = tuple(table for table in given.tables if table.numbered)
        if len(tables) == len(given.tables) and not tables_too:
            return given
        needed = given.needed(given.relation.names)
        if not needed:
            needed = {given.tables[0].stored[0]}  # it says how many rows there are
        columns: dict[str, Held] = {}
        any_spilled = any(table.name in self._spilled for table in given.tables)
        read = None if any_spilled else self._read(tables, needed)
        if read is not None:
            columns |= read
        else:
            for stored in tables:
                columns |= self._copied(stored, needed, given.rows)
        for held in given.tables:
            if held.name in self._spilled:
                columns |= dict.fromkeys(held.stored, self._spilled[held.name])
            elif not held.numbered:
                columns |= {name: self._tables[held.name].column(name) for name in held.stored}
        self._joined, self._rows = columns, given.rows
        return replace(given, tables=(ColumnTable(_JOINED, tuple(columns), numbered=False),))

    def _in_file(self, rows: int, results: Iterable[pa.Table]) -> SpilledColumns:
        spilled = SpilledColumns(self._spill / f"columns-{next(self._numbers)}.arrow", rows)
        write_behind(gathered(results, self.limit // _GATHERED), spilled.append, self._threads)
        spilled.finish()
        return spilled

    def _copied(self, stored: ColumnTable, needed: set[str], rows: int) -> dict[str, SpilledColumns]:
        """The needed columns of a table of DuckDB's in a file, which a stream reads while DuckDB is at work."""
        names = [name for name in stored.stored if name in needed]
        if not names:
            return {}
        query = f"SELECT rowid AS {quoted(ROW)}, {', '.join(map(quoted, names))} FROM {quoted(stored.name)}"
        found = stream(self._connection, query)
        return dict.fromkeys(names, self._in_file(rows, tables_of(found.batches, found.schema)))

    def _read(self, tables: tuple[ColumnTable, ...], needed: set[str]) -> dict[str, pa.ChunkedArray] | None:
        """The needed columns of tables, or None where there is no room for them."""
        room = self.room
        columns: dict[str, pa.ChunkedArray] = {}
        for stored in tables:
            names = [name for name in stored.stored if name in needed]
            if not names:
                continue
            query = selected(*map(column, names)).from_(table(stored.name), copy=False).sql("duckdb")
            found = stream(self._connection, query)
            batches: list[pa.RecordBatch] = []
            for batch in found.batches:
                batches.append(batch)
                room -= batch.nbytes
                if room < 0:
                    return None
            whole = pa.Table.from_batches(batches, schema=found.schema)
            columns |= {name: whole.column(name) for name in names}
        return columns

    def show(self, first: int = 0, last: int | None = None, only: Collection[str] | None = None) -> None:
        """Let the connection see rows first .. last - 1 of what stands side by side; all from `first` on without it.

        With `only` these columns are enough: of a stream DuckDB asks for all that it has.
        """
        if self._joined is not None:
            chosen = [name for name in self._joined if only is None or name in only] or list(self._joined)
            self._show(self._connection, chosen, first, self._rows if last is None else last)

    def in_memory(self, given: Materialised) -> bool:
        """Whether everything that a relation needs stands side by side in memory."""
        held = self._side_by_side(given)
        return held is not None and all(isinstance(one, pa.ChunkedArray) for one in held.values())

    def streams(self, given: Materialised) -> bool:
        """Whether everything that a relation needs stands side by side, and some of it in files or in pieces."""
        held = self._side_by_side(given)
        return held is not None and not all(map(_is_one_piece, held.values()))

    @contextmanager
    def piece(self, given: Materialised, first: int, last: int) -> Iterator[None]:
        """While the block runs, rows first .. last - 1 alone stand side by side, in memory, where columns are spilled
        and those rows fit.

        Several threads of DuckDB may read them then, each some columns; a stream has one reader.
        """
        held = self._side_by_side(given)
        rows = None
        if held is not None and any(isinstance(one, SpilledColumns) for one in held.values()):
            rows = self._read_piece(held, first, last)
        if rows is None:
            yield
            return
        self._joined, self._first = dict(zip(rows.column_names, rows.columns, strict=True)), first
        self.lend(rows.nbytes)
        try:
            yield
        finally:
            self._joined, self._first = held, 0
            self.lend(-rows.nbytes)

    def _read_piece(self, held: dict[str, Held], first: int, last: int) -> pa.Table | None:
        """Rows in one piece, or None where they do not fit: they are there twice while they are put together."""
        room = self.room // 2
        if _nbytes(held) * (last - first) > room * self._rows:
            return None
        batches = []
        for batch in RowStream(held, first, last, self.failures).batches():
            batches.append(batch)
            room -= batch.nbytes
            if room < 0:
                return None
        rows = pa.Table.from_batches(batches).combine_chunks()
        return rows if all(map(_is_one_piece, rows.columns)) else None

    def _side_by_side(self, given: Materialised) -> dict[str, Held] | None:
        """What stands side by side, where that is everything that a relation needs."""
        return self._joined if [each.name for each in given.tables] == [_JOINED] else None

    def size_of(self, name: str, rows: int) -> int:
        """About how many bytes so many rows take of a column that stands side by side in memory."""
        held = (self._joined or {})[name]
        assert isinstance(held, pa.ChunkedArray)
        return int(held.nbytes) * rows // max(len(held), 1)

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes of what stands side by side, in memory and in files."""
        return _nbytes(self._joined or {}) // max(self._rows, 1)

    def show_beside(
        self, connection: duckdb.DuckDBPyConnection, names: Iterable[str], first: int, last: int
    ) -> ColumnTable:
        """Let another connection see rows first .. last - 1 of some columns that stand side by side, and no others."""
        chosen = sorted(names)
        self._show(connection, chosen, first, last)
        return ColumnTable(_JOINED, tuple(chosen), numbered=False)

    def _show(self, connection: duckdb.DuckDBPyConnection, names: Iterable[str], first: int, last: int) -> None:
        assert self._joined is not None
        columns = {name: self._joined[name] for name in names}
        whole = [held for held in columns.values() if _is_one_piece(held)]
        if len(whole) == len(columns):
            # DuckDB cuts it by vectors itself.
            rows: pa.Table | RowStream = pa.table(whole, names=list(columns)).slice(first - self._first, last - first)
        else:
            rows = RowStream(columns, first, last, self.failures)
        connection.register(_JOINED, rows)

    def drop(self) -> None:
        """Let go of the columns."""
        self._tables.clear()
        self._spilled.clear()
        self._joined = None


def _nbytes(held: Mapping[str, Held]) -> int:
    """Bytes of columns; those of a file are in it together."""
    files = {one for one in held.values() if isinstance(one, SpilledColumns)}
    arrays = [one for one in held.values() if isinstance(one, pa.ChunkedArray)]
    return sum(one.nbytes for one in (*files, *arrays))


def _is_one_piece(held: Held) -> bool:
    return isinstance(held, pa.ChunkedArray) and held.num_chunks <= 1
