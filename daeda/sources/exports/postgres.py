"""A Postgres server, attached to a connection to be read and never written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import duckdb
from sqlglot import exp

from daeda.sources.exports.attached import ALIAS, attach, table_in
from daeda.sources.models.postgres import PostgresSource
from daeda.sql.locked import load_extension

# The name that stands for PGHOST, PGUSER and so on; every other one is a service of pg_service.conf.
_ENVIRONMENT = "environment"


@dataclass(frozen=True)
class Postgres:
    """What a view reads of a Postgres server."""

    advice: ClassVar[str] = ", or the environment (PGHOST, PGUSER, PGPASSWORD ..., or the service)"

    source: PostgresSource

    def attach(self, connection: duckdb.DuckDBPyConnection, data_root: str) -> tuple[str, ...]:
        """Attach the server; libpq finds credentials in the environment, the service file and the password file.

        Transactions are repeatable read and read-only, for the attached database and by the default of its session.
        """
        load_extension(connection, "postgres_scanner", "postgres")
        words = "options='-c default_transaction_read_only=on'"
        if self.source.postgres != _ENVIRONMENT:
            words = f"service={self.source.postgres} {words}"
        attach(connection, words, "TYPE postgres, READ_ONLY")
        return ()

    def pin(self, connection: duckdb.DuckDBPyConnection) -> Postgres:
        """The same: Postgres keeps no state that can be read again."""
        return self

    def relation(self) -> exp.Expr:
        """The table, or what the server answers to the query, as DuckDB reads it."""
        if self.source.query is not None:
            texts = [exp.Literal.string(ALIAS), exp.Literal.string(self.source.query)]
            return exp.Anonymous(this="postgres_query", expressions=texts)
        return exp.Var(this=table_in(str(self.source.table), "public"))
