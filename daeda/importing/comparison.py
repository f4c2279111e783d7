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


def repeated_rows(connection: duckdb.DuckDBPyConnection, others: Sequence[Path], new: Path) -> int:
    """How many rows of a part stand in other parts of its day, too."""
    schema = pq.read_schema(new)
    alike = [path for path in others if pq.read_schema(path).equals(schema)]
    return _in_both(connection, schema, alike, new) if alike else 0


def _in_both(connection: duckdb.DuckDBPyConnection, schema: pa.Schema, some: Sequence[Path], other: Path) -> int:
    names = ", ".join(map(quoted_name, schema.names))
    left, right = (
        f"SELECT {names} FROM read_parquet({file_list(map(str, paths)).sql('duckdb')}, hive_partitioning = false)"
        for paths in (some, [other])
    )
    row = connection.execute(f"SELECT count(*) FROM ({left} INTERSECT ALL {right})").fetchone()
    return int(row[0]) if row is not None else 0
