"""Parquet of files whose rows have a time in several columns, or values inside of objects: copied by DuckDB."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TextIO

import duckdb

from daeda.dtypes import DType
from daeda.errors import InputError, cut, first_line
from daeda.importing.blocks import Rejected
from daeda.importing.conversion import from_value, of_zone
from daeda.importing.source import rejections_of
from daeda.init_project.proposal import View
from daeda.init_project.reading import column_names, listed_files
from daeda.init_project.staging import FILE, LINE, names_of, stage
from daeda.init_project.tables import FILES, Column, Table, valid_name
from daeda.init_project.times import Time
from daeda.sources.files import PARTITION
from daeda.sql.handle import quoted_name, quoted_text


def sql_time(time: Time, zone: str) -> str:
    """The time of a row as a timestamp in UTC, over its typed columns.

    >>> from daeda.init_project.times import Time
    >>> at = Time("at", ("at",), "at", '"at"', 1.0, "", 0.0, 0.0)
    >>> sql_time(at, "UTC"), sql_time(at, "Europe/Berlin").startswith("make_timestamp(CASE ")
    ('"at"', True)
    """
    return time.sql if zone == "UTC" or time.zoned else _in_utc(time.sql, zone)


def _in_utc(moment: str, zone: str, *, nanoseconds: bool = False) -> str:
    """As `daeda import` has it: NULL for a time that clocks of the zone skip, the first of one that they show twice."""
    cut_off = f"CAST({moment} AS TIMESTAMP)"
    if not nanoseconds:
        return f"make_timestamp({of_zone(cut_off, zone)})"
    rest = f"epoch_ns({moment}) - epoch_us({cut_off}) * 1000"
    return f"make_timestamp_ns(({of_zone(cut_off, zone)}) * 1000 + {rest})"


def copy_view(connection: duckdb.DuckDBPyConnection, view: View, target: Path) -> tuple[int, Mapping[Path, int]]:
    """Write the rows of a view below a directory; returns how many, and how many of each file were kept aside.

    Those are rows without a time, those with a cell that is not of the type of its column, and what is no row; they go
    to `_rejected` there, with line and reason.
    """
    table, time = view.table, view.time
    columns = {one.source: table.column(one.source) for one in view.fields if one.source}
    types = {one.source: DType.parse(one.dtype) for one in view.fields if one.source}
    typed = [f"{_value(column, types[name])} AS {quoted_name(name)}" for name, column in columns.items()]
    reasons = [_reason(column, types[name].name, table) for name, column in columns.items()]
    reasons += [_skipped(view, name) for name in columns]
    selected = [_in_zone(view, name) for name in columns]
    if time is not None:
        made = sql_time(time, view.zone)
        if time.field not in columns:
            selected.append(f"{made} AS {quoted_name(time.field)}")
        selected.append(f"strftime({made}, '%Y-%m-%d') AS {_partition(view)}")
        reasons.append(f"CASE WHEN ({made}) IS NULL THEN {quoted_text(f'no time: {time.name}')} END")
    why = f"concat_ws('; ', {', '.join(one for one in reasons if one) or 'NULL'})"
    # The reasons are of the texts, the time of what they became.
    texts = ", ".join(f"{column.raw} AS {_raw(name)}" for name, column in columns.items())
    target.mkdir(parents=True, exist_ok=True)
    aside = _Aside(target, view)
    try:
        with aside, _source(table, target, aside) as (source, place):
            inner = f"SELECT *, {why} AS __why FROM (SELECT {', '.join(typed)}, {texts}, {place} FROM {source})"
            rows = _copy(connection, f"SELECT {', '.join(selected)} FROM ({inner}) WHERE __why = ''", target, view)
            _keep_rejected(connection, inner, columns, aside)
    except duckdb.Error as error:
        shutil.rmtree(target, ignore_errors=True)
        raise InputError(f"{table.shown} cannot be imported: {cut(first_line(error), 200)}") from error
    if rows == 0:
        raise InputError(f"{table.shown} has no row that fits the types of its columns: nothing was imported")
    return rows, aside.counts


def _raw(name: str) -> str:
    return quoted_name(f"__raw {name}")


def _value(column: Column, dtype: DType) -> str:
    """A value in a type, which is another one than its own where it is a key of other tables."""
    own = _own(column)
    return f"CAST({column.sql} AS {dtype.sql})" if own == dtype.name else from_value(column.sql, dtype, own)


def _own(column: Column) -> str:
    return DType.parse(column.dtype.replace(", UTC]", "]")).name


def _reason(column: Column, dtype: str, table: Table) -> str:
    """Why a cell keeps its row aside, NULL where it does not; empty where nothing was converted."""
    if column.sql == column.raw and _own(column) == dtype:
        return ""
    text = f"CAST({_raw(column.name)} AS VARCHAR)"
    absent = table.null_texts if table.format == "csv" else ()
    nulls = f" AND {text} NOT IN ({', '.join(map(quoted_text, absent))})" if absent else ""
    told = f"{quoted_text(f'{column.name}: ')} || left({text}, 40) || {quoted_text(f' is no {dtype}')}"
    return f"CASE WHEN {quoted_name(column.name)} IS NULL AND {text} IS NOT NULL{nulls} THEN {told} END"


def _in_zone(view: View, name: str) -> str:
    """A column, and where it is a time that names no zone, that time in UTC."""
    if not _is_local(view, name):
        return quoted_name(name)
    field = view.field_of(name)
    kind = DType.parse(field.dtype if field is not None else view.table.column(name).dtype)
    made = _in_utc(quoted_name(name), view.zone, nanoseconds=kind.name == "timestamp[ns]")
    return f"CAST({made} AS {kind.sql}) AS {quoted_name(name)}"


def _skipped(view: View, name: str) -> str:
    """Why a time that no clock of the zone shows keeps its row aside; empty for other columns."""
    if not _is_local(view, name):
        return ""
    quoted, told = quoted_name(name), quoted_text(f" is skipped by clocks in {view.zone}")
    text = f"{quoted_text(f'{name}: ')} || CAST({quoted} AS VARCHAR) || {told}"
    return f"CASE WHEN {quoted} IS NOT NULL AND {_in_utc(quoted, view.zone)} IS NULL THEN {text} END"


def _is_local(view: View, name: str) -> bool:
    """Whether a column is a time that names no zone, where there is another one than UTC."""
    column = view.table.column(name)
    return view.time is not None and view.zone != "UTC" and not column.zoned and column.dtype.startswith("timestamp")


def _partition(view: View) -> str:
    """A name of the column of days that no column of the files has."""
    return valid_name("dt", [one.source or one.name for one in view.fields])


def _copy(connection: duckdb.DuckDBPyConnection, query: str, target: Path, view: View) -> int:
    options = "FORMAT parquet, COMPRESSION zstd"
    where, name = str(target / f"{view.name}.parquet"), _partition(view)
    if view.time is not None:
        options += f", PARTITION_BY ({name}), OVERWRITE_OR_IGNORE"
        where = str(target)
    rows = int(connection.execute(f"COPY ({query}) TO {quoted_text(where)} ({options})").fetchall()[0][0])
    # DuckDB names a directory like its column, which may be one of the files' own.
    for directory in sorted(target.glob(f"{name}=*")) if f"{name}=" != PARTITION else ():
        directory.rename(target / f"{PARTITION}{directory.name.removeprefix(f'{name}=')}")
    return rows


@contextmanager
def _source(table: Table, target: Path, aside: _Aside) -> Iterator[tuple[str, str]]:
    """The SQL of all rows, and that of the number of their file and of their line; of Parquet this is the row."""
    if table.format == "parquet":
        paths = f"[{', '.join(quoted_text(str(path)) for path in table.files)}]"
        place = f"list_position({paths}, {quoted_name(FILE)}) - 1 AS {quoted_name(FILE)}"
        numbered = f", filename = {quoted_text(FILE)}, file_row_number = true)"
        source = table.relation.replace(FILES, listed_files(table.files)).removesuffix(")") + numbered
        yield source, f"{place}, file_row_number + 1 AS {quoted_name(LINE)}"
        return
    staged = target / f"_rows.{'parquet' if table.format == 'csv' else 'jsonl'}"
    try:
        names = column_names(names_of(table.files[0])[1]) if table.format == "csv" else []
        stage(table.format, table.files, names, staged, aside.keep)
        yield table.relation.replace(FILES, listed_files([staged])), f"{quoted_name(FILE)}, {quoted_name(LINE)}"
    finally:
        staged.unlink(missing_ok=True)


class _Aside:
    """The files of rows that are kept aside, one for each file that has some, as an import has them."""

    def __init__(self, target: Path, view: View) -> None:
        self._target, self._files = target, view.table.files
        self._open: dict[Path, TextIO] = {}
        self.counts: dict[Path, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()

    def keep(self, path: Path, one: Rejected) -> None:
        """Write a row."""
        if path not in self._open:
            place = rejections_of(self._target, path.name)
            place.parent.mkdir(exist_ok=True)
            # Files of two directories may have one name.
            self._open[path] = place.open("a", encoding="utf-8")
        self._open[path].write(f"{one.record()}\n")
        self.counts[path] = self.counts.get(path, 0) + 1

    def keep_of(self, number: int, one: Rejected) -> None:
        """Write a row of the file with this number."""
        self.keep(self._files[number], one)


def _keep_rejected(connection: duckdb.DuckDBPyConnection, inner: str, columns: Iterable[str], aside: _Aside) -> None:
    """Write the rows that do not fit, as they are in the files, each with its line and the reason."""
    names = list(columns)
    raw = ", ".join(f"CAST({_raw(name)} AS VARCHAR)" for name in names)
    found = connection.execute(
        f"SELECT {quoted_name(FILE)}, {quoted_name(LINE)}, __why, [{raw}] FROM ({inner}) WHERE __why <> ''"
    )
    while rows := found.fetchmany(10_000):
        for number, line, why, cells in rows:
            aside.keep_of(number, Rejected(line, why, dict(zip(names, cells, strict=True))))
