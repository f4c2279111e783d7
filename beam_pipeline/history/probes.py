"""The moments that look back, read beside the history: as many at a time as a chunk of the history asks for.

They are as many as the day has rows, so they stay in DuckDB, which spills them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_pipeline.session.probe_tables import ProbeTables
from beam_pipeline.windows.contract import Probes
from daeda.sql import statements
from daeda.sql.handle import ROW
from daeda.sql.statements import ENTITY, TIME

Int64s = npt.NDArray[np.int64]

# Code of an entity behind all others, which nobody is: it stands for the rows with a NULL key.
NOBODY = 2**63 - 1


@dataclass(frozen=True)
class Piece:
    """Some rows of the day, as int64 numbers, and the moment of each: sorted by (entity, time)."""

    rows: Int64s
    probes: Probes

    def __len__(self) -> int:
        return len(self.rows)

    def between(self, first: int, last: int) -> Piece:
        """Its rows first .. last - 1."""
        probes = Probes(self.probes.entity[first:last], self.probes.time[first:last])
        return Piece(self.rows[first:last], probes)


class ProbeStream:
    """Every row of a day once, by entity; those with a NULL key are rows of NOBODY and come last."""

    def __init__(self, pieces: Iterator[Piece], limit: int) -> None:
        self._pieces = pieces
        self._limit = limit

    def through(self, entity: int) -> Iterator[Piece]:
        """The rows of all entities up to this one that were not given yet, in pieces of about `limit` rows.

        A piece holds whole entities, however many rows one has; NOBODY, who has no history, is cut anywhere. The last
        piece may be empty, and there always is one.
        """
        held: list[Piece] = []
        count, enough = 0, self._limit
        for piece in self._pieces:
            end = int(np.searchsorted(piece.probes.entity, entity, side="right"))
            held.append(piece.between(0, end))
            count += end
            if end < len(piece):
                self._pieces = itertools.chain((piece.between(end, len(piece)),), self._pieces)
                break
            if count >= enough:
                whole = _joined(held)
                newest = whole.probes.entity[-1]
                cut = count if newest == NOBODY else int(np.searchsorted(whole.probes.entity, newest, side="left"))
                if cut:
                    yield whole.between(0, cut)
                held, count = [whole.between(cut, count)], count - cut
                # An entity that does not end is not joined anew for each batch.
                enough = max(self._limit, 2 * count)
        yield _joined(held)


@contextmanager
def probing(
    connection: duckdb.DuckDBPyConnection, moments: ProbeTables, rows: int, batch_rows: int, limit: int
) -> Iterator[ProbeStream]:
    """The moments of a day of `rows` rows, through a connection of their own: the day's own streams the history."""
    with connection.cursor() as beside:
        yield ProbeStream(_read(beside, moments, rows, batch_rows), limit)


def _read(beside: duckdb.DuckDBPyConnection, moments: ProbeTables, rows: int, batch_rows: int) -> Iterator[Piece]:
    for batch in beside.table(moments.probes).to_arrow_reader(batch_rows):
        yield Piece(_int64s(batch, ROW), Probes(_int64s(batch, ENTITY), _int64s(batch, TIME)))
    if moments.rows < rows:
        for batch in beside.execute(statements.without_probe(moments.probes, rows)).to_arrow_reader(batch_rows):
            nobody = np.full(batch.num_rows, NOBODY, dtype=np.int64)
            yield Piece(_int64s(batch, ROW), Probes(nobody, np.zeros_like(nobody)))


def _int64s(batch: pa.RecordBatch, name: str) -> Int64s:
    return np.ascontiguousarray(batch.column(name).to_numpy(zero_copy_only=False), dtype=np.int64)


def _joined(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    none = np.zeros(0, dtype=np.int64)
    return Piece(
        np.concatenate([none, *(one.rows for one in pieces)]),
        Probes(
            np.concatenate([none, *(one.probes.entity for one in pieces)]),
            np.concatenate([none, *(one.probes.time for one in pieces)]),
        ),
    )
