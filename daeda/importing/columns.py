"""Which columns of a file are imported, and in which types: declared, as before, those of Parquet, or by its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from daeda.dtypes import DType, is_known
from daeda.errors import InputError, UsageError, cut, shortened
from daeda.importing.blocks import Rows
from daeda.importing.conversion import from_text, without_nulls
from daeda.importing.request import ImportRequest, TextRules, check_time, known
from daeda.importing.spark_times import INT96, finest
from daeda.sql.locked import connect

# In this order: the first one that every value fits.
_OF_TEXT = ("int64", "uint64", "double", "bool", "date", "timestamp[us]", "timestamp[ns]")
_OF_TEXTS_IN_JSON = ("date", "timestamp[us]", "timestamp[ns]")
_LOOKED_AT = 20_000
# Of what could be several types: 007 and 1.0 are no whole numbers, 1 and 0 no truth values.
_PLAIN = {"int64": "[+-]?(0|[1-9][0-9]*)", "uint64": "0|[1-9][0-9]*", "bool": "(?i)true|false|t|f|yes|no"}


@dataclass(frozen=True)
class Column:
    """A column of the partitions: its place in the file, its name, its type, and the type that the file has.

    `given` is empty for text, and `int96` for times that no unit of Arrow holds.
    """

    place: int
    name: str
    dtype: DType
    given: str = ""


def choose(request: ImportRequest, path: Path, rows: Rows, before: Mapping[str, DType]) -> list[tuple[int, str]]:
    """Place and name of each column to import, in the order of the partitions.

    `before` has those of earlier imports into the directory. Raises UsageError or InputError.
    """
    names = list(rows.names)
    declared = request.dtypes if rows.optional else ()
    wanted = request.chosen or tuple(before) or tuple(dict.fromkeys(filter(None, (*names, *declared))))
    needed = (*request.dtypes, *filter(None, [request.timestamp_field]))
    for name in dict.fromkeys((*wanted, *needed)):
        count = names.count(name)
        if count == 0 and rows.optional and name in (*before, *declared) and name != request.timestamp_field:
            # Objects of JSON leave out what they have not, and later ones may have it.
            names.append(name)
            rows.names = names
        elif count == 0:
            raise UsageError(f"{path}: no column '{name}': {known(name, names)}{_header_hint(request, rows)}")
        elif count > 1:
            raise InputError(f"{path}: column '{name}' stands {count} times in it: rename the others, or leave it out")
    for name in needed:
        if name not in wanted:
            raise UsageError(
                f"{path}: '{name}' is not among the columns that {request.to} has: {known(name, wanted)}; "
                "--replace with --columns makes others of it"
            )
    folded = [name.lower() for name in wanted]
    if alike := sorted(name for name in wanted if folded.count(name.lower()) > 1):
        raise InputError(
            f"{path}: columns {', '.join(alike)} differ only in case, and SQL does not tell them apart: leave one out, "
            "with --columns"
        )
    return [(names.index(name), name) for name in wanted]


def rules_of(request: ImportRequest, rows: Rows) -> TextRules:
    """How text of a file is read."""
    return replace(request.rules, nulls=(*rows.nulls, *request.rules.nulls))


def left_out(rows: Rows, chosen: Sequence[tuple[int, str]]) -> str:
    """What is said of columns that are not imported; empty where all are."""
    taken = {place for place, _ in chosen}
    others = [
        name or f"number {place + 1}, without a name" for place, name in enumerate(rows.names) if place not in taken
    ]
    return f"columns left out: {shortened(others)}" if others else ""


def typed(
    request: ImportRequest, path: Path, rows: Rows, chosen: Sequence[tuple[int, str]], before: Mapping[str, DType]
) -> tuple[list[Column], list[str]]:
    """The columns with their types, and the names of those whose types the first rows decided."""
    given = {name: rows.typed[place] if rows.typed is not None else "" for place, name in chosen}
    declared = {**before, **request.dtypes}
    columns, undecided = [], []
    for place, name in chosen:
        dtype = declared.get(name)
        own = given[name].replace(", UTC]", "]")
        if dtype is None and own and not (own == "string" or _is_counted(request, name)):
            dtype = _of_parquet(path, name, own)
        if own and own not in ("string", INT96) and not is_known(own):
            raise InputError(f"{path}: column '{name}' is {own}, which no view can read: leave it out, with --columns")
        if dtype is None:
            undecided.append(name)
        columns.append(Column(place, name, dtype or DType("string"), "" if own == "string" else own))
    if undecided:
        columns = _by_rows(request, rows, columns, frozenset(undecided))
    for column in columns:
        if column.name == request.timestamp_field:
            if column.name in undecided and column.dtype.name == "string":
                _refuse_text(request, path, rows, column)
            check_time(column.name, column.dtype, request.timestamp_unit)
    return columns, undecided


def _refuse_text(request: ImportRequest, path: Path, rows: Rows, column: Column) -> None:
    """Raise InputError about a time that the first rows do not agree to be one, with the first that is none."""
    block = next(iter(rows.blocks([column.place], [False])), None)
    if block is None or not len(block.lines):
        raise InputError(
            f"{path}: it has no rows by which '{column.name}' could be known as a time: declare it, "
            f"--dtype {column.name}=timestamp[us]"
        )
    dtype, rules = DType("timestamp[us]"), rules_of(request, rows)
    with connect() as connection:
        connection.register("looked_at", pa.table({"x": block.columns[0], "line": block.lines}))
        text = without_nulls("x", dtype, rules.nulls)
        found = connection.execute(
            f"SELECT line, n, count(*) OVER () FROM (SELECT line, {text} AS n FROM looked_at) "
            f"WHERE n IS NOT NULL AND {from_text('n', dtype, rules)} IS NULL ORDER BY line LIMIT 1"
        ).fetchone()
    if found is not None and found[2] < len(block.lines):
        raise InputError(
            f"{path}: '{column.name}' is no time in {found[2]:,} of its first {len(block.lines):,} rows, first "
            f"{cut(str(found[1]), 40)!r} in line {found[0]:,}: --dtype {column.name}=timestamp[us] keeps such rows "
            "aside; or say how its text is read, --time-format '%d.%m.%Y %H:%M'"
        )


def _of_parquet(path: Path, name: str, own: str) -> DType:
    if own == INT96:
        return DType.parse(finest(path, name))
    if not is_known(own):
        raise InputError(f"{path}: column '{name}' is {own}, which no view can read: leave it out, with --columns")
    return DType.parse(own)


def _is_counted(request: ImportRequest, name: str) -> bool:
    """Whether whole numbers are to become times."""
    return name == request.timestamp_field and request.timestamp_unit is not None


def _by_rows(request: ImportRequest, rows: Rows, columns: Sequence[Column], undecided: frozenset[str]) -> list[Column]:
    """The columns, those without a type in the one that all of the first rows fit."""
    is_list = [
        column.name in rows.lists if column.name in undecided else column.dtype.item is not None for column in columns
    ]
    block = next(iter(rows.blocks([column.place for column in columns], is_list)), None)
    found = []
    with connect() as connection:
        for column, values, of_lists in zip(columns, block.columns if block else (), is_list, strict=block is not None):
            dtype = column.dtype
            if column.name in undecided:
                of_texts = column.name in rows.texts
                dtype = _fitting(connection, request, rows, column, values.slice(0, _LOOKED_AT), of_lists, of_texts)
            found.append(Column(column.place, column.name, dtype, column.given))
    return found or list(columns)


def _fitting(
    connection: duckdb.DuckDBPyConnection, request: ImportRequest, rows: Rows, column: Column, values: pa.Array,
    of_lists: bool, of_texts: bool,
) -> DType:  # fmt: skip
    if _is_counted(request, column.name):
        return DType("timestamp[ns]" if request.timestamp_unit == "ns" else "timestamp[us]")
    if of_lists:
        values = values.flatten()
    connection.register("looked_at", pa.table({"x": values}))
    candidates: tuple[str, ...] = () if of_lists and of_texts else _OF_TEXTS_IN_JSON if of_texts else _OF_TEXT
    if column.name == request.timestamp_field:
        # Rows that come later may have an hour.
        candidates = tuple(name for name in candidates if name != "date")
    for name in candidates:
        dtype = DType.parse(name)
        if not (of_lists and dtype.is_instant) and _fits(connection, dtype, rules_of(request, rows)):
            return DType.list_of(dtype) if of_lists else dtype
    return DType.list_of(DType("string")) if of_lists else DType("string")


def _fits(connection: duckdb.DuckDBPyConnection, dtype: DType, rules: TextRules) -> bool:
    """Whether all texts are of a type, and there is one."""
    text = without_nulls("x", dtype, rules.nulls)
    value = from_text("n", dtype, rules)
    pattern = _PLAIN.get(dtype.name)
    wrong = f"{value} IS NULL" + (f" OR NOT regexp_full_match(n, '{pattern}')" if pattern else "")
    if dtype.name == "double":
        # A double would make one of many ids: 12345678901234567891 and 12345678901234567890.
        same = f"coalesce(TRY_CAST({value} AS HUGEINT) = TRY_CAST(n AS HUGEINT), false)"
        long = "regexp_full_match(n, '[+-]?[0-9]{16,}([.,]0*)?')"
        wrong += f" OR regexp_matches(n, '^[+-]?0[0-9]') OR ({long} AND NOT {same})"
    row = connection.execute(
        f"SELECT count(n), count(n) FILTER (WHERE {wrong}) FROM (SELECT {text} AS n FROM looked_at)"
    ).fetchone()
    return row is not None and row[0] > 0 and row[1] == 0


def _header_hint(request: ImportRequest, rows: Rows) -> str:
    """What to do where the first line of a CSV file holds values."""
    looks = [name for name in rows.names if name.strip().replace(".", "", 1).replace("-", "").isdigit()]
    if looks and rows.typed is None and request.dialect.header and not rows.optional:
        return "; where its first line is no header, give --no-header and --columns NAME,…"
    return ""
