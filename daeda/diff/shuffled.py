"""Rows in whatever order, some of them on one side alone: paired by DuckDB, which spills what does not fit.

Rows of one key are a group. In it those that are alike are paired first, whatever their order, then the others in the
order in which they were published; what is left is on one side alone. So duplicates count as often as they are there.

    rows of a side -> position, key and a hash of all values -> pairs of positions -> values of those whose hash differs
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from sqlglot import exp

from daeda.diff.aligned import File
from daeda.diff.schema import Schemas
from daeda.diff.tally import EXAMPLES, Comparison, RowTally, Tally, key_of
from daeda.diff.values import Tolerance, is_list
from daeda.sql.files import as_pattern
from daeda.sql.locked import AllowedPaths, Setting, connect
from daeda.sql.streamed import stream

_BATCH = 16_384
_SIDES = ("here", "there")


@dataclass(frozen=True)
class Limits:
    """What DuckDB may take, and where it spills."""

    memory: str
    threads: int
    spill: Path

    def config(self) -> dict[str, Setting]:
        """As DuckDB is configured."""
        return {
            "memory_limit": self.memory,
            "threads": self.threads,
            "temp_directory": str(self.spill),
            "preserve_insertion_order": False,
        }


def compare_shuffled(
    here: Sequence[File],
    there: Sequence[File],
    schemas: Schemas,
    tolerance: Tolerance,
    limits: Limits,
) -> Tally:
    """Pair and compare the rows of two days."""
    ours, theirs = _without_common(here, there)
    skipped = sum(file.rows for file in here) - sum(file.rows for file in ours)
    if not ours and not theirs:
        return Tally(skipped, reordered=True)
    paths = AllowedPaths.of([*(file.path for file in (*here, *there)), limits.spill])
    with connect(paths, limits.config()) as connection:
        rows = _Rows(connection, schemas)
        rows.load({"here": ours, "there": theirs})
        rows.pair()
        comparison = Comparison(schemas.pairing, tolerance)
        for one, other, positions in rows.changed():
            comparison.add(one, other, positions)
        tally = comparison.tally(skipped + rows.paired())
        tally.only_here, tally.only_there = rows.alone("here"), rows.alone("there")
        tally.reordered = rows.reordered()
        return tally


def has_twins(files: Sequence[File], key: Sequence[str], limits: Limits) -> bool:
    """Whether several rows have the same key."""
    paths = AllowedPaths.of([*(file.path for file in files), limits.spill])
    names = ", ".join(map(_quoted, key))
    with connect(paths, limits.config()) as connection:
        sources = " UNION ALL ".join(f"SELECT {names} FROM {_parquet(file)}" for file in files if file.rows)
        if not sources:
            return False
        twins = f"SELECT 1 FROM ({sources}) GROUP BY {names} HAVING count(*) > 1 LIMIT 1"
        return bool(connection.execute(twins).fetchall())


def _without_common(here: Sequence[File], there: Sequence[File]) -> tuple[list[File], list[File]]:
    """The parts that only one side has: equal parts hold equal rows, which are paired with each other."""
    common = Counter(file.digest for file in here) & Counter(file.digest for file in there)

    def rest(files: Sequence[File]) -> list[File]:
        left = Counter(common)
        kept = []
        for file in files:
            if left[file.digest]:
                left[file.digest] -= 1
            else:
                kept.append(file)
        return kept

    return rest(here), rest(there)


class _Rows:
    """The tables of one comparison: `rows_here` and `rows_there`, `pairs`, `alone_here` and `alone_there`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schemas: Schemas) -> None:
        self._connection, self._pairing, self._casts = connection, schemas.pairing, schemas.casts
        self._types = schemas.types
        self._keys = [f"k{number}" for number in range(len(schemas.pairing.key))]

    def load(self, files: Mapping[str, Sequence[File]]) -> None:
        """Position, key and hash of each row; at most one side has no files."""
        self._files = files
        for side in sorted(_SIDES, key=lambda side: not files[side]):
            if files[side]:
                self._run(f"CREATE TEMP TABLE rows_{side} AS {self._hashed(side)}")
            else:
                self._run(f"CREATE TEMP TABLE rows_{side} AS SELECT * FROM rows_{_other(side)} WHERE false")

    def _hashed(self, side: str) -> str:
        keys = ", ".join(f"{self._value(side, name)} AS k{number}" for number, name in enumerate(self._pairing.key))
        values = ", ".join(told for name in self._pairing.values for told in self._told_apart(side, name)) or "0"
        return " UNION ALL ".join(
            f"SELECT {start} + file_row_number AS position, {keys}, hash({values}) AS digest FROM {_parquet(file)}"
            for start, file in _starts(self._files[side])
        )

    def pair(self) -> None:
        """Pair the rows: keys that stand once by a join, the others by what they hold and by their order."""
        keys = ", ".join(self._keys)
        twins = " UNION ".join(f"SELECT {keys} FROM rows_{side} GROUP BY {keys} HAVING count(*) > 1" for side in _SIDES)
        self._run(f"CREATE TEMP TABLE twins AS {twins}")
        several = bool(self._count("twins"))
        for side in _SIDES:
            rest = f" ANTI JOIN twins t ON {self._same('r', 't')}" if several else ""
            self._run(f"CREATE TEMP TABLE single_{side} AS SELECT r.* FROM rows_{side} r{rest}")
        self._run(
            "CREATE TEMP TABLE pairs AS SELECT h.position AS here, t.position AS there, h.digest = t.digest AS alike "
            f"FROM single_here h JOIN single_there t ON {self._same('h', 't')}"
        )
        for side, other in (_SIDES, _SIDES[::-1]):
            self._run(
                f"CREATE TEMP TABLE alone_{side} AS SELECT s.position FROM single_{side} s "
                f"ANTI JOIN single_{other} o ON {self._same('s', 'o')}"
            )
        if several:
            self._pair_twins()

    def _pair_twins(self) -> None:
        keys = ", ".join(self._keys)
        for side in _SIDES:
            self._run(
                f"CREATE TEMP TABLE many_{side} AS SELECT r.*, row_number() OVER "
                f"(PARTITION BY {keys}, r.digest ORDER BY r.position) AS turn "
                f"FROM rows_{side} r SEMI JOIN twins t ON {self._same('r', 't')}"
            )
        alike = f"{self._same('h', 't')} AND h.digest = t.digest AND h.turn = t.turn"
        self._run(
            "INSERT INTO pairs SELECT h.position, t.position, true FROM many_here h JOIN many_there t ON " + alike
        )
        for side, other in (_SIDES, _SIDES[::-1]):
            same = f"{self._same('m', 'o')} AND m.digest = o.digest AND m.turn = o.turn"
            self._run(
                f"CREATE TEMP TABLE left_{side} AS SELECT m.position, {_listed('m', self._keys)}, row_number() OVER "
                f"(PARTITION BY {_listed('m', self._keys)} ORDER BY m.position) AS turn "
                f"FROM many_{side} m ANTI JOIN many_{other} o ON {same}"
            )
        turns = f"{self._same('h', 't')} AND h.turn = t.turn"
        self._run(
            f"INSERT INTO pairs SELECT h.position, t.position, false FROM left_here h JOIN left_there t ON {turns}"
        )
        for side, other in (_SIDES, _SIDES[::-1]):
            same = f"{self._same('l', 'o')} AND l.turn = o.turn"
            self._run(
                f"INSERT INTO alone_{side} SELECT l.position FROM left_{side} l ANTI JOIN left_{other} o ON {same}"
            )

    def changed(self) -> Iterator[tuple[pa.Table, pa.Table, np.ndarray]]:
        """The pairs whose values are not alike, some thousands at a time, in no order; and their positions here."""
        if not self._count("pairs WHERE NOT alike"):
            return
        here, there = self._select("here", [*self._pairing.columns]), self._select("there", [*self._pairing.values])
        ours = [f"h{number}" for number in range(len(self._pairing.columns))]
        theirs = [f"t{number}" for number in range(len(self._pairing.values))]
        named = [f"h.c{number} AS {name}" for number, name in enumerate(ours)]
        named += [f"t.c{number} AS {name}" for number, name in enumerate(theirs)]
        query = (
            f"SELECT p.here AS position, {', '.join(named)} FROM (SELECT here, there FROM pairs WHERE NOT alike) p "
            f"JOIN ({here}) h ON h.position = p.here JOIN ({there}) t ON t.position = p.there"
        )
        for batch in stream(self._connection, query, _BATCH).batches:
            table = pa.Table.from_batches([batch])
            one = table.select(ours).rename_columns(list(self._pairing.columns))
            other = table.select(theirs).rename_columns(list(self._pairing.values.values()))
            yield one, other, table.column("position").to_numpy()

    def alone(self, side: str) -> RowTally:
        """The rows of a side alone, and the keys of the first ones."""
        count = self._count(f"alone_{side}")
        if not count:
            return RowTally()
        names = list(self._pairing.key)
        table = self._connection.execute(
            f"SELECT {', '.join(f'r.c{number}' for number in range(len(names)))} FROM "
            f"(SELECT position FROM alone_{side} ORDER BY position LIMIT {EXAMPLES}) a "
            f"JOIN ({self._select(side, names)}) r ON r.position = a.position ORDER BY a.position"
        ).to_arrow_table()
        table = table.rename_columns(names)
        return RowTally(count, [key_of(table, names, row) for row in range(len(table))])

    def paired(self) -> int:
        """How many pairs there are."""
        return self._count("pairs")

    def reordered(self) -> bool:
        """Whether paired rows follow each other otherwise on the other side."""
        found = self._connection.execute(
            "SELECT 1 FROM (SELECT there, lag(there) OVER (ORDER BY here) AS before FROM pairs) "
            "WHERE there < before LIMIT 1"
        ).fetchall()
        return bool(found)

    def _select(self, side: str, names: Sequence[str]) -> str:
        values = ", ".join(f"{self._value(side, name)} AS c{number}" for number, name in enumerate(names))
        return " UNION ALL ".join(
            f"SELECT {start} + file_row_number AS position{', ' if values else ''}{values} FROM {_parquet(file)}"
            for start, file in _starts(self._files[side])
        )

    def _value(self, side: str, name: str) -> str:
        """A column of the pairing, of a side, in the type in which both are compared."""
        column = _quoted(name if side == "here" else self._pairing.columns[name])
        return f"{column}::{_sql_type(self._casts[name])}" if name in self._casts else column

    def _told_apart(self, side: str, name: str) -> Iterator[str]:
        """What tells a value from others by its hash: the value, and what the hash of a list leaves out."""
        value = self._value(side, name)
        yield value
        yield from shapes(value, self._types[name])

    def _same(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{key} IS NOT DISTINCT FROM {other}.{key}" for key in self._keys) or "true"

    def _count(self, what: str) -> int:
        row = self._connection.execute(f"SELECT count(*) FROM {what}").fetchone()
        assert row is not None
        return int(row[0])

    def _run(self, statement: str) -> None:
        self._connection.execute(statement)


def _other(side: str) -> str:
    return _SIDES[1 - _SIDES.index(side)]


def _listed(table: str, names: Sequence[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


def _starts(files: Sequence[File]) -> Iterator[tuple[int, File]]:
    start = 0
    for file in files:
        yield start, file
        start += file.rows


def _parquet(file: File) -> str:
    path = exp.Literal.string(as_pattern(str(file.path))).sql("duckdb")
    return f"read_parquet({path}, file_row_number = true, hive_partitioning = false)"


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("duckdb")


def shapes(value: str, dtype: pa.DataType, depth: int = 0) -> Iterator[str]:
    """What DuckDB's hash of a list or a struct leaves out: lengths, and which are NULL.

    By the hash alone NULL is an empty list, and `[[1], [2]]` is `[[1, 2]]`.
    """
    if is_list(dtype):
        item = f"v{depth}"
        yield f"len({value})"
        for inside in shapes(item, dtype.value_type, depth + 1):
            yield f"list_transform({value}, lambda {item}: {inside})"
    elif pa.types.is_struct(dtype):
        yield f"{value} IS NULL"
        for one in dtype:
            name = exp.Literal.string(one.name).sql("duckdb")
            yield from shapes(f"struct_extract({value}, {name})", one.type, depth)


def _sql_type(dtype: pa.DataType) -> str:
    """The type that a column is cast to where its types differ."""
    if pa.types.is_int64(dtype):
        return "BIGINT"
    if pa.types.is_float64(dtype):
        return "DOUBLE"
    if pa.types.is_decimal(dtype):
        return f"DECIMAL({dtype.precision}, {dtype.scale})"
    if pa.types.is_timestamp(dtype):
        return "TIMESTAMPTZ" if dtype.tz is not None else "TIMESTAMP_NS" if dtype.unit == "ns" else "TIMESTAMP"
    if pa.types.is_large_list(dtype):
        return f"{_sql_type(dtype.value_type)}[]"
    return "VARCHAR"
