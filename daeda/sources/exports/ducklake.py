"""A DuckLake, attached to a connection by its catalogue file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import duckdb
from sqlglot import exp

from daeda.sources.exports.attached import ALIAS, attach, table_in
from daeda.sources.models.ducklake import DuckLakeSource
from daeda.sql.locked import load_extension, reach_object_storage
from daeda.storage.access import find_access
from daeda.storage.location import below, is_object


@dataclass(frozen=True)
class DuckLake:
    """What a view reads of a DuckLake."""

    advice: ClassVar[str] = ""

    source: DuckLakeSource

    def attach(self, connection: duckdb.DuckDBPyConnection, data_root: str) -> tuple[str, ...]:
        """Attach it; returns the paths of the catalogue and of its data."""
        catalogue = below(data_root, self.source.ducklake)
        load_extension(connection, "ducklake", "ducklake")
        attach(connection, f"ducklake:{catalogue}", "READ_ONLY")
        row = connection.execute(
            f"SELECT value FROM __ducklake_metadata_{ALIAS}.ducklake_metadata WHERE key = 'data_path'"
        ).fetchone()
        data = str(row[0]).rstrip("/") if row else catalogue
        if is_object(data):
            reach_object_storage(connection, find_access())
        return catalogue, data

    def pin(self, connection: duckdb.DuckDBPyConnection) -> DuckLake:
        """The same at a snapshot that has a number: the declared one, or the newest that the transaction sees."""
        if self.source.pinned:
            return self
        newest = connection.execute(
            f"SELECT max(snapshot_id) FROM __ducklake_metadata_{ALIAS}.ducklake_snapshot"
        ).fetchone()
        assert newest is not None
        return DuckLake(self.source.at(int(newest[0])))

    def relation(self) -> exp.Expr:
        """The table at its snapshot, as DuckDB reads it."""
        version = "" if self.source.snapshot is None else f" AT (VERSION => {self.source.snapshot})"
        return exp.Var(this=f"{table_in(str(self.source.table), 'main')}{version}")
