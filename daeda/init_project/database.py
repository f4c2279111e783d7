"""Tables of a Postgres server that `--from postgres://SERVICE/schema.table` names: a sample of each, as Parquet."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from daeda.errors import InputError, UsageError, cut, first_line
from daeda.sources.exports.postgres import Postgres
from daeda.sources.models.postgres import PostgresSource
from daeda.sql.handle import quoted_name, quoted_text
from daeda.sql.locked import AllowedPaths, connect
from daeda.storage.access import without_secrets

SCHEME = "postgres://"
_WORD = re.compile(r"postgres://([A-Za-z0-9_.-]+)/((?:[^./]+\.)?[^./]+)")
# Of a server that takes a connection and says nothing; the user's own variable or service file goes before it.
_CONNECT_SECONDS = "30"


@dataclass(frozen=True)
class DatabaseTable:
    """A table of a server: the service that names it, and schema and table."""

    service: str
    table: str

    @property
    def word(self) -> str:
        """How it is named on the command line."""
        return f"{SCHEME}{self.service}/{self.table}"

    @property
    def name(self) -> str:
        """The table without its schema."""
        return self.table.rpartition(".")[2]


def database_table(word: str) -> DatabaseTable:
    """The table of a word; raises UsageError for one that names none.

    >>> database_table("postgres://environment/shop.prices").table
    'shop.prices'
    """
    match = _WORD.fullmatch(word)
    if match is None:
        shown = "an address with credentials in it" if "@" in word else f"'{cut(word)}'"
        raise UsageError(
            f"--from: {shown} is no table of a database: write postgres://SERVICE/schema.table, where SERVICE is a "
            "name of pg_service.conf, or environment for what PGHOST and so on say"
        )
    return DatabaseTable(match[1], match[2])


def sample_table(table: DatabaseTable, target: Path, most: int) -> None:
    """Write at most so many rows and one of a table to a Parquet file; raises InputError."""
    with _attached(table, target.parent) as (connection, relation):
        query = f"SELECT * FROM {relation} LIMIT {most + 1}"
        connection.execute(f"COPY ({query}) TO {quoted_text(str(target))} (FORMAT parquet)")


def bounds_in_database(table: DatabaseTable, column: str, sql: str, scratch: Path) -> tuple[float, float]:
    """The first and the last time of a table, in seconds since 1970; `sql` makes a timestamp of the column."""
    quoted = quoted_name(column)
    with _attached(table, scratch) as (connection, relation):
        low, high = connection.execute(
            f"SELECT epoch(min(t)), epoch(max(t)) FROM (SELECT {sql} AS t FROM (SELECT {quoted} FROM {relation}))"
        ).fetchall()[0]
    return float(low), float(high)


@contextlib.contextmanager
def _attached(table: DatabaseTable, scratch: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    os.environ.setdefault("PGCONNECT_TIMEOUT", _CONNECT_SECONDS)
    database = Postgres(PostgresSource(postgres=table.service, table=table.table))

    def attach(connection: duckdb.DuckDBPyConnection) -> AllowedPaths:
        return AllowedPaths((str(scratch), *database.attach(connection, "")))

    config = {"temp_directory": str(scratch), "secret_directory": str(scratch / "secrets")}
    try:
        with contextlib.closing(connect(attach, config)) as connection:
            yield connection, database.relation().sql("duckdb")
    except duckdb.Error as error:
        reason = cut(without_secrets(first_line(error)), 200)
        raise InputError(f"{table.word} cannot be read ({reason}): correct the table{database.advice}") from None
