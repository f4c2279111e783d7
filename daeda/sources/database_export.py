"""The export of views of one database, in a process of its own: `python -m daeda.sources.database_export`.

Whoever waits inside of a database's library hears no signal and no clock, so the process that waits is one that another
can end. It reads a request on stdin, and writes the exports, or what was refused, on stdout.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
from sqlglot import exp

from daeda.catalog.view import FeatureView, Source
from daeda.errors import InputError, did_you_mean, first_line
from daeda.process.supervised import die_with
from daeda.sources.columns import name_mistake
from daeda.sources.export_progress import tell_progress
from daeda.sources.files import Export
from daeda.sql.database import attach_ducklake, attach_postgres, newest_snapshot
from daeda.sql.handle import column
from daeda.sql.locked import AllowedPaths, connect
from daeda.storage.access import without_secrets
from daeda.storage.location import below

_ALIAS = "source"
_OPTIONS = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"
# Of a server that takes a connection and says nothing; the user's own variable or service file goes before it.
_CONNECT_SECONDS = "30"


@dataclass(frozen=True)
class Wanted:
    """A view to export; of a DuckLake at a snapshot, or as the view declares it."""

    view: FeatureView
    snapshot: int | None = None

    @property
    def source(self) -> Source:
        """What is read."""
        if self.snapshot is None:
            return self.view.source
        return self.view.source.model_copy(update={"snapshot": self.snapshot})


@dataclass(frozen=True)
class Request:
    """What one process exports: views of one database, into a directory."""

    wanted: tuple[Wanted, ...]
    data_root: str
    directory: Path
    memory_limit: int | None

    def to_json(self) -> str:
        """The request as the process reads it."""
        views = [[one.view.model_dump(mode="json", exclude_unset=True), one.snapshot] for one in self.wanted]
        return json.dumps([views, self.data_root, str(self.directory), self.memory_limit])

    @classmethod
    def from_json(cls, text: str) -> Request:
        """The request that `to_json` wrote."""
        views, data_root, directory, memory_limit = json.loads(text)
        wanted = tuple(Wanted(FeatureView.model_validate(view), snapshot) for view, snapshot in views)
        return cls(wanted, data_root, Path(directory), memory_limit)


def export(request: Request) -> dict[str, Export]:
    """Export in this process, which nothing can end while a database is silent; raises InputError."""
    view, directory = request.wanted[0].view, request.directory
    postgres, ducklake = view.source.postgres, view.source.ducklake
    config = {"temp_directory": str(directory / "spill"), "secret_directory": str(directory / "secrets")}
    if request.memory_limit is not None:
        config["memory_limit"] = f"{request.memory_limit}B"

    def attach(connection: duckdb.DuckDBPyConnection) -> AllowedPaths:
        if postgres is not None:
            attach_postgres(connection, _ALIAS, postgres)
            return AllowedPaths((str(directory),))
        data = attach_ducklake(connection, _ALIAS, below(request.data_root, str(ducklake)))
        return AllowedPaths((str(directory), *data))

    with _told(view.name, view.source.database), contextlib.closing(connect(attach, config)) as connection:
        connection.execute("BEGIN TRANSACTION")
        try:
            newest = newest_snapshot(connection, _ALIAS) if ducklake is not None else None
            return {one.view.name: _copy(connection, one, newest, directory) for one in request.wanted}
        finally:
            # Before the connection is closed: a rollback that fails there, the server being gone, ends the process.
            with contextlib.suppress(duckdb.Error):
                connection.execute("ROLLBACK")


def _pinned(wanted: Wanted, newest: int | None) -> Source:
    """The source at a snapshot that has a number, so that it can be read again."""
    source = wanted.source
    return source if source.snapshot is not None else source.model_copy(update={"snapshot": newest})


def _copy(connection: duckdb.DuckDBPyConnection, wanted: Wanted, newest: int | None, directory: Path) -> Export:
    view, source = wanted.view, _pinned(wanted, newest)
    target = str(directory / f"{view.name}.parquet")
    time = view.source.timestamp_field
    names = sorted((one.name for one in view.fields), key=lambda name: name != time)
    ordered = [exp.Ordered(this=column(view.source_name(name)), nulls_first=True) for name in names]
    columns = (column(view.source_name(one.name)) for one in view.fields)
    query = exp.select(*columns).from_(_relation(source)).order_by(*ordered)
    with _told(view.name, wanted.source.reference):
        _check_names(connection, view, source)
        connection.execute(f"COPY ({query.sql('duckdb')}) TO {exp.Literal.string(target).sql('duckdb')} ({_OPTIONS})")
    return Export(target, source.reference)


def _check_names(connection: duckdb.DuckDBPyConnection, view: FeatureView, source: Source) -> None:
    """Raise InputError unless each field has one column, by its very name: DuckDB folds case, and knows a `rowid`."""
    described = connection.execute(f"DESCRIBE {exp.select('*').from_(_relation(source)).sql('duckdb')}").fetchall()
    names = [str(row[0]) for row in described]
    for one in view.fields:
        mistake = name_mistake(view.source_name(one.name), names)
        if mistake is not None:
            known = f": {did_you_mean(view.source_name(one.name), names)}" if "no column" in mistake else ""
            raise InputError(f"view '{view.name}': {source.reference} {mistake}{known}")


def _relation(source: Source) -> exp.Expr:
    """The table, or what Postgres answers to the query, as DuckDB reads it."""
    if source.query is not None:
        texts = [exp.Literal.string(_ALIAS), exp.Literal.string(source.query)]
        return exp.Anonymous(this="postgres_query", expressions=texts)
    schema, dot, name = str(source.table).rpartition(".")
    parts = (_ALIAS, *((schema,) if dot else ("public" if source.postgres else "main",)), name)
    path = ".".join(exp.to_identifier(part, quoted=True).sql("duckdb") for part in parts)
    version = "" if source.snapshot is None else f" AT (VERSION => {source.snapshot})"
    return exp.Var(this=f"{path}{version}")


@contextlib.contextmanager
def _told(view: str, reference: str) -> Iterator[None]:
    """What the database or DuckDB refuses, as a mistake of the view."""
    try:
        yield
    except (duckdb.Error, InputError) as error:
        if isinstance(error, InputError) and str(error).startswith("view '"):
            raise
        reason = without_secrets(first_line(error))
        raise InputError(
            f"view '{view}': {reference} cannot be read ({reason}): correct source and fields of the view, or the "
            "environment (PGHOST, PGUSER, PGPASSWORD ..., or the service)"
            if reference.startswith("postgres:")
            else f"view '{view}': {reference} cannot be read ({reason}): correct source and fields of the view"
        ) from None


def main() -> int:
    """Carry out the request on stdin."""
    parent = int(sys.argv[1])
    die_with(parent)
    # The process that waits for this one decides when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("PGCONNECT_TIMEOUT", _CONNECT_SECONDS)
    request = Request.from_json(sys.stdin.read())
    tell_progress()
    try:
        answer = {name: asdict(one) for name, one in export(request).items()}
        print(json.dumps({"exports": answer}), flush=True)
    except InputError as error:
        print(json.dumps({"refused": list(error.sentences)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
