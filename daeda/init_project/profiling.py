"""Tables out of files: their columns with types and counts, from a sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from daeda.errors import InputError, cut, first_line
from daeda.init_project.column_types import TextType, type_of_texts
from daeda.init_project.found_files import FileGroup, shared_stem, stem_of
from daeda.init_project.reading import RawColumn, Relation, relation_of
from daeda.init_project.sampling import sample_into
from daeda.init_project.tables import Column, Table, valid_name
from daeda.sql.handle import quoted_name, quoted_text

_MOST_COLUMNS = 500


def tables_of(connection: duckdb.DuckDBPyConnection, groups: Sequence[FileGroup], scratch: Path) -> list[Table]:
    """A table for each group, or for each file of it where their columns differ; raises InputError."""
    tables: list[Table] = []
    for group in groups:
        for one, name in _split(connection, group):
            taken = [table.name for table in tables]
            tables.append(_table(connection, one, valid_name(name.lower(), taken), len(tables), scratch))
    return tables


def _split(connection: duckdb.DuckDBPyConnection, group: FileGroup) -> list[tuple[FileGroup, str]]:
    """Files with the same columns are one table."""
    if group.partitions:
        assert group.directory is not None
        return [(group, group.directory.resolve().name)]
    if group.database is not None:
        return [(group, group.database.name)]
    if len(group.files) == 1:
        return [(group, stem_of(group.files[0]))]
    by_names: dict[tuple[str, ...], list[Path]] = {}
    for path in group.files:
        names = tuple(column.name for column in relation_of(connection, group.format, [path]).columns)
        if group.format == "jsonl":
            # A document need not have every key.
            names = next((other for other in by_names if _alike(set(other), set(names))), names)
        by_names.setdefault(names, []).append(path)
    found = []
    for files in by_names.values():
        directory = group.directory if len(by_names) == 1 else None
        name = stem_of(files[0]) if len(files) == 1 else shared_stem(files, directory)
        found.append((dataclasses.replace(group, files=tuple(files), directory=directory), name))
    return found


def _alike(some: set[str], others: set[str]) -> bool:
    """Whether documents with these keys are of one table: most keys of both are the same, as those of two tables with
    the same id are not."""
    return 2 * len(some & others) > len(some | others)


def _table(connection: duckdb.DuckDBPyConnection, group: FileGroup, name: str, number: int, scratch: Path) -> Table:
    relation = relation_of(connection, group.format, group.files)
    if len(relation.columns) > _MOST_COLUMNS:
        raise InputError(
            f"{group.files[0]} has {len(relation.columns):,} columns, and init looks at most at {_MOST_COLUMNS}: name "
            "a file with fewer"
        )
    raw, typed = f"raw_{number}", f"sample_{number}"
    try:
        partial = sample_into(connection, raw, group, relation, scratch)
        types, nulls = _types(connection, raw, group, relation)
        made = _conversions(group, relation, types, nulls)
        selected = ", ".join(
            f"{_converted(types[index], _null(f'c{index}', nulls if group.format == 'csv' else ()))} "
            f"AS {quoted_name(column.name)}"
            for index, column in enumerate(relation.columns)
            if index in made
        )
        connection.execute(f"CREATE TABLE {typed} AS SELECT {selected} FROM {raw} ORDER BY rowid")
        connection.execute(f"DROP TABLE {raw}")
        columns = tuple(
            _counted(connection, typed, relation.columns[index], types[index], sql) for index, sql in made.items()
        )
        columns += tuple(Column(one.name, "", 0, 0, 0) for one in relation.columns if not one.dtype)
    except (duckdb.Error, pa.ArrowException) as error:
        raise InputError(f"{group.files[0]} cannot be read: {cut(first_line(error), 200)}") from error
    rows = columns[0].rows if made else 0
    if rows == 0:
        raise InputError(f"{group.files[0]} has no row that can be read: name files with rows")
    shown = group.files[0].name if len(group.files) == 1 and group.database is None else group.named
    return Table(
        name, group.files, group.format, group.size, typed, rows, partial, columns, relation.sql, nulls,
        group.partitions, group.directory, shown, group.database,
        tuple((column.name, kind.comma) for column, kind in zip(relation.columns, types, strict=True) if kind.comma),
    )  # fmt: skip


def _types(
    connection: duckdb.DuckDBPyConnection, raw: str, group: FileGroup, relation: Relation
) -> tuple[list[TextType], tuple[str, ...]]:
    """What each column is, and the texts that stand for NULL in the file."""
    types = []
    for index, column in enumerate(relation.columns):
        if column.dtype == "string":
            types.append(type_of_texts(connection, raw, f"c{index}", numbers=group.format == "csv"))
        else:
            types.append(TextType(column.dtype))
    if any(found.pointed for found in types):
        # A file is imported with one sign for decimals.
        types = [TextType("string") if found.comma else found for found in types]
    nulls = tuple(dict.fromkeys(one for found in types for one in found.nulls))
    return types, nulls


def _conversions(
    group: FileGroup, relation: Relation, types: Sequence[TextType], nulls: Sequence[str]
) -> dict[int, str]:
    """The SQL that reads each column of a type that we have out of the files."""
    absent = nulls if group.format == "csv" else ()
    return {
        index: _converted(types[index], _null(column.sql, absent))
        for index, column in enumerate(relation.columns)
        if column.dtype
    }


def _converted(kind: TextType, sql: str) -> str:
    return kind.of(sql)


def _null(sql: str, nulls: Sequence[str]) -> str:
    return f"CASE WHEN {sql} IN ({', '.join(map(quoted_text, nulls))}) THEN NULL ELSE {sql} END" if nulls else sql


def _counted(connection: duckdb.DuckDBPyConnection, table: str, raw: RawColumn, kind: TextType, sql: str) -> Column:
    name = quoted_name(raw.name)
    rows, filled, distinct = connection.execute(
        f"SELECT count(*), count({name}), count(DISTINCT {name}) FROM {table}"
    ).fetchall()[0]
    column = Column(
        raw.name, kind.dtype, rows, rows - filled, distinct, sql, raw.stored, text_format=kind.text_format,
        zoned=kind.zoned or raw.dtype == "timestamp[us, UTC]", other_format=kind.other_format, raw=raw.raw or raw.sql,
    )  # fmt: skip
    if not (column.is_number or column.is_instant):
        return column
    value = f"epoch({name})" if column.is_instant else f"CAST({name} AS DOUBLE)"
    low, high, ascending = connection.execute(
        f"SELECT min(v), max(v), avg((v >= p)::INT) FROM (SELECT v, lag(v) OVER (ORDER BY r) AS p FROM "
        f"(SELECT {value} AS v, rowid AS r FROM {table}))"
    ).fetchall()[0]
    return dataclasses.replace(column, low=low, high=high, ascending=ascending or 0.0)
