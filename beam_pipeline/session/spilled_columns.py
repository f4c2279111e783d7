"""Columns of the day that have no room in memory: in a file by blocks of rows, each put in order when it is read."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from beam_pipeline.session.block_file import BlockFile, BlockReader
from daeda.dataset.manifest import ROW_GROUP
from daeda.errors import DayError
from daeda.sql.handle import ROW

# Rows of a block: as many as a batch of a stream has that is read from it, fewer where they are wide.
_MOST_ROWS, _LEAST_ROWS = ROW_GROUP, 2_048
_BLOCK_BYTES = 32 << 20


class SpilledColumns:
    """The columns of `rows` rows: first filled with `append`, then closed by `finish`, then read."""

    def __init__(self, path: Path, rows: int) -> None:
        self.rows = rows
        # Rows of each block but the last one, 0 until rows have come.
        self.block_rows = 0
        self._file = BlockFile(path)
        self._reader: RowReader | None = None

    def append(self, rows: pa.Table) -> None:
        """Write some rows: their numbers as column ROW, and their columns. Raises OSError with the path of the file."""
        number = rows.column(ROW).to_numpy()
        if len(number) and not self.block_rows:
            row_bytes = rows.nbytes // len(number) + 1
            self.block_rows = max(_LEAST_ROWS, min(_MOST_ROWS, _BLOCK_BYTES // row_bytes))
        self._file.append(number // max(self.block_rows, 1), rows)

    def finish(self) -> None:
        """Close the file: `reader` reads it from then on. Raises DayError where no row has come, and some should."""
        self._file.finish()
        if self.rows and not self.block_rows:
            raise DayError(f"of {self.rows} rows none were computed")

    @property
    def nbytes(self) -> int:
        """Bytes of the rows in memory."""
        return sum(self._file.nbytes.values())

    @property
    def schema(self) -> pa.Schema:
        """The columns, without the number of the row."""
        assert self._file.schema is not None
        return self._file.schema.remove(self._file.schema.get_field_index(ROW))

    def reader(self, names: Sequence[str]) -> RowReader:
        """Reads these columns. Who asks for the same ones next goes on in the block that was read last.

        So a block is read once for all the parts that have rows of it.
        """
        if self._reader is None or self._reader.names != tuple(names):
            self._reader = RowReader(self._file.reader([ROW, *names]), tuple(names), self.block_rows, self.rows)
        return self._reader


class RowReader:
    """Reads spilled columns, a range of rows at a time; of these one block is in memory."""

    def __init__(self, blocks: BlockReader, names: tuple[str, ...], block_rows: int, rows: int) -> None:
        self.names = names
        self._blocks, self._block_rows, self._rows = blocks, block_rows, rows
        self._number, self._block = -1, pa.table({})
        # DuckDB reads in threads of its own.
        self._reading = threading.Lock()

    def read(self, first: int, last: int) -> pa.Table:
        """Rows from `first` on, up to `last` - 1 or the end of a block.

        Raises DayError where the file has not each row of the block once.
        """
        number = first // self._block_rows
        begin = number * self._block_rows
        with self._reading:
            if number != self._number:
                self._forget()  # freed before the next one is read
                self._block, self._number = self._in_order(number, begin), number
            read = self._block.slice(first - begin, last - first)
            if last >= self._rows:
                self._forget()
            return read

    def _forget(self) -> None:
        self._number, self._block = -1, pa.table({})

    def _in_order(self, number: int, begin: int) -> pa.Table:
        count = min(self._block_rows, self._rows - begin)
        found = self._blocks.read([number]).combine_chunks()
        row = found.column(ROW).to_numpy() - begin
        positions = np.full(count, -1, dtype=np.int64)
        if len(row) == count:
            positions[row] = np.arange(count, dtype=np.int64)
        if bool((positions < 0).any()):
            raise DayError(f"of rows {begin} to {begin + count - 1} some were computed twice, or not at all")
        columns = found.remove_column(found.schema.get_field_index(ROW))
        return columns if bool((np.diff(row) > 0).all()) else columns.take(pa.array(positions))
