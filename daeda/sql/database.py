"""Databases attached to a connection, to be read and never written."""

from __future__ import annotations

import duckdb
from sqlglot import exp

from daeda.sql.locked import load_extension, reach_object_storage
from daeda.storage.access import find_access
from daeda.storage.location import is_object

# The name that stands for PGHOST, PGUSER and so on; every other one is a service of pg_service.conf.
ENVIRONMENT = "environment"


def attach_postgres(connection: duckdb.DuckDBPyConnection, alias: str, name: str) -> None:
    """Attach a Postgres server; libpq finds credentials in the environment, the service file and the password file.

    Transactions are repeatable read and read-only, for the attached database and by the default of its session.
    """
    load_extension(connection, "postgres_scanner", "postgres")
    words = "options='-c default_transaction_read_only=on'"
    if name != ENVIRONMENT:
        words = f"service={name} {words}"
    _attach(connection, alias, words, "TYPE postgres, READ_ONLY")


def attach_ducklake(connection: duckdb.DuckDBPyConnection, alias: str, catalogue: str) -> tuple[str, ...]:
    """Attach a DuckLake by its catalogue file; returns the places of the catalogue and of its data."""
    load_extension(connection, "ducklake", "ducklake")
    _attach(connection, alias, f"ducklake:{catalogue}", "READ_ONLY")
    found = connection.execute(
        f"SELECT value FROM __ducklake_metadata_{alias}.ducklake_metadata WHERE key = 'data_path'"
    ).fetchone()
    data = str(found[0]).rstrip("/") if found else catalogue
    if is_object(data):
        reach_object_storage(connection, find_access())
    return catalogue, data


def newest_snapshot(connection: duckdb.DuckDBPyConnection, alias: str) -> int:
    """The newest snapshot of an attached DuckLake, as the transaction sees it."""
    found = connection.execute(f"SELECT max(snapshot_id) FROM __ducklake_metadata_{alias}.ducklake_snapshot").fetchone()
    assert found is not None
    return int(found[0])


def _attach(connection: duckdb.DuckDBPyConnection, alias: str, what: str, options: str) -> None:
    name = exp.to_identifier(alias, quoted=True).sql("duckdb")
    connection.execute(f"ATTACH {exp.Literal.string(what).sql('duckdb')} AS {name} ({options})")
