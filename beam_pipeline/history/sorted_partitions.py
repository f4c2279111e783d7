"""Histories that several days of a run look back on: what a RollingAggregate needs of a partition is prepared once.

A piece holds the key, the time, and the columns that are aggregated or order tied rows, of all rows of a partition, by
time, as Arrow keeps them in memory. A day maps the pieces of its window into memory and picks the rows of its entities:
nothing is unpacked, joined or sorted by DuckDB. A piece lies in the run's directory, is named by the statement and the
content that it was made from, and never changes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from beam_pipeline.history.mapped_partitions import leave_mapped, still_mapped
from beam_pipeline.history.ordering import ascends
from beam_pipeline.history.projected_partitions import read_often, room_on_disk
from beam_pipeline.session.scanned import Scanned
from beam_pipeline.session.session import DaySession
from daeda.operators.temporal import RollingAggregate
from daeda.sources.identity import check_unchanged
from daeda.sql import unordered
from daeda.sql.handle import Deferred, column, table
from daeda.sql.scan import of_any_time, only_scan
from daeda.sql.statements import ENTITY, TIME
from daeda.storage.input_file import InputFile

Int64s = npt.NDArray[np.int64]

# Integer keys in a span of so many get their numbers from a table.
_MOST_SPAN = 1 << 22


@dataclass(frozen=True)
class Rows:
    """History rows of the day's entities, in any order: `places` are theirs in `columns`, None if they are all rows.

    `columns` has TIME, CREATED where there is one, and what is aggregated or orders tied rows. `entity` is the number
    of each row's entity. `nbytes` is what everything takes.
    """

    columns: Mapping[str, pa.ChunkedArray]
    places: Int64s | None
    entity: Int64s
    nbytes: int


def rows_of_pieces(
    session: DaySession, operator: RollingAggregate, right: Deferred, entities: str, room: int
) -> Rows | None:
    """The rows of the history by pieces; None where that is not for this history, or where it needs more than `room`.

    Raises DayError when a file changes while a piece is made of it.
    """
    source = _source(session, operator, right)
    if source is None:
        return None
    found = _Pieces(session, operator, right, source, room).tables()
    if not found:
        return None
    rows = pa.concat_tables(found)
    (key,) = operator.keys
    query = f"SELECT {column(key).sql('duckdb')} FROM {table(entities).sql('duckdb')} ORDER BY {ENTITY}"
    known = session.connection.execute(query).to_arrow_table().column(0).combine_chunks()
    if known.type != rows.schema.field(key).type:
        return None
    codes = _codes(rows.column(key), known)
    places = np.flatnonzero(codes >= 0)
    columns = {name: rows.column(name) for name in rows.column_names}
    return Rows(columns, places, codes[places].astype(np.int64), rows.nbytes)


def _source(session: DaySession, operator: RollingAggregate, right: Deferred) -> Scanned | None:
    """The Scan that the history is composed of, where it is one alone, and several days look back on its partitions."""
    if len(operator.keys) != 1:
        return None
    dtype = right.relation.column(operator.keys[0]).dtype
    found = next((one for name, one in session.scanned.items() if only_scan(right, name)), None)
    if found is None or not (dtype.is_integer or dtype.name == "string") or not found.files.partitioned:
        return None
    return found if read_often(found.scan, found.files, session.context.days) else None


@dataclass(frozen=True)
class _Piece:
    """The files of one partition, and where the piece of them lies once it is made."""

    files: Sequence[InputFile]
    path: Path


@dataclass(frozen=True)
class _Pieces:
    """The pieces of one history that a day needs."""

    session: DaySession
    operator: RollingAggregate
    right: Deferred
    source: Scanned
    room: int

    def tables(self) -> list[pa.Table] | None:
        """The pieces in the order of their partitions; None where they need more than the room there is."""
        directory = self.session.context.staging.narrowed
        statement = unordered.prepared_history(self.operator, of_any_time(self.right, self.source.scan, ()))
        needed = [_Piece(files, directory / _name(statement, files)) for files in self._partitions()]
        missing = [one for one in needed if not one.path.exists()]
        made: dict[Path, pa.Table] = {}
        held = sum(one.path.stat().st_size for one in needed if one not in missing)
        often = read_often(self.source.scan, self.source.files, self.session.context.days)
        left = room_on_disk(directory) if missing else 0
        threads = self.session.context.limits.threads
        with ThreadPoolExecutor(threads) as pool:
            for some in (missing[first : first + threads] for first in range(0, len(missing), threads)):
                if held > self.room:
                    return None
                self.session.check()
                kept = [left > 0 and one.files[0].path in often for one in some]
                for piece, keep, table in zip(some, kept, pool.map(self._make, some, kept), strict=True):
                    if table is None:
                        return None
                    made[piece.path] = table
                    held += table.nbytes
                    left -= table.nbytes if keep else 0
        if held > self.room:
            return None
        run_dir, name = self.session.context.run_dir, self.operator.name
        at_hand = {**still_mapped(run_dir, name), **made}
        tables = {one.path: at_hand[one.path] if one.path in at_hand else _mapped(one.path) for one in needed}
        leave_mapped(run_dir, name, {path: table for path, table in tables.items() if path not in made})
        return list(tables.values())

    def _partitions(self) -> list[list[InputFile]]:
        """The files that the day has found, by partition, in order; a partition without files is left out."""
        found = self.source.found
        partitions = self.source.files.partitions
        chosen = [[found[path] for path in partitions[day] if path in found] for day in sorted(partitions)]
        return [files for files in chosen if files]

    def _make(self, piece: _Piece, keep: bool) -> pa.Table | None:
        """Make a piece and `keep` it, unless another day is first; None where DuckDB or the disk refuses.

        What they refuse is for the day's own statement to say: it has more to say it with.
        """
        own = self.session.work / piece.path.name
        right = of_any_time(self.right, self.source.scan, [one.path for one in piece.files])
        try:
            with self.session.connection.cursor() as beside:
                made = _by_time(beside.execute(unordered.prepared_history(self.operator, right)).to_arrow_table())
            check_unchanged(piece.files)
            if keep:
                with pa.OSFile(str(own), "wb") as sink, ipc.new_file(sink, made.schema) as writer:
                    writer.write_table(made.combine_chunks())
                os.link(own, piece.path)
        except FileExistsError:
            return made
        except (duckdb.Error, OSError):
            self.session.check()
            return None
        finally:
            own.unlink(missing_ok=True)
        return made


def _by_time(rows: pa.Table) -> pa.Table:
    """The rows in the order of time, which they mostly are in already."""
    time = rows.column(TIME).to_numpy()
    return rows if ascends(time) else rows.take(pa.array(np.argsort(time, kind="stable")))


def _mapped(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as mapped:
        return ipc.open_file(mapped).read_all()


def _name(statement: str, files: Sequence[InputFile]) -> str:
    made_from = "\n".join([statement, *(f"{one.path}\n{one.version}" for one in files)])
    return hashlib.sha256(made_from.encode()).hexdigest() + ".arrow"


def _codes(keys: pa.ChunkedArray, entities: pa.Array) -> npt.NDArray[np.int32]:
    """The place of each key among the distinct `entities`, -1 where it is none of them."""
    if pa.types.is_integer(keys.type) and keys.type != pa.uint64() and len(entities):
        known = entities.to_numpy().astype(np.int64)
        low, high = int(known.min()) - 1, int(known.max()) + 1
        if high - low <= _MOST_SPAN and low >= -(2**63) and high < 2**63:
            numbers = np.full(high - low + 1, -1, dtype=np.int32)
            numbers[known - low] = np.arange(len(known), dtype=np.int32)
            held = np.clip(keys.to_numpy().astype(np.int64, copy=False), low, high)
            held -= low
            codes: npt.NDArray[np.int32] = numbers[held]
            return codes
    found = pc.index_in(keys, value_set=entities)
    return np.concatenate([np.zeros(0, dtype=np.int32), *(one.fill_null(-1).to_numpy() for one in found.chunks)])
