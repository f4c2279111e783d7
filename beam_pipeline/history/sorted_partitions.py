"""Sorted partitions: what windows need of each partition, prepared once for all days that look at it.

A sorted partition holds the key, the time, and the columns that are aggregated or order tied rows, of all rows of a
partition, by time, as Arrow keeps them in memory. A day maps those of its window into memory and picks the rows of its
entities: nothing is unpacked, joined or sorted by DuckDB.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from beam_pipeline.history.ordering import ascends
from beam_pipeline.history.partition_cache import Entry, PartitionCache, often_read
from beam_pipeline.session.inputs import ScannedFiles
from beam_pipeline.session.session import DaySession
from beam_pipeline.windows.contract import Int64s
from daeda.operators.temporal import WindowOperator
from daeda.sources.identity import check_unchanged
from daeda.sql import unordered
from daeda.sql.handle import Deferred
from daeda.sql.scan import FILE, only_scan, told_by_file
from daeda.sql.statements import TIME
from daeda.storage.state import InputFile

# Integer keys in a span of so many get their numbers from a table.
_MOST_SPAN = 1 << 22
# Partitions are read by statements, each of so many times more than the one before.
_TIMES_MORE = 4


@dataclass(frozen=True)
class Rows:
    """History rows of the day's entities, in any order: their `indices` in `columns`, None if they are all rows.

    `columns` has TIME, CREATED and USABLE where there are any, and what is aggregated or orders tied rows. `entity` is
    the number of each row's entity. `nbytes` is what everything takes.
    """

    columns: Mapping[str, pa.ChunkedArray]
    indices: Int64s | None
    entity: Int64s
    nbytes: int


def rows_of_partitions(
    session: DaySession,
    operator: WindowOperator,
    right: Deferred,
    entities: str,
    room: int,
    all_scanned: Sequence[ScannedFiles],
) -> Rows | None:
    """The rows of the history by sorted partitions; None where there are none for it, or they need more than `room`.

    `all_scanned` is what the Scans of the day read. Raises DayError when a file changes while its partition is made.
    """
    scanned = scanned_alone(session, operator, right, all_scanned)
    if scanned is None:
        return None
    tables = SortedPartitions(session, operator, right, scanned, PartitionCache(session), room).tables()
    if not tables:
        return None
    rows = pa.concat_tables(tables)
    known = known_entities(session, operator, entities, [rows.schema.field(key).type for key in operator.keys])
    if known is None:
        return None
    codes = numbers_of([rows.column(key) for key in operator.keys], known)
    indices = np.flatnonzero(codes >= 0)
    columns = {name: rows.column(name) for name in rows.column_names}
    return Rows(columns, indices, codes[indices].astype(np.int64), rows.nbytes)


def known_entities(
    session: DaySession, operator: WindowOperator, entities: str, types: Sequence[pa.DataType]
) -> list[pa.Array] | None:
    """The keys of the day's entities, in the order of their numbers; None where they have other `types`."""
    known = session.probe_tables.keys_of(entities, operator.keys, session.resources.connection)
    if any(given != wanted for given, wanted in zip(known.schema.types, types, strict=True)):
        return None
    return [_whole(keys) for keys in known.columns]


def scanned_alone(
    session: DaySession, operator: WindowOperator, right: Deferred, all_scanned: Sequence[ScannedFiles]
) -> ScannedFiles | None:
    """What the Scan reads that the history is composed of, where it is one alone and several days look back on it.

    And where each of its rows is chosen by itself, so that those of a partition are the same for all days.
    """
    dtypes = [right.relation.column(key).dtype for key in operator.keys]
    scanned = next((scanned for scanned in all_scanned if only_scan(right, scanned.scan.name)), None)
    if scanned is None or not scanned.view_files.partitioned or told_by_file(right, scanned.scan, ()) is None:
        return None
    if not all(dtype.is_integer or dtype.name == "string" for dtype in dtypes):
        return None
    return scanned if often_read(scanned.scan, scanned.view_files, session.context.days) else None


