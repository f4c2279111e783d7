"""Parquet of files whose rows have a time in several columns, or values inside of objects: copied by DuckDB."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import duckdb

from daeda.dtypes import DType
from daeda.errors import InputError, cut, first_line
from daeda.importing.conversion import of_zone
from daeda.importing.ledger import REJECTED
from daeda.init_project.proposal import View
from daeda.init_project.tables import Column, Table, valid_name
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


def copy_view(connection: duckdb.DuckDBPyConnection, view: View, target: Path) -> tuple[int, int]:
    """Write the rows of a view below a directory; returns how many, and how many were kept aside.

    Those are rows without a time, and those with a cell that is not of the type of its column; they go to `_rejected`
    there, with the reason.
    """
    table, time = view.table, view.time
    columns = {one.source: table.column(one.source) for one in view.fields if one.source}
    types = {one.source: DType.parse(one.dtype) for one in view.fields if one.source}
    typed = [f"CAST({column.sql} AS {types[name].sql}) AS {quoted_name(name)}" for name, column in columns.items()]
    source = table.relation
    if table.format == "csv":
        source = source.removesuffix(")") + ", store_rejects = true)"
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
    inner = f"SELECT *, {why} AS __why FROM (SELECT {', '.join(typed)}, {texts} FROM {source})"
    target.mkdir(parents=True, exist_ok=True)
    try:
        rows = _copy(connection, f"SELECT {', '.join(selected)} FROM ({inner}) WHERE __why = ''", target, view)
        aside = _keep_broken(connection, target, view) if table.format == "csv" else 0
        aside += _keep_rejected(connection, inner, columns, target, view)
    except duckdb.Error as error:
        shutil.rmtree(target, ignore_errors=True)
        raise InputError(f"{table.shown} cannot be imported: {cut(first_line(error), 200)}") from error
    if rows == 0:
        raise InputError(f"{table.shown} has no row that fits the types of its columns: nothing was imported")
    return rows, aside


def _raw(name: str) -> str:
    return quoted_name(f"__raw {name}")


def _reason(column: Column, dtype: str, table: Table) -> str:
    """Why a cell keeps its row aside, NULL where it does not; empty where nothing was converted."""
    if column.sql == column.raw:
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


def _keep_rejected(
    connection: duckdb.DuckDBPyConnection, inner: str, columns: Iterable[str], target: Path, view: View
) -> int:
    """Write the rows that do not fit, as they are in the files, each with the reason; returns how many."""
    row = ", ".join(f"{quoted_text(name)}: {_raw(name)}" for name in columns)
    return _write(
        connection, f"SELECT __why AS reason, {{{row}}} AS row FROM ({inner}) WHERE __why <> ''", target, view
    )


def _keep_broken(connection: duckdb.DuckDBPyConnection, target: Path, view: View) -> int:
    """Write the lines that are no rows, which DuckDB has put into a table of its own; returns how many.

    It is to be called right after the files were read.
    """
    query = (
        "SELECT line, any_value(error_message) AS reason, any_value(csv_line) AS row FROM reject_errors "
        "WHERE scan_id = (SELECT max(scan_id) FROM reject_errors) GROUP BY file_id, line ORDER BY file_id, line"
    )
    return _write(connection, query, target, view, "-lines")


def _write(connection: duckdb.DuckDBPyConnection, query: str, target: Path, view: View, end: str = "") -> int:
    path = target / REJECTED / f"{view.name}{end}.jsonl"
    path.parent.mkdir(exist_ok=True)
    rows = int(connection.execute(f"COPY ({query}) TO {quoted_text(str(path))} (FORMAT json)").fetchall()[0][0])
    if not rows:
        path.unlink()
        with suppress(OSError):
            path.parent.rmdir()
    return rows
