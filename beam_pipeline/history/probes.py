"""The probes of a day, read beside the history: as many at a time as a chunk of the history asks for.

They are as many as the day has rows, so they stay in DuckDB, which spills them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import pyarrow as pa

from beam_pipeline.session.probe_tables import ProbeTables
from beam_pipeline.windows.contract import Int64s, Probes
from daeda.sql import statements
from daeda.sql.handle import ROW
from daeda.sql.statements import ENTITY, TIME
from daeda.sql.streamed import stream

# Code of an entity behind all others, which nobody is: it stands for the rows with a NULL key.
NOBODY = 2**63 - 1


@dataclass(frozen=True)
class ProbeBatch:
    """Some rows of the day, as int64 numbers, and the probe of each: sorted by (entity, time).

    Where the probes have an order, the rows are in it, and not beside their probes.
    """

    rows: Int64s
    probes: Probes

    def __len__(self) -> int:
        return len(self.rows)

    def by_row(self, rows: int) -> ProbeBatch:
        """Itself, but with results in the order of rows where it has all `rows` rows of the day."""
        if len(self) < rows:
            return self
        order = np.empty(rows, dtype=np.int64)
        order[self.rows] = in_row_order = np.arange(rows, dtype=np.int64)
        return ProbeBatch(in_row_order, replace(self.probes, order=order))

    def between(self, first: int, last: int) -> ProbeBatch:
        """Its rows first .. last - 1."""
        probes = Probes(self.probes.entity[first:last], self.probes.time[first:last])
        return ProbeBatch(self.rows[first:last], probes)


class ProbeStream:
    """Every row of a day once, by entity; those with a NULL key are rows of NOBODY and come last."""

    def __init__(self, batches: Iterator[ProbeBatch], rows: int, limit: int) -> None:
        """`rows` are in all `batches`; a batch of the stream has about `limit`."""
        self._batches = batches
        self._rows = rows
        self._limit = limit

    def through(self, entity: int) -> Iterator[ProbeBatch]:
        """The rows of all entities up to this one that were not given yet, in batches of about `limit` rows.

        A batch holds whole entities, however many rows an entity has; NOBODY, who has no history, is cut anywhere. The
        last batch may be empty, and there always is one. One that is the whole day has its results by row.
        """
        pending: list[ProbeBatch] = []
        count, enough = 0, self._limit
        for batch in self._batches:
            end = int(np.searchsorted(batch.probes.entity, entity, side="right"))
            pending.append(batch.between(0, end))
            count += end
            if end < len(batch):
                self._batches = itertools.chain((batch.between(end, len(batch)),), self._batches)
                break
            if count >= enough:
                whole = _joined(pending)
                newest = whole.probes.entity[-1]
                cut = count if newest == NOBODY else int(np.searchsorted(whole.probes.entity, newest, side="left"))
                if cut:
                    yield whole.between(0, cut)
                pending, count = [whole.between(cut, count)], count - cut
                # An entity that does not end is not joined anew for each batch.
                enough = max(self._limit, 2 * count)
        yield _joined(pending).by_row(self._rows)


@contextmanager
def probe_stream(
    cursor: AbstractContextManager[duckdb.DuckDBPyConnection],
    tables: ProbeTables,
    rows: int,
    batch_rows: int,
    limit: int,
) -> Iterator[ProbeStream]:
    """The probes of a day of `rows` rows, through a cursor of their own: the day's own streams the history."""
    with cursor as beside:
        yield ProbeStream(_read(beside, tables, rows, batch_rows), rows, limit)


def _read(beside: duckdb.DuckDBPyConnection, tables: ProbeTables, rows: int, batch_rows: int) -> Iterator[ProbeBatch]:
    for batch in stream(beside, f"FROM {tables.probes}", batch_rows).batches:
        yield ProbeBatch(_int64s(batch, ROW), Probes(_int64s(batch, ENTITY), _int64s(batch, TIME)))
    if tables.rows < rows:
        for batch in stream(beside, statements.without_probe(tables.probes, rows), batch_rows).batches:
            nobody = np.full(batch.num_rows, NOBODY, dtype=np.int64)
            yield ProbeBatch(_int64s(batch, ROW), Probes(nobody, np.zeros_like(nobody)))


def _int64s(batch: pa.RecordBatch, name: str) -> Int64s:
    return np.ascontiguousarray(batch.column(name).to_numpy(zero_copy_only=False), dtype=np.int64)


def _joined(batches: list[ProbeBatch]) -> ProbeBatch:
    if len(batches) == 1:
        return batches[0]
    none = np.zeros(0, dtype=np.int64)
    return ProbeBatch(
        np.concatenate([none, *(batch.rows for batch in batches)]),
        Probes(
            np.concatenate([none, *(batch.probes.entity for batch in batches)]),
            np.concatenate([none, *(batch.probes.time for batch in batches)]),
        ),
    )
