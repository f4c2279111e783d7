"""Files as a relation of DuckDB with the columns as they are written: texts of CSV, values of JSON and of Parquet."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dtypes import describe_arrow, is_known
from daeda.errors import InputError, cut, first_line, shortened
from daeda.init_project.column_types import beyond_double, exactly
from daeda.init_project.staging import FILE, LINE, STRUCT_DEPTH, names_of
from daeda.init_project.tables import FILES, Format
from daeda.sql.files import as_pattern
from daeda.sql.handle import quoted_name, quoted_text

# What DuckDB reads out of a text of JSON by itself is read as the text that it is: its format is found out here. So is
# a whole number that no type of ours has.
_TEXTS = re.compile(r"TIMESTAMP\w*( WITH TIME ZONE)?|DATE|TIME|UUID|JSON|U?HUGEINT")
_NUMBERS = frozenset({"BIGINT", "UBIGINT", "DOUBLE"})
# Rows by which it is seen that a column of doubles has whole numbers that no double is.
_LOOKED_AT = 20_000
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_LONGEST_LINE = 1_000_000
# JSON of at most so many bytes is read to its end to find its types.
_TYPED_BYTES = 64 * 2**20
# The types of DuckDB that a view can declare, and ours for them. What an hour of the day or an id is, is read as text.
_TYPES: Mapping[str, str] = {
    "BOOLEAN": "bool", "TINYINT": "int8", "SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64",
    "UTINYINT": "uint8", "USMALLINT": "uint16", "UINTEGER": "uint32", "UBIGINT": "uint64", "FLOAT": "float",
    "DOUBLE": "double", "VARCHAR": "string", "DATE": "date", "TIMESTAMP": "timestamp[us]",
    "TIMESTAMP_MS": "timestamp[ms]", "TIMESTAMP_NS": "timestamp[ns]", "TIMESTAMP_S": "timestamp[ms]",
    "TIMESTAMP WITH TIME ZONE": "timestamp[us, UTC]",
}  # fmt: skip


@dataclass(frozen=True)
class RawColumn:
    """A column as the files have it: its name there, the SQL that reads it, and its type.

    `dtype` is ours, empty where there is none; `stored` the type in Parquet, where a view can declare that. `raw` is
    the SQL of the text that `sql` converts, if it does.
    """

    name: str
    sql: str
    dtype: str
    stored: str = ""
    raw: str = ""


@dataclass(frozen=True)
class Relation:
    """How files are read: a table function in SQL with FILES in place of the files, and its columns.

    `described` are the keys of JSON with the types that DuckDB finds for them.
    """

    sql: str
    columns: tuple[RawColumn, ...]
    described: tuple[tuple[str, str], ...] = ()

    def over(self, files: Sequence[Path]) -> str:
        """The table function for files."""
        return self.sql.replace(FILES, listed_files(files))


def relation_of(
    connection: duckdb.DuckDBPyConnection, kind: Format, files: Sequence[Path], names: Sequence[str], shown: Path
) -> Relation:
    """The relation of files of one format, texts staged; raises InputError where they cannot be read so.

    `names` are those of CSV. Names and types of JSON are those of the first lines where files are large, and of all
    lines of others.
    """
    try:
        match kind:
            case "csv":
                return _csv(names)
            case "jsonl":
                return _json(connection, files)
            case "parquet":
                return _parquet(files)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise InputError(f"{shown} cannot be read as {_FORMATS[kind]}: {cut(first_line(error), 200)}") from error


def listed_files(files: Sequence[Path]) -> str:
    """Files as a list of SQL."""
    return f"[{', '.join(quoted_text(as_pattern(str(path))) for path in files)}]"


_FORMATS: Mapping[Format, str] = {"csv": "CSV", "jsonl": "JSON lines", "parquet": "Parquet"}


def _csv(names: Sequence[str]) -> Relation:
    known = column_names(names)
    typed = zip(known, names, strict=True)
    columns = (RawColumn(name, quoted_name(name), "string" if own else "") for name, own in typed)
    return Relation(f"read_parquet({FILES}, hive_partitioning = false)", tuple(columns))


def column_names(names: Sequence[str]) -> list[str]:
    """Names of columns, with one for each that has none."""
    return [name or f"column {number} without a name" for number, name in enumerate(names, 1)]


def names_in(path: Path) -> list[str]:
    """The names of a file: of columns, or of the keys of its first lines; raises InputError where it has none.

    Those of CSV may be empty.
    """
    check_encoding(path)
    _, names = names_of(path)
    _check_header(names, path)
    return list(names)


def check_encoding(path: Path) -> None:
    """Raise InputError where the first bytes of a text, unpacked, are not UTF-8."""
    try:
        with pa.input_stream(str(path), compression=_PACKED.get(path.suffix.lower())) as stream:
            first = bytes(stream.read(_LONGEST_LINE))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be unpacked: {cut(first_line(error), 200)}") from error
    wide = b"\0" in first[:1024]
    line = 1 if wide else None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(first)
    except UnicodeDecodeError as error:
        line = first.count(b"\n", 0, error.start) + 1
    if line is not None:
        raise InputError(
            f"{path}: line {line} is not UTF-8, and init reads no other encoding: write it anew, as with `iconv -f "
            f"{'utf-16' if wide else 'cp1252'} -t utf-8`"
        )


def _check_header(names: Sequence[str], path: Path) -> None:
    """Refuse a first line that is a row: a name is no number and no time."""
    rows = [name for name in names if re.fullmatch(r"[-+]?\d+([.,]\d+)?(_\d+)?|\d{4}-\d{2}-\d{2}.*", name)]
    if rows:
        raise InputError(
            f"{path} has no line of names: '{cut(rows[0])}' stands in its first line, which names the "
            "columns: write one above the rows"
        )
    folded = [name.lower() for name in names if name]
    if twice := [name for name in names if folded.count(name.lower()) > 1]:
        raise InputError(
            f"{path} has {shortened(twice)} in its first line, which are one name, capital letters or not: "
            "rename the others"
        )
    if not folded:
        raise InputError(f"{path} has no line of names: its first line is empty")


def _described(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> list[tuple[str, str]]:
    """Names of keys of JSON, and their types in DuckDB."""
    lines = ", sample_size = -1" if sum(path.stat().st_size for path in files) <= _TYPED_BYTES else ""
    found = connection.execute(
        f"DESCRIBE FROM read_json({listed_files(files)}, format = 'newline_delimited', union_by_name = true{lines})"
    ).fetchall()
    return [(str(row[0]), str(row[1])) for row in found if row[0] not in (LINE, FILE)]


def _json(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> Relation:
    described = _described(connection, files)
    spelled = [f"{quoted_text(name)}: {quoted_text(_as_text(kind))}" for name, kind in described]
    spelled += [f"{quoted_text(name)}: 'BIGINT'" for name in (LINE, FILE)]
    sql = f"read_json({FILES}, columns = {{{', '.join(spelled)}}}, format = 'newline_delimited')"
    columns = [column for name, kind in described for column in _opened(name, quoted_name(name), kind)]
    relation = Relation(sql, (), tuple(described))
    return replace(relation, columns=tuple(_short_enough(connection, relation.over(files), columns)))


def _short_enough(connection: duckdb.DuckDBPyConnection, sql: str, columns: Sequence[RawColumn]) -> Iterator[RawColumn]:
    """The columns, those of doubles as texts where a whole number stands there that no double is."""
    doubles = [column for column in columns if column.dtype == "double" and column.raw]
    tests = [f"coalesce(bool_or({beyond_double(column.raw)}), false)" for column in doubles]
    row = connection.execute(
        f"SELECT {', '.join(tests) or '1'} FROM (FROM {sql} LIMIT {_LOOKED_AT})"
    ).fetchall()[0]  # fmt: skip
    long = {column.name for column, found in zip(doubles, row, strict=False) if found is True}
    for column in columns:
        yield replace(column, sql=column.raw, dtype="string", raw="") if column.name in long else column


def unseen_keys(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], described: Iterable[tuple[str, str]]
) -> tuple[str, ...]:
    """The keys of JSON objects that come up only behind the rows by which columns are found, in all of the files."""
    known, keys = set[str](), ["json_keys(json)"]
    for name, kind in described:
        _walk(name, (name,), kind, known, keys)
    # Lines that are no objects are told when they are read.
    rows = connection.execute(
        f"SELECT DISTINCT unnest(list_concat({', '.join(keys)})) FROM "
        f"read_json_objects({listed_files(files)}, format = 'newline_delimited', ignore_errors = true)"
    ).fetchall()
    return tuple(sorted({str(row[0]) for row in rows} - known))


def _walk(name: str, path: tuple[str, ...], kind: str, known: set[str], keys: list[str]) -> None:
    """Take the names of an object, and the SQL of those that its rows have."""
    known.add(name)
    if not _is_object(kind) or len(path) > STRUCT_DEPTH:
        return
    pointer = "".join(f"/{one.replace('~', '~0').replace('/', '~1')}" for one in path)
    inner = f"coalesce(json_keys(json, {quoted_text(pointer)}), [])"
    keys.append(f"list_transform({inner}, lambda one: {quoted_text(f'{name}.')} || one)")
    for field, below in _fields(kind):
        _walk(f"{name}.{field}", (*path, field), below, known, keys)


def _as_text(kind: str) -> str:
    """A type of JSON with its instants and numbers as texts: DuckDB would round a number of another type.

    >>> _as_text("STRUCT(at TIMESTAMP, n BIGINT)"), _as_text("DATE"), _as_text("BIGINT[]")
    ('STRUCT(at VARCHAR, n VARCHAR)', 'VARCHAR', 'BIGINT[]')
    """
    if _is_object(kind):
        fields = (part.rpartition(" ") if not _nested(part) else _divided(part) for part in _parts(kind))
        return f"STRUCT({', '.join(f'{name} {_as_text(inner)}' for name, _, inner in fields)})"
    if kind.endswith("[]"):
        return kind if kind[:-2] in _NUMBERS else f"{_as_text(kind[:-2])}[]"
    return "VARCHAR" if _TEXTS.fullmatch(kind) or kind in _NUMBERS else kind


def _is_object(kind: str) -> bool:
    return kind.startswith("STRUCT(") and not kind.endswith("]")


def _nested(part: str) -> bool:
    return "STRUCT(" in part or "WITH TIME ZONE" in part


def _divided(part: str) -> tuple[str, str, str]:
    """Name and type of a field whose type has blanks in it."""
    match = re.match(r'("(?:[^"]|"")*"|\S+) (.*)', part, re.DOTALL)
    assert match is not None, part
    return match[1], " ", match[2]


def _parts(kind: str) -> list[str]:
    """The fields of a struct, as DuckDB writes them."""
    parts, depth, quoted = [""], 0, False
    for letter in kind.removeprefix("STRUCT(")[:-1]:
        quoted ^= letter == '"'
        depth += 0 if quoted else (letter == "(") - (letter == ")")
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _opened(name: str, sql: str, kind: str, depth: int = 0) -> list[RawColumn]:
    """A column of JSON; of an object, its fields, each a column of its own."""
    if _is_object(kind) and depth < STRUCT_DEPTH:
        return [
            column
            for field, inner in _fields(kind)
            for column in _opened(f"{name}.{field}", f"{sql}.{quoted_name(field)}", inner, depth + 1)
        ]
    dtype = _ours(kind if kind in _NUMBERS else _as_text(kind))
    return [RawColumn(name, exactly(sql, dtype), dtype, raw=sql) if kind in _NUMBERS else RawColumn(name, sql, dtype)]


def _fields(kind: str) -> list[tuple[str, str]]:
    """The names and types of the fields of a struct."""
    found = []
    for part in _parts(kind):
        field, _, inner = _divided(part)
        found.append((field[1:-1].replace('""', '"') if field.startswith('"') else field, inner))
    return found


def _ours(kind: str) -> str:
    """Our name of a type of DuckDB; empty where a view can declare none."""
    if kind.endswith("[]"):
        # An import reads lists of single values.
        item = "" if kind.endswith("[][]") else _ours(kind[:-2])
        return f"list<{item}>" if item else ""
    if kind.startswith("DECIMAL("):
        return kind.lower().replace(",", ", ").replace(",  ", ", ")
    return _TYPES.get(kind, "")


def _parquet(files: Sequence[Path]) -> Relation:
    schema = pq.read_schema(files[0])
    folded = [name.lower() for name in schema.names if name]
    if twice := [name for name in schema.names if folded.count(name.lower()) > 1]:
        raise InputError(
            f"{files[0]} has the columns {shortened(twice)}, which are one name, capital letters or not: rename the "
            "others"
        )
    columns = []
    for field, name in zip(schema, column_names(schema.names), strict=True):
        stored = describe_arrow(field.type)
        known = stored if field.name and is_known(stored) and "halffloat" not in stored else ""
        dtype = known or ("timestamp[us, UTC]" if stored.startswith("timestamp") and "UTC" in stored else "")
        columns.append(RawColumn(name, quoted_name(name), dtype if field.name else "", known))
    return Relation(f"read_parquet({FILES}, hive_partitioning = false, union_by_name = true)", tuple(columns))
