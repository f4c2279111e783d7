"""Raw rows: the Parquet files of a view, found and read with pyarrow alone, on a disk and on object storage.

Columns are parsed once per audit and kept while there is room. What is kept is Arrow's, not Python's: a number has
eight bytes there. Files are looked at again before another of their columns is read, so that a column of one state of
a file never stands beside a column of another one.
"""

from __future__ import annotations

import datetime as dt
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.dtypes import TimeUnit, describe_arrow
from daeda.durations import Duration
from daeda.errors import InputError, first_line
from daeda.sources.models.source import DatabaseSource
from daeda_audit.instants import PER_DAY, day_of
from daeda_audit.raw.listing import Files, read_listing
from daeda_audit.raw.local_copies import Export, LocalCopies, RawFile, shown
from daeda_audit.values import nanoseconds, order_key

Row = dict[str, Any]
Key = tuple[Any, ...]
# Of all views together; one column that is larger is read and not kept.
MOST_BYTES = 512 << 20

Read = Callable[[RawFile, list[str]], pa.Table]
_ColumnOfFile = tuple[str, RawFile, str]


class ColumnCache:
    """Columns by view, file and name; what was not asked for longest makes room."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._columns: dict[_ColumnOfFile, pa.ChunkedArray] = {}
        self._bytes = 0
        self._states: dict[RawFile, tuple[str, tuple[int, ...]]] = {}

    def columns(self, view: str, file: RawFile, names: Sequence[str], read: Read) -> list[pa.ChunkedArray]:
        """Columns of a file by their names in it; `read` parses those that are not kept.

        Raises InputError where the file is not the one that was read from before.
        """
        columns = {
            name: column for name in names if (column := self._columns.pop((view, file, name), None)) is not None
        }
        missing = [name for name in dict.fromkeys(names) if name not in columns]
        if missing:
            before = self._checked(view, file)
            table = read(file, missing)
            if self._checked(view, file) != before:
                raise _changed(view, file)
            columns |= {name: table.column(name) for name in missing}
            self._bytes += sum(columns[name].nbytes for name in missing)
        # Behind all others: a dict keeps the order in which it was filled.
        self._columns |= {(view, file, name): column for name, column in columns.items()}
        while self._bytes > self._most_bytes and self._columns:
            self._bytes -= self._columns.pop(next(iter(self._columns))).nbytes
        return [columns[name] for name in names]

    def _checked(self, view: str, file: RawFile) -> tuple[int, ...]:
        """What tells one state of a file from another. An object is asked for at the version that was listed."""
        if not isinstance(file, Path):
            return ()
        try:
            stat = file.stat()
        except OSError as error:
            raise InputError(
                f"view '{view}': {shown(file)} cannot be read ({error.strerror}): was it removed while it was audited?"
            ) from error
        state = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if self._states.setdefault(file, (view, state))[1] != state:
            raise _changed(view, file)
        return state

    def check_at_rest(self) -> None:
        """Raise InputError where a file that was read is not there any more, or is another one."""
        for file, (view, _) in self._states.items():
            self._checked(view, file)


def _changed(view: str, file: RawFile) -> InputError:
    return InputError(f"view '{view}': {shown(file)} changed while it was audited: audit again when it is at rest")


@dataclass(frozen=True)
class RawView:
    """The rows of a view as they lie in its files, under their canonical names.

    `path` is a local path or an address of object storage, of whose objects `local_copies` makes files; it lies below
    `root`, which is never a pattern. `reference` is what the view reads, for messages.
    """

    view: FeatureView
    root: str
    path: str
    reference: str
    local_copies: LocalCopies
    cache: ColumnCache = field(default_factory=ColumnCache)

    @cached_property
    def _files(self) -> Files:
        if isinstance(self.view.source, DatabaseSource):
            return Files({}, (Path(self.path),))
        return read_listing(self.view.name, self.root, self.view.source.path)

    @cached_property
    def partitions(self) -> dict[dt.date, tuple[RawFile, ...]]:
        """Files by day; empty where the source is not partitioned."""
        return {self._day_of(name): files for name, files in self._files.by_day.items()}

    def _day_of(self, directory: str) -> dt.date:
        text = directory.removeprefix("dt=")
        day: dt.date | None = None
        with suppress(ValueError):
            day = dt.date.fromisoformat(text)
        if day is None or str(day) != text:
            raise InputError(
                f"view '{self.view.name}': {self.path}/{directory} is not a day: a partition is named dt=YYYY-MM-DD, "
                "so rename or remove it"
            )
        return day

    @cached_property
    def flat(self) -> tuple[RawFile, ...]:
        """Files of a source that is not partitioned."""
        return self._files.flat

    def files(self, day: dt.date | None = None, back: Duration | None = None) -> tuple[RawFile, ...]:
        """Every file that can hold a row from `back` before the day to its end; None asks for all of them."""
        if day is None:
            return self._files_of(None)
        begin = day_of(day).number * PER_DAY
        return self.files_for((begin, begin + PER_DAY - 1), back)

    def files_for(self, instants: Iterable[int], back: Duration | None = None) -> tuple[RawFile, ...]:
        """Every file that can hold a row from `back` before one of these instants up to that instant.

        Each instant asks for itself: of a history of a month whose rows look an hour back, the month is needed.
        """
        slack = self.view.source.partition_slack
        earliest: dict[int, int] = {}
        for instant in instants:
            earliest[instant // PER_DAY] = min(instant, earliest.get(instant // PER_DAY, instant))
        length = None if back is None else back.nanoseconds
        spans = []
        for day, instant in earliest.items():
            first = None if length is None else (instant - length) // PER_DAY - slack
            spans.append((first, day + slack))
        return self._files_of(spans)

    def _files_of(self, spans: Sequence[tuple[int | None, int]] | None) -> tuple[RawFile, ...]:
        """The files of the partitions whose day lies in one of the spans; all of them without spans."""
        if not self.partitions:
            if not self.flat:
                raise InputError(f"view '{self.view.name}': {self.reference} holds no Parquet file: correct its path")
            return self.flat
        return tuple(
            path
            for day in sorted(self.partitions)
            if spans is None or _within(day_of(day).number, spans)
            for path in self.partitions[day]
        )

    def columns(self, file: RawFile, names: Sequence[str]) -> list[pa.ChunkedArray]:
        """Fields of the view in a file, each parsed once; raises InputError where a type is not the declared one."""
        sources = [self.view.source_name(name) for name in names]
        columns = self.cache.columns(self.view.name, file, sources, self.table)
        for name, source, column in zip(names, sources, columns, strict=True):
            stored, declared = describe_arrow(column.type), self.view.dtype(name)
            if stored != declared.name:
                raise InputError(
                    f"view '{self.view.name}': in {shown(file)} the column '{source}' is {stored}, and the view "
                    f"declares {declared}: correct the view or the file, and build the days again"
                )
        return columns

    def length(self, file: RawFile) -> int:
        """Rows of a file."""
        return len(self.columns(file, [self.view.fields[0].name])[0])

    def table(self, file: RawFile, columns: list[str] | None = None) -> pa.Table:
        """Columns of a file under the names that they have there; all of them without `columns`."""
        where = f"view '{self.view.name}': {shown(file)}"
        try:
            local = self.local_copies.local(file)
            with pq.ParquetFile(local) as opened:
                for name in columns or ():
                    _check_once(where, name, opened.schema_arrow.names)
                table = opened.read(columns=columns)
            # A dot in a name would choose what is in a struct as well.
            table = table if columns is None else table.select(columns)
            return self._with_microseconds(table, local)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{where} cannot be read ({first_line(error)}): write it again") from error

    def _with_microseconds(self, table: pa.Table, local: Path) -> pa.Table:
        """Spark's INT96 times as they are declared: nanoseconds, which they are read in, do not hold the year 9999."""
        coarse = [
            source
            for source, dtype in ((self.view.source_name(field.name), field.dtype.name) for field in self.view.fields)
            if source in table.column_names
            and "timestamp[us]" in dtype
            and "timestamp[ns]" in str(table.schema.field(source).type)
        ]
        if coarse:
            with pq.ParquetFile(local, coerce_int96_timestamp_unit="us") as opened:
                again = opened.read(columns=coarse)
            for source in coarse:
                position = table.column_names.index(source)
                table = table.set_column(position, source, again.column(source))
        return table

    @cached_property
    def _clocks(self) -> tuple[tuple[str, TimeUnit] | None, tuple[str, TimeUnit] | None]:
        """Timestamp and created_field with their units."""
        names = (self.view.source.timestamp_field, self.view.source.created_field)
        time, created = (None if name is None else (name, self.view.unit_of(name)) for name in names)
        return time, created

    def instant(self, row: Row) -> int | None:
        """Nanoseconds of the view's timestamp; None where it is NULL, or where the view has none."""
        clock = self._clocks[0]
        return None if clock is None else nanoseconds(row[clock[0]], clock[1])

    def created(self, row: Row) -> int | None:
        """Nanoseconds of the created_field; None where it is NULL, or where the view has none."""
        clock = self._clocks[1]
        return None if clock is None else nanoseconds(row[clock[0]], clock[1])


