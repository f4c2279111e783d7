"""Parts of a day, written by DuckDB; the parts of an extended day have chunks of the published one in them.

DuckDB packs the columns of a group of rows one after another, with one thread for a group. Of a part with fewer groups
than threads the columns are cut into slices, which threads write beside each other:

    a b c d e  ->  a b | c d | e  --a COPY each-->  three files  --chunks side by side-->  one part

A chunk depends on nothing but its values and the cut into groups, so the bytes are those of one COPY.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from beam_pipeline.session.record import KeptColumns
from beam_pipeline.session.row_stream import VECTOR
from beam_pipeline.session.session import DaySession
from daeda.dataset.chunks import NotOfOneWriter, TakenColumn, write_one_behind_the_other, write_side_by_side
from daeda.dataset.manifest import ROW_GROUP
from daeda.errors import DayError
from daeda.operators.relation import Column, Relation
from daeda.sql import statements
from daeda.sql.handle import Materialised

_OPTIONS = f"COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}"
# A slice has at least so many bytes in Arrow: a statement and a file of its own take a few milliseconds.
_LEAST_SLICE = 1 << 20
# Slices of a thread: while one of them is read back by Python, others are written.
_SLICES_PER_THREAD = 4
# Of columns that are streamed from files so many groups are written by a statement, for each thread, and fewer where
# they have more than a part of DuckDB's memory: it holds what it reads ahead, and what it packs of that, beside it.
_GROUPS_PER_THREAD = 4
_STREAMED_SHARE = 0.25


@dataclass(frozen=True)
class PartRows:
    """The rows of a part: `first` .. `last` - 1 of the day. The last part is `open`: its statements name no end."""

    number: int
    first: int
    last: int
    open: bool

    def __len__(self) -> int:
        return self.last - self.first


def rows_of_parts(rows: int, per_part: int) -> list[PartRows]:
    """How a day is cut: at least one part, which may be empty."""
    bounds = [(number * per_part, min((number + 1) * per_part, rows)) for number in range(math.ceil(rows / per_part))]
    return [
        PartRows(number, first, last, open=last == rows) for number, (first, last) in enumerate(bounds or [(0, rows)])
    ]


def of_whole_vectors(cuts: Sequence[PartRows]) -> bool:
    """Whether DuckDB, which reads vectors of a table of its own, ends each group of each part behind ROW_GROUP rows."""
    return all(rows.first % VECTOR == 0 or len(rows) <= ROW_GROUP for rows in cuts)


@dataclass
class PartWriter:
    """Writes parts of `relation`: the columns of `computed`, and those that are `kept` of the published day.

    It `slices` until the footers of slices are not understood: those of the next part would not be either.
    """

    session: DaySession
    relation: Relation
    computed: Materialised
    kept: KeptColumns | None
    slices: bool = field(default=True, init=False)

    def write(self, path: Path, rows: PartRows) -> str | None:
        """Write a part; returns its digest where that is known. Raises DayError where rows are missing."""
        with self._piece(rows):
            return self._write(path, rows)

    def _piece(self, rows: PartRows) -> AbstractContextManager[None]:
        """The rows of a part in memory, where columns are spilled and slices may be written of them."""
        if not self._may_slice(rows):
            return nullcontext()
        return self.session.resources.arrow_columns.piece(self.computed, rows.first, rows.last)

    def _write(self, path: Path, rows: PartRows) -> str | None:
        slices = self._slices(rows)
        if self.kept is None:
            if len(slices) > 1:
                try:
                    return self._side_by_side(path, rows, slices)
                except NotOfOneWriter:
                    self.slices = False
                    path.unlink(missing_ok=True)
            return self._write_whole(path, rows)
        try:
            return self._side_by_side(path, rows, slices)
        except NotOfOneWriter as error:
            raise DayError(
                f"part {rows.number}: its columns cannot be kept ({error}): build it whole with --no-extend"
            ) from error

    def _may_slice(self, rows: PartRows) -> bool:
        """Whether columns may be written side by side: of more groups of rows DuckDB writes several itself."""
        return self.slices and 0 < len(rows) <= ROW_GROUP * (self.session.context.limits.threads - 1)

    def _slices(self, rows: PartRows) -> list[tuple[Column, ...]]:
        """The computed columns, cut where that pays: neighbours of about the same size together."""
        columns = self.computed.relation.columns
        held, threads = self.session.resources.arrow_columns, self.session.context.limits.threads
        if not columns:
            return []
        if not self._may_slice(rows) or not held.in_memory(self.computed):
            return [columns]
        sizes = [
            sum(held.size_of(name, len(rows)) for name in self.computed.needed([column.name])) for column in columns
        ]
        count = min(sum(sizes) // _LEAST_SLICE, threads * _SLICES_PER_THREAD)
        slices = _cut(columns, sizes, count) if count > 1 else [columns]
        # A column may be a constant; DuckDB reads rows of some column.
        reads_all = all(self.computed.needed([column.name for column in one]) for one in slices)
        return slices if reads_all else [columns]

    def _write_whole(self, path: Path, rows: PartRows) -> str | None:
        """Write a part, some groups at a time where it is streamed: DuckDB reads far ahead, and holds what it read."""
        held = self.session.resources.arrow_columns
        streams = self.slices and len(rows) > ROW_GROUP and held.streams(self.computed)
        step = self._rows_streamed() if streams else len(rows)
        if len(rows) <= step:
            self._copy(path, rows)
            return None
        work = self.session.resources.work
        firsts = range(rows.first, rows.last, step)
        paths = [work / f"{path.stem}-groups-{number}.parquet" for number in range(len(firsts))]
        try:
            for file, first in zip(paths, firsts, strict=True):
                self._copy(file, PartRows(rows.number, first, min(first + step, rows.last), open=False))
            return write_one_behind_the_other(path, paths)
        except NotOfOneWriter:
            self.slices = False
            path.unlink(missing_ok=True)
            self._copy(path, rows)
            return None
        finally:
            for file in paths:
                file.unlink(missing_ok=True)

    def _rows_streamed(self) -> int:
        """How many rows of streamed columns one statement writes: whole groups."""
        held, limits = self.session.resources.arrow_columns, self.session.context.limits
        fitting = int(limits.duckdb_bytes * _STREAMED_SHARE) // (held.row_bytes * ROW_GROUP + 1)
        return ROW_GROUP * max(1, min(_GROUPS_PER_THREAD * limits.threads, fitting))

    def _copy(self, path: Path, rows: PartRows) -> None:
        resources = self.session.resources
        resources.arrow_columns.show(rows.first, rows.last)
        query = statements.assembly(self.computed.relation, self.computed, rows.first, None if rows.open else rows.last)
        _check_rows(rows, resources.copy(query, path, _OPTIONS))

    def _write_slices(self, rows: PartRows, slices: Sequence[tuple[Column, ...]], paths: Sequence[Path]) -> None:
        """Write the slices to these paths, several at once."""
        if len(slices) == 1:
            self._write_whole(paths[0], rows)
        elif slices:
            with ThreadPoolExecutor(self.session.context.limits.threads) as pool:
                list(pool.map(lambda columns, path: self._write_slice(columns, path, rows), slices, paths))

    def _write_slice(self, columns: tuple[Column, ...], path: Path, rows: PartRows) -> None:
        resources, names = self.session.resources, [column.name for column in columns]
        with resources.beside() as beside:
            shown = resources.arrow_columns.show_beside(beside, self.computed.needed(names), rows.first, rows.last)
            given = replace(
                self.computed, relation=Relation(columns), tables=(shown,),
                expressions={name: self.computed.expressions[name] for name in names},
            )  # fmt: skip
            query = statements.assembly(given.relation, given, rows.first, None if rows.open else rows.last)
            _check_rows(rows, resources.copy(query, path, _OPTIONS, beside))

    def _side_by_side(self, path: Path, rows: PartRows, slices: Sequence[tuple[Column, ...]]) -> str:
        work, kept = self.session.resources.work, self.kept
        paths = [work / f"{path.stem}-{number}.parquet" for number in range(len(slices))]
        files = {column.name: file for columns, file in zip(slices, paths, strict=True) for column in columns}
        taken = [
            TakenColumn(name, files[name], name)
            if kept is None or name in files
            else TakenColumn(name, kept.parts[rows.number], kept.columns[name])
            for name in self.relation.names
        ]
        try:
            self._write_slices(rows, slices, paths)
            return write_side_by_side(path, taken)
        finally:
            for file in paths:
                file.unlink(missing_ok=True)


def _check_rows(rows: PartRows, written: int) -> None:
    if written != len(rows):
        raise DayError(f"part {rows.number} has {written} rows where {len(rows)} were to be written")


def _cut(columns: tuple[Column, ...], sizes: Sequence[int], count: int) -> list[tuple[Column, ...]]:
    """At most `count` runs of columns of about the same size; a column is in one of them.

    >>> from daeda.dtypes import DType
    >>> columns = tuple(Column(name, DType("int64")) for name in "abcd")
    >>> [len(run) for run in _cut(columns, [1, 1, 1, 3], 2)]
    [3, 1]
    """
    total, before = sum(sizes), 0
    runs: dict[int, list[Column]] = {}
    for column, size in zip(columns, sizes, strict=True):
        # By the middle of each column.
        runs.setdefault((2 * before + size) * count // (2 * total + 1), []).append(column)
        before += size
    return [tuple(run) for run in runs.values()]
