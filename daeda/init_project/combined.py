"""Parquet of files whose rows have a time in several columns, or values inside of objects: copied by DuckDB."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import duckdb

from daeda.dtypes import DType
from daeda.errors import InputError, cut, first_line
from daeda.init_project.proposal import View
from daeda.init_project.reading import relation_of, text
from daeda.init_project.times import Time
from daeda.sql.handle import quoted_name


def sql_time(time: Time, zone: str) -> str:
    """The time of a row as a timestamp in UTC, over its typed columns.

    >>> from daeda.init_project.times import Time
    >>> sql_time(Time("at", ("at",), "at", '"at"', 1.0, "", 0.0, 0.0), "Europe/Berlin")
    'CAST(timezone(\\'Europe/Berlin\\', "at") AS TIMESTAMP)'
    """
    return time.sql if zone == "UTC" or time.zoned else f"CAST(timezone({text(zone)}, {time.sql}) AS TIMESTAMP)"


def copy_view(connection: duckdb.DuckDBPyConnection, view: View, target: Path) -> tuple[int, int]:
    """Write the rows of a view below a directory; returns how many, and how many were left out.

    Those are rows without a time, and those with a cell that is not of the type of its column.
    """
    table, time = view.table, view.time
    columns = {one.source: table.column(one.source) for one in view.fields if one.source}
    types = {one.source: DType.parse(one.dtype).sql for one in view.fields if one.source}
    typed = [f"CAST({column.sql} AS {types[name]}) AS {quoted_name(name)}" for name, column in columns.items()]
    fits = _fits(view, columns)
    source = table.relation
    if table.format == "csv":
        source = source.removesuffix(")") + ", store_rejects = true)"
    inner = f"SELECT {', '.join(typed)}, {fits} AS __fits FROM {source}"
    selected = [_in_zone(view, name) for name in columns]
    if time is not None:
        made = sql_time(time, view.zone)
        if time.field not in columns:
            selected.append(f"{made} AS {quoted_name(time.field)}")
        selected.append(f"strftime({made}, '%Y-%m-%d') AS dt")
        fits = f"__fits AND ({made}) IS NOT NULL"
    else:
        fits = "__fits"
    query = f"SELECT {', '.join(selected)} FROM ({inner}) WHERE {fits}"
    if table.format == "jsonl" and relation_of(connection, "jsonl", table.files, whole=True).sql != table.relation:
        raise InputError(
            f"{table.shown}: behind the lines that were looked at there are other fields or types, which a copy of "
            "fields inside of objects would lose or round: write Parquet of it, or a document without objects a line"
        )
    target.mkdir(parents=True)
    try:
        rows = _copy(connection, query, target, view)
        aside = _rows_of(connection, source) + _rejected(connection, table.format == "csv") - rows
    except duckdb.Error as error:
        shutil.rmtree(target, ignore_errors=True)
        raise InputError(f"{table.shown} cannot be imported: {cut(first_line(error), 200)}") from error
    if rows == 0:
        raise InputError(f"{table.shown} has no row that fits the types of its columns: nothing was imported")
    return rows, aside


def _fits(view: View, columns: Iterable[str]) -> str:
    """Whether each cell that is not NULL is of its column's type: only texts that were converted can fail to be."""
    tests = []
    absent = view.table.null_texts if view.table.format == "csv" else ()
    for name in columns:
        column = view.table.column(name)
        raw = column.raw
        if column.sql == raw:
            continue
        nulls = f" AND {raw} NOT IN ({', '.join(map(text, absent))})" if absent else ""
        tests.append(f"({raw} IS NULL OR NOT ({raw} IS NOT NULL{nulls}) OR ({column.sql}) IS NOT NULL)")
    return " AND ".join(tests) or "true"


def _in_zone(view: View, name: str) -> str:
    time = view.time
    if time is not None and time.columns == (name,) == (time.field,) and view.zone != "UTC" and not time.zoned:
        return f"{sql_time(time, view.zone)} AS {quoted_name(name)}"
    return quoted_name(name)


def _copy(connection: duckdb.DuckDBPyConnection, query: str, target: Path, view: View) -> int:
    options = "FORMAT parquet, COMPRESSION zstd"
    where = str(target / f"{view.name}.parquet")
    if view.time is not None:
        options += ", PARTITION_BY (dt), OVERWRITE_OR_IGNORE"
        where = str(target)
    return int(connection.execute(f"COPY ({query}) TO {text(where)} ({options})").fetchall()[0][0])


def _rows_of(connection: duckdb.DuckDBPyConnection, source: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0])


def _rejected(connection: duckdb.DuckDBPyConnection, is_csv: bool) -> int:
    """Lines that are no rows, which DuckDB has kept in a table of its own."""
    if not is_csv:
        return 0
    found = connection.execute(
        "SELECT count(DISTINCT (file_id, line)) FROM reject_errors "
        "WHERE scan_id = (SELECT max(scan_id) FROM reject_errors)"
    ).fetchall()[0][0]
    return int(found)