@dataclass(frozen=True)
class SortedPartitions:
    """The sorted partitions of one history that a day needs; all of them take at most `room` bytes."""

    session: DaySession
    operator: WindowOperator
    right: Deferred
    scanned: ScannedFiles
    cache: PartitionCache
    room: int

    def tables(self, days: Sequence[dt.date] | None = None) -> list[pa.Table] | None:
        """The tables of these partitions, or of all, in order; None where they need more than the room there is."""
        chosen = self.files if days is None else {day: self.files[day] for day in days}
        entries = [self._entry(files) for files in chosen.values()]
        missing = [entry for entry in entries if not entry.exists]
        nbytes = sum(entry.path.stat().st_size for entry in entries if entry not in missing)
        made = self._made(missing, self.room - nbytes)
        if made is None:
            return None
        return self.cache.tables(self.operator.name, [entry.path for entry in entries], made)

    def size_of(self, days: Sequence[dt.date]) -> int:
        """Bytes of these partitions: of those that some day has made, and of the files of the others."""
        nbytes = 0
        for files in (self.files[day] for day in days):
            entry = self._entry(files)
            nbytes += entry.path.stat().st_size if entry.exists else _size(files)
        return nbytes

    def _entry(self, files: Sequence[InputFile]) -> Entry:
        return self.cache.entry(self.statement, files, ".arrow")

    def _made(self, missing: Sequence[Entry], memory: int) -> dict[Path, pa.Table] | None:
        """The tables of these entries, many from one statement; None where they need more than the memory.

        As few are read at once as the threads of the day at first. What they take says how many may follow.
        """
        often = often_read(self.scanned.scan, self.scanned.view_files, self.session.context.days)
        disk = self.cache.room() if missing else 0
        batch = self.session.context.limits.threads
        unpacked = 0.0
        made: dict[Path, pa.Table] = {}
        while memory >= 0 and len(made) < len(missing):
            self.session.resources.check()
            entries = _fitting(missing[len(made) :][:batch], unpacked, memory)
            tables = self._read(entries)
            if tables is None:
                return None
            for entry, table in zip(entries, tables, strict=True):
                made[entry.path] = table
                memory -= table.nbytes
                if disk > 0 and entry.files[0].path in often:
                    disk -= table.nbytes
                    if self.cache.make(entry.of_nothing_else(), partial(_written, table)) is None:
                        return None
            taken = sum(table.nbytes for table in tables)
            unpacked = max(unpacked, taken / max(sum(_size(entry.files) for entry in entries), 1))
            batch *= _TIMES_MORE
        return None if memory < 0 else made

    @cached_property
    def statement(self) -> str:
        """What is read of each partition."""
        return self._query(())

    @cached_property
    def files(self) -> Mapping[dt.date, Sequence[InputFile]]:
        """The files that the day needs, by partition, in order; a partition without files is left out."""
        needed, partitions = self.scanned.needed, self.scanned.view_files.partitions
        chosen = {day: [needed[path] for path in partitions[day] if path in needed] for day in sorted(partitions)}
        return {day: files for day, files in chosen.items() if files}

    def _query(self, paths: Sequence[str]) -> str:
        right = told_by_file(self.right, self.scanned.scan, paths)
        assert right is not None, "scanned_alone has looked"
        return unordered.prepared_history(self.operator, right)

    def _read(self, entries: Sequence[Entry]) -> list[pa.Table] | None:
        """The rows of each entry, by time; None where DuckDB refuses: the main query raises, and says why.

        Raises DayError when a file has changed meanwhile.
        """
        files = [file for entry in entries for file in entry.files]
        query = self._query([file.path for file in files])
        try:
            with self.session.resources.beside() as beside:
                rows = beside.execute(query).to_arrow_table()
            check_unchanged(files)
        except (duckdb.Error, OSError):
            self.session.resources.check()
            return None
        rows = _in_order(rows, FILE)
        ends = np.searchsorted(rows.column(FILE).to_numpy(), np.cumsum([len(entry.files) for entry in entries]))
        rows = rows.drop_columns(FILE)
        return [
            _in_order(rows.slice(begin, end - begin), TIME) for begin, end in itertools.pairwise([0, *ends.tolist()])
        ]


def _fitting(entries: Sequence[Entry], unpacked: float, memory: int) -> list[Entry]:
    """The first of them, and those behind it that fit into memory where a byte of a file becomes so many."""
    sizes = itertools.accumulate(_size(entry.files) for entry in entries)
    return [
        entry
        for index, (entry, size) in enumerate(zip(entries, sizes, strict=True))
        if not index or size * unpacked <= memory
    ]


