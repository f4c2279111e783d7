"""Tables out of files: their columns with types and counts, from a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa

from daeda.errors import InputError, counted, cut, first_line
from daeda.importing.json_rows import JsonRows
from daeda.init_project.column_types import TextType, how_often, type_of_texts, whole_keys
from daeda.init_project.found_files import FileGroup, shared_stem, stem_of
from daeda.init_project.reading import RawColumn, Relation, check_encoding, column_names, names_in, relation_of
from daeda.init_project.sampling import sample_into, stage_sample
from daeda.init_project.tables import Column, Table, valid_name, words_of
from daeda.init_project.words import is_key_name, plainness
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
        names = _names(connection, group, path)
        if group.format == "jsonl":
            # A document need not have every key.
            names = next((other for other in by_names if _alike(set(other), set(names))), names)
        by_names.setdefault(names, []).append(path)
    found = []
    for files in by_names.values():
        directory = group.directory if len(by_names) == 1 else None
        name = stem_of(files[0]) if len(files) == 1 else shared_stem(files, directory)
        found.append((replace(group, files=tuple(files), directory=directory), name))
    return found


def _names(connection: duckdb.DuckDBPyConnection, group: FileGroup, path: Path) -> tuple[str, ...]:
    match group.format:
        case "csv":
            return tuple(names_in(path))
        case "jsonl":
            return tuple(JsonRows(path, None).names)
        case "parquet":
            return tuple(one.name for one in relation_of(connection, "parquet", [path], (), path).columns)


def _alike(some: set[str], others: set[str]) -> bool:
    """Whether documents with these keys are of one table: most keys of both are the same, as those of two tables with
    the same id are not."""
    return 2 * len(some & others) > len(some | others)


def _table(connection: duckdb.DuckDBPyConnection, group: FileGroup, name: str, number: int, scratch: Path) -> Table:
    names = names_in(group.files[0]) if group.format == "csv" else []
    _refuse_wide(group, len(names))
    staged, cut_off = group.files, False
    if group.format != "parquet":
        for path in group.files:
            check_encoding(path)
        staged = (scratch / f"rows_{number}.{'parquet' if group.format == 'csv' else 'jsonl'}",)
        cut_off = stage_sample(group, column_names(names), staged[0], scratch)
    relation = relation_of(connection, group.format, staged, names, group.files[0])
    _refuse_wide(group, len(relation.columns))
    raw, typed = f"raw_{number}", f"sample_{number}"
    try:
        partial = sample_into(connection, raw, group, relation, staged) or cut_off
        types, nulls = _types(connection, raw, group, relation)
        told = _told(connection, raw, relation, types, nulls if group.format == "csv" else ())
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
        relation.described, told,
    )  # fmt: skip


def _refuse_wide(group: FileGroup, columns: int) -> None:
    if columns > _MOST_COLUMNS:
        raise InputError(
            f"{group.files[0]} has {columns:,} columns, and init looks at most at {_MOST_COLUMNS}: name a file with "
            "fewer"
        )


def _types(
    connection: duckdb.DuckDBPyConnection, raw: str, group: FileGroup, relation: Relation
) -> tuple[list[TextType], tuple[str, ...]]:
    """What each column is, and the texts that stand for NULL in the file."""
    types = []
    for index, column in enumerate(relation.columns):
        found = TextType(column.dtype)
        if column.dtype == "string":
            found = type_of_texts(connection, raw, f"c{index}", numbers=group.format == "csv")
        if found.dtype in ("double", "float") and not found.comma and is_key_name(words_of(column.name)):
            whole = whole_keys(connection, raw, f"c{index}", column.dtype)
            found = replace(whole, nulls=found.nulls) if whole is not None and not found.nulls else found
        types.append(found)
    if any(found.pointed for found in types):
        # A file is imported with one sign for decimals.
        types = [_as_text(found) if found.comma else found for found in types]
    types = _with_time(relation, types)
    nulls = tuple(dict.fromkeys(one for found in types for one in found.nulls))
    return types, nulls


def _as_text(found: TextType) -> TextType:
    return TextType("string", told=f"values like {found.comma}, and other columns have a decimal point")


def _with_time(relation: Relation, types: Sequence[TextType]) -> list[TextType]:
    """The types; where no better time is there, one that nearly all texts of a column are, the others are no rows."""
    words = [words_of(column.name) for column in relation.columns]
    nearly = [index for index, found in enumerate(types) if found.nearly is not None]
    clean = [index for index, found in enumerate(types) if found.dtype.startswith(("timestamp", "date"))]
    if not nearly:
        return list(types)
    best = max(nearly, key=lambda index: plainness(words[index]))
    if plainness(words[best]) <= max((plainness(words[index]) for index in clean), default=0):
        return list(types)
    return [found.nearly or found if index == best else found for index, found in enumerate(types)]


def _told(
    connection: duckdb.DuckDBPyConnection, raw: str, relation: Relation, types: Sequence[TextType], nulls: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """What is said of columns that are not what they look like, by their names."""
    told = []
    for index, (column, found) in enumerate(zip(relation.columns, types, strict=True)):
        if found.told:
            told.append(
                (
                    column.name,
                    f"{found.told}: read as texts; write them like 1234.56, or leave them empty, to have numbers",
                )
            )
        if found.nearly is not None:
            number, example = found.nearly.misfits
            told.append((column.name, f"times, but for {counted(number, 'row')} like '{example}': read as texts"))
        if found.dtype == "string" and nulls and (number := how_often(connection, raw, f"c{index}", nulls)):
            told.append(
                (
                    column.name,
                    f"{'/'.join(nulls)} in {counted(number, 'row')} among texts, read as NULL as in all of the file; "
                    "where it is a value, as NA for Namibia, write it otherwise",
                )
            )
    return tuple(told)


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
        misfits=kind.misfits,
    )  # fmt: skip
    if not (column.is_number or column.is_instant):
        return column
    value = f"epoch({name})" if column.is_instant else f"CAST({name} AS DOUBLE)"
    low, high, ascending = connection.execute(
        f"SELECT min(v), max(v), avg((v >= p)::INT) FROM (SELECT v, lag(v) OVER (ORDER BY r) AS p FROM "
        f"(SELECT {value} AS v, rowid AS r FROM {table}))"
    ).fetchall()[0]
    return replace(column, low=low, high=high, ascending=ascending or 0.0)
