"""The types of expressions, which DuckDB binds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import duckdb

from daeda.sql.locked import connect

# The database of a block that binds several expressions, from the first of them on.
_of_block: ContextVar[list[duckdb.DuckDBPyConnection] | None] = ContextVar("_of_block", default=None)


@contextmanager
def bound_together() -> Iterator[None]:
    """Expressions of the block are bound by one database: making it takes ten times as long as binding one."""
    if _of_block.get() is not None:
        yield
        return
    made: list[duckdb.DuckDBPyConnection] = []
    token = _of_block.set(made)
    try:
        yield
    finally:
        _of_block.reset(token)
        for connection in made:
            connection.close()


@lru_cache(maxsize=512)
def type_of(query: str) -> str:
    """DuckDB's name for the type of the query's first column; raises duckdb.Error where it cannot be bound."""
    with _database() as connection:
        return str(connection.execute(f"DESCRIBE {query}").fetchall()[0][1])


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    made = _of_block.get()
    if made is None:
        with connect() as connection:
            yield connection
        return
    if not made:
        made.append(connect())
    yield made[0]
