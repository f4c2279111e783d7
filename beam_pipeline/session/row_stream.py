"""Rows of a part as a stream of Arrow whose bytes in Parquet do not depend on how the columns are kept and cut.

DuckDB takes rows by vectors of 2,048, begins a new one with each batch that it is given, and ends a group of rows of a
Parquet file behind a vector. So each batch begins a multiple of 2,048 behind the first row of the part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa

from beam_pipeline.session.spilled_columns import RowReader, SpilledColumns
from daeda.dataset.manifest import ROW_GROUP

VECTOR = 2_048
# Rows of a batch: a group of rows of a part, and fewer where they are wide.
_MOST_ROWS = ROW_GROUP
_BATCH_BYTES = 64 << 20

Held: TypeAlias = pa.ChunkedArray | SpilledColumns


@dataclass(frozen=True)
class RowStream:
    """Columns of a day side by side, in memory or spilled, which DuckDB reads as often as it likes.

    `columns` says for each column where it is; the rows are first .. last - 1. An error that comes up while the stream
    is read is kept in `failures`, because DuckDB tells its text alone.
    """

    columns: Mapping[str, Held]
    first: int
    last: int
    failures: list[Exception]

    @property
    def schema(self) -> pa.Schema:
        """The columns, in their order."""
        return pa.schema([
            (name, held.schema.field(name).type if isinstance(held, SpilledColumns) else held.type)
            for name, held in self.columns.items()
        ])  # fmt: skip

    def __arrow_c_schema__(self) -> Any:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        reader = pa.RecordBatchReader.from_batches(self.schema, self._told())
        return reader.__arrow_c_stream__(requested_schema)

    def _told(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self.batches()
        except Exception as error:
            self.failures.append(error)
            raise

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        schema, spilled = self.schema, self._spilled()
        readers = [held.reader(names) for held, names in spilled.items()]
        step = self._step(spilled)
        for first in range(self.first, self.last, step):
            last = min(first + step, self.last)
            columns = {
                name: held.slice(first, last - first)
                for name, held in self.columns.items()
                if not isinstance(held, SpilledColumns)
            }
            for reader in readers:
                read = _read(reader, first, last)
                columns |= {name: read.column(name) for name in read.column_names}
            rows = pa.table([columns[name] for name in schema.names], schema=schema)
            yield from rows.combine_chunks().to_batches()

    def _spilled(self) -> dict[SpilledColumns, list[str]]:
        """The columns that are read from each file."""
        spilled: dict[SpilledColumns, list[str]] = {}
        for name, held in self.columns.items():
            if isinstance(held, SpilledColumns):
                spilled.setdefault(held, []).append(name)
        return spilled

    def _step(self, spilled: Mapping[SpilledColumns, object]) -> int:
        in_memory = [held for held in self.columns.values() if isinstance(held, pa.ChunkedArray) and len(held)]
        row_bytes: int = sum(held.nbytes // len(held) + 1 for held in in_memory)
        rows: int = min(
            [_MOST_ROWS, _BATCH_BYTES // (row_bytes + 1), *(held.block_rows for held in spilled if held.rows)]
        )
        return max(rows // VECTOR, 1) * VECTOR


def _read(reader: RowReader, first: int, last: int) -> pa.Table:
    """Rows first .. last - 1, of as many blocks as they lie in."""
    blocks = []
    while first < last:
        blocks.append(reader.read(first, last))
        first += len(blocks[-1])
    return pa.concat_tables(blocks)