class RawViews:
    """The raw views of a project, each opened once.

    `exports` are the files of views that lie in databases, with what was read of them.
    """

    def __init__(self, project: Project, copies: LocalCopies, exports: Mapping[str, Export] | None = None) -> None:
        self._project = project
        self._copies = copies
        self._exports = exports or {}
        self._opened: dict[str, RawView] = {}
        self._cache = ColumnCache()

    def __getitem__(self, name: str) -> RawView:
        if name not in self._opened:
            view = self._project.views[name]
            path = reference = self._project.data_path(view.source.reference)
            if isinstance(view.source, DatabaseSource):
                path, reference = str(self._exports[name].path), self._exports[name].reference
            self._opened[name] = RawView(view, self._project.data_root, path, reference, self._copies, self._cache)
        return self._opened[name]

    def list_files(self, names: Iterable[str]) -> None:
        """Look which files views have, so that one that goes from now on is missed."""
        for name in names:
            self[name].files()

    def check_at_rest(self) -> None:
        """Raise InputError where a file that was read is not there any more, or is another one."""
        self._cache.check_at_rest()


# The case of ASCII letters alone says nothing: to DuckDB, 'Äb' and 'ÄB' are one column, and 'äb' is another.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def _check_once(where: str, name: str, names: Sequence[str]) -> None:
    """A column is read by its very name, which it alone has, whatever the case of its letters."""
    if name not in names:
        raise InputError(f"{where} has no column '{name}': correct the view or the file")
    alike = [other for other in names if other.translate(_LOWER) == name.translate(_LOWER)]
    if len(alike) > 1:
        both = " and ".join(f"'{other}'" for other in alike)
        raise InputError(f"{where} has the columns {both}, of which '{name}' may be either: keep one of them")


def key_of(row: Mapping[str, Any], keys: Iterable[str]) -> Key | None:
    """The key of a row, as it is compared; None when a part of it is NULL, which matches nothing."""
    values = [row[key] for key in keys]
    return None if any(value is None for value in values) else tuple(order_key(value) for value in values)


def by_key(rows: Iterable[Row], keys: tuple[str, ...]) -> dict[Key, list[Row]]:
    """Rows that have a key, by key."""
    rows_of: dict[Key, list[Row]] = {}
    for row in rows:
        key = key_of(row, keys)
        if key is not None:
            rows_of.setdefault(key, []).append(row)
    return rows_of


def _within(day: int, spans: Iterable[tuple[int | None, int]]) -> bool:
    return any((first is None or first <= day) and day <= last for first, last in spans)


def remaining_columns(view: FeatureView, keys: Sequence[str]) -> tuple[str, ...]:
    """Fields that are neither key, nor timestamp, nor created, in declared order."""
    first = {*keys, view.source.timestamp_field, view.source.created_field}
    return tuple(field.name for field in view.fields if field.name not in first)
