"""What an import would change: rows that only the published part has, and rows of one file under two names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from daeda.sql.files import file_list
from daeda.sql.handle import quoted_name


@dataclass(frozen=True)
class Change:
    """Rows of a published part that the new one has not, and rows that it has beside those."""

    lost: int
    added: int


def change_of(connection: duckdb.DuckDBPyConnection, old: Path, new: Path) -> Change:
    """Compare two parts, each row as often as it stands there; of other columns, all rows of the old one are lost."""
    schema = pq.read_schema(new)
    before, after = (pq.read_metadata(path).num_rows for path in (old, new))
    if not pq.read_schema(old).equals(schema):
        return Change(before, after)
    lost = before - _in_both(connection, schema, [old], new)
    return Change(lost, after - (before - lost))


def repeated_rows(connection: duckdb.DuckDBPyConnection, known: Sequence[Path], new: Sequence[Path]) -> list[int]:
    """Of each new part of a day, how many rows stand in the known ones, or in new ones before it, too.

    Each part is read once, however many there are. Parts of other columns have no rows in common.
    """
    schemas = [pq.read_schema(path) for path in (*known, *new)]
    found = [0] * len(new)
    kinds: list[pa.Schema] = []
    for schema in schemas[len(known) :]:
        if not any(schema.equals(kind) for kind in kinds):
            kinds.append(schema)
    for kind in kinds:
        # All known ones come before the first new one.
        places = {
            str(path): max(0, number - len(known) + 1)
            for number, (path, schema) in enumerate(zip((*known, *new), schemas, strict=True))
            if schema.equals(kind)
        }
        for place, rows in _repeated_of(connection, kind, places):
            found[place - 1] = rows
    return found


def _repeated_of(
    connection: duckdb.DuckDBPyConnection, schema: pa.Schema, places: dict[str, int]
) -> list[tuple[int, int]]:
    """Place and repeated rows of each part whose place is not 0."""
    name = quoted_name(_unused("path", schema.names))
    paths = pa.table({"path": list(places), "place": pa.array(places.values(), pa.int64())})
    connection.register("places_of_parts", paths)
    read = f"read_parquet({file_list(places).sql('duckdb')}, hive_partitioning = false, filename = {name})"
    numbered = ", ".join(f"r.{quoted_name(column)} AS c{at}" for at, column in enumerate(schema.names))
    rows = f"SELECT {numbered}, p.place FROM {read} AS r JOIN places_of_parts AS p ON r.{name} = p.path"
    columns = ", ".join(f"c{at}" for at in range(len(schema.names)))
    counts = (
        f"SELECT place, count(*) AS n, sum(count(*)) OVER (PARTITION BY {columns} ORDER BY place "
        f"ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM ({rows}) GROUP BY {columns}, place"
    )
    repeated = "CAST(sum(least(n, coalesce(before, 0))) AS BIGINT)"
    found = connection.execute(f"SELECT place, {repeated} FROM ({counts}) WHERE place > 0 GROUP BY place").fetchall()
    connection.unregister("places_of_parts")
    return [(int(at), int(rows)) for at, rows in found]


def _unused(name: str, names: Sequence[str]) -> str:
    """A name that no column has.

    >>> _unused("path", ["PATH", "path_"])
    'path__'
    """
    taken = {one.lower() for one in names}
    while name in taken:
        name += "_"
    return name


def _in_both(connection: duckdb.DuckDBPyConnection, schema: pa.Schema, some: Sequence[Path], other: Path) -> int:
    names = ", ".join(map(quoted_name, schema.names))
    left, right = (
        f"SELECT {names} FROM read_parquet({file_list(map(str, paths)).sql('duckdb')}, hive_partitioning = false)"
        for paths in (some, [other])
    )
    row = connection.execute(f"SELECT count(*) FROM ({left} INTERSECT ALL {right})").fetchone()
    return int(row[0]) if row is not None else 0
