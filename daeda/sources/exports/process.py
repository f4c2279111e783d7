"""The export of views of one database, in a process of its own: `python -m daeda.sources.exports.process`.

Whoever waits inside of a database's library hears no signal and no clock, so the process that waits is one that another
can end. It reads a request on stdin, and writes the exports, or what was refused, on stdout.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import assert_never

import duckdb
from sqlglot import exp

from daeda.errors import InputError, did_you_mean, first_line
from daeda.process.supervised import die_with
from daeda.sources.columns import name_mistake
from daeda.sources.exports.ducklake import DuckLake
from daeda.sources.exports.postgres import Postgres
from daeda.sources.exports.request import Request, Wanted, tell_progress, write_message
from daeda.sources.files import Export
from daeda.sources.models.ducklake import DuckLakeSource
from daeda.sources.models.postgres import PostgresSource
from daeda.sources.models.source import DatabaseSource
from daeda.sql.handle import column
from daeda.sql.locked import AllowedPaths, connect
from daeda.storage.access import without_secrets

_OPTIONS = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
# Of a server that takes a connection and says nothing; the user's own variable or service file goes before it.
_CONNECT_SECONDS = "30"

# The word behind which nothing is exported: the database is attached, and the columns are looked at.
LOOK = "--look"

Database = Postgres | DuckLake


def database_of(source: DatabaseSource) -> Database:
    """The database of a source, by its kind."""
    match source:
        case PostgresSource():
            return Postgres(source)
        case DuckLakeSource():
            return DuckLake(source)
        case _:
            assert_never(source)


def export(request: Request, *, look: bool = False) -> dict[str, Export]:
    """Export in this process, which nothing can end while a database is silent; raises InputError.

    With `look` no row is read.
    """
    first, directory = request.wanted[0], str(request.directory)
    database = database_of(first.source)
    config = {"temp_directory": f"{directory}/spill", "secret_directory": f"{directory}/secrets"}
    if request.memory_limit is not None:
        config["memory_limit"] = f"{request.memory_limit}B"

    def attach(connection: duckdb.DuckDBPyConnection) -> AllowedPaths:
        return AllowedPaths((directory, *database.attach(connection, request.data_root)))

    with (
        _refusals(first.view, first.source.database, database.advice),
        contextlib.closing(connect(attach, config)) as connection,
    ):
        connection.execute("BEGIN TRANSACTION")
        try:
            read = _look if look else _copy
            return {wanted.view: read(connection, wanted, directory) for wanted in request.wanted}
        finally:
            # Before the connection is closed: a rollback that fails there, the server being gone, ends the process.
            with contextlib.suppress(duckdb.Error):
                connection.execute("ROLLBACK")


def _copy(connection: duckdb.DuckDBPyConnection, wanted: Wanted, directory: str) -> Export:
    target = f"{directory}/{wanted.view}.parquet"
    database = database_of(wanted.source)
    with _refusals(wanted.view, wanted.source.reference, database.advice):
        pinned = database.pin(connection)
        ordered = [exp.Ordered(this=column(name), nulls_first=True) for name in wanted.order]
        query = exp.select(*map(column, wanted.columns)).from_(pinned.relation()).order_by(*ordered)
        _check_names(connection, wanted, pinned)
        connection.execute(f"COPY ({query.sql('duckdb')}) TO {exp.Literal.string(target).sql('duckdb')} ({_OPTIONS})")
    return Export(target, pinned.source.reference)


def _look(connection: duckdb.DuckDBPyConnection, wanted: Wanted, directory: str) -> Export:
    """Look at the columns alone: nothing is written into the directory."""
    database = database_of(wanted.source)
    with _refusals(wanted.view, wanted.source.reference, database.advice):
        pinned = database.pin(connection)
        _check_names(connection, wanted, pinned)
    return Export(f"{directory}/{wanted.view}.parquet", pinned.source.reference)


def _check_names(connection: duckdb.DuckDBPyConnection, wanted: Wanted, database: Database) -> None:
    """Raise InputError unless each column is there once, by its very name: DuckDB folds case, and knows a `rowid`."""
    described = connection.execute(f"DESCRIBE {exp.select('*').from_(database.relation()).sql('duckdb')}").fetchall()
    names = [str(row[0]) for row in described]
    for name in wanted.columns:
        mistake = name_mistake(name, names)
        if mistake is not None:
            known = f": {did_you_mean(name, names)}" if "no column" in mistake else ""
            raise InputError(f"view '{wanted.view}': {database.source.reference} {mistake}{known}")


@contextlib.contextmanager
def _refusals(view: str, reference: str, advice: str) -> Iterator[None]:
    """What the database or DuckDB refuses, as a mistake of the view."""
    try:
        yield
    except (duckdb.Error, InputError) as error:
        if isinstance(error, InputError) and str(error).startswith("view '"):
            raise
        reason = without_secrets(first_line(error))
        raise InputError(
            f"view '{view}': {reference} cannot be read ({reason}): correct source and fields of the view{advice}"
        ) from None


def main() -> int:
    """Carry out the request on stdin."""
    die_with(int(sys.argv[1]))
    # The process that waits for this one decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("PGCONNECT_TIMEOUT", _CONNECT_SECONDS)
    request = Request.from_json(sys.stdin.read())
    tell_progress()
    try:
        answer = {view: asdict(exported) for view, exported in export(request, look=LOOK in sys.argv[2:]).items()}
        write_message({"exports": answer})
    except InputError as error:
        write_message({"refused": list(error.sentences)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