def _size(files: Sequence[InputFile]) -> int:
    return sum(file.size for file in files)


def _written(rows: pa.Table, path: Path) -> pa.Table:
    with pa.OSFile(str(path), "wb") as sink, ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return rows


def _in_order(rows: pa.Table, name: str) -> pa.Table:
    """The rows in the order of a column of numbers, which they mostly are in already."""
    numbers = rows.column(name).to_numpy()
    return rows if ascends(numbers) else rows.take(pa.array(np.argsort(numbers, kind="stable")))


def _whole(keys: pa.ChunkedArray) -> pa.Array:
    return keys.chunk(0) if keys.num_chunks else pa.array([], keys.type)


def numbers_of(keys: Sequence[pa.ChunkedArray], entities: Sequence[pa.Array]) -> npt.NDArray[np.int32]:
    """The number of each row's entity, -1 where it is none; an entity is what stands at one index of `entities`.

    Key after key: the number of the keys so far and that of the next one are a pair, which gets one number again.

    >>> keys = [pa.chunked_array([[1, 1, 2, 2]]), pa.chunked_array([["a", "b", "a", "b"]])]
    >>> numbers_of(keys, [pa.array([2, 1]), pa.array(["b", "a"])]).tolist()
    [1, -1, -1, 0]
    """
    if len(keys) == 1:
        return _codes(keys[0], entities[0])
    numbers = np.zeros(len(keys[0]), dtype=np.int64)
    known = np.zeros(len(entities[0]), dtype=np.int64)
    for key, of_entities in zip(keys, entities, strict=True):
        distinct = pc.unique(of_entities)
        codes = _codes(key, distinct).astype(np.int64)
        known_pairs = known * len(distinct) + _codes(pa.chunked_array([of_entities]), distinct)
        pairs = np.where((numbers >= 0) & (codes >= 0), numbers * len(distinct) + codes, -1)
        ascending, known = np.unique(known_pairs, return_inverse=True)
        numbers = _index_in(ascending, pairs, len(distinct) * (int(numbers.max(initial=0)) + 1))
    entity_of_pair = np.empty(len(known), dtype=np.int32)
    entity_of_pair[known] = np.arange(len(known), dtype=np.int32)
    return np.where(numbers >= 0, entity_of_pair[numbers], -1).astype(np.int32) if len(known) else _none(numbers)


def _index_in(ascending: Int64s, values: Int64s, most: int) -> Int64s:
    """The index of each value, which is below `most`, among the ascending ones, -1 where it is none of them."""
    if not len(ascending):
        return _none(values).astype(np.int64)
    if max(most, int(ascending[-1]) + 1) <= _MOST_SPAN:
        index_of = np.full(max(most, int(ascending[-1]) + 1) + 1, -1, dtype=np.int64)
        index_of[ascending] = np.arange(len(ascending))
        return index_of[values]  # the last one is that of -1
    places = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.where(ascending[places] == values, places, -1)


def _none(rows: Int64s) -> npt.NDArray[np.int32]:
    return np.full(len(rows), -1, dtype=np.int32)


def _codes(keys: pa.ChunkedArray, entities: pa.Array) -> npt.NDArray[np.int32]:
    """The index of each key among the distinct `entities`, -1 where it is none of them."""
    if pa.types.is_integer(keys.type) and keys.type != pa.uint64() and len(entities):
        known = entities.to_numpy().astype(np.int64)
        low, high = int(known.min()) - 1, int(known.max()) + 1
        if high - low <= _MOST_SPAN and low >= -(2**63) and high < 2**63:
            codes_by_key = np.full(high - low + 1, -1, dtype=np.int32)
            codes_by_key[known - low] = np.arange(len(known), dtype=np.int32)
            offsets = np.clip(keys.to_numpy().astype(np.int64, copy=False), low, high)
            offsets -= low
            codes: npt.NDArray[np.int32] = codes_by_key[offsets]
            return codes
    indices = pc.index_in(keys, value_set=entities)
    return np.concatenate([np.zeros(0, dtype=np.int32), *(chunk.fill_null(-1).to_numpy() for chunk in indices.chunks)])
