"""The one database that is attached to the connection of an export, and its tables."""

from __future__ import annotations

import duckdb
from sqlglot import exp

from daeda.sql.handle import quoted_name

ALIAS = "source"


def attach(connection: duckdb.DuckDBPyConnection, address: str, options: str) -> None:
    """Attach the database of an address, as an extension understands it."""
    connection.execute(f"ATTACH {exp.Literal.string(address).sql('duckdb')} AS {quoted_name(ALIAS)} ({options})")


def table_in(table: str, schema: str) -> str:
    """The quoted path of a table in the attached database; without a schema of its own it lies in `schema`.

    >>> table_in("prices", "public"), table_in("shop.prices", "public")
    ('"source"."public"."prices"', '"source"."shop"."prices"')
    """
    given, dot, name = table.rpartition(".")
    return ".".join(quoted_name(part) for part in (ALIAS, given if dot else schema, name))
