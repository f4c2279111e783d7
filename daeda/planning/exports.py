"""Views that lie in databases, exported once per run: everything behind it reads Parquet, and sees one snapshot.

    <run>/work/exports/<view>.parquet     the columns of the view, its rows in one order
    <run>/work/exports/exports.json       view -> file and what was read, for the halves that the driver starts

All views of one database are read in one transaction, which is read-only. What identifies an export is its content, so
a table that has not changed makes no day stale.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
from sqlglot import exp

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView, Source
from daeda.dataset.layout import Layout
from daeda.dataset.source_files import Export
from daeda.dataset.staging import open_local_staging
from daeda.errors import InputError, did_you_mean, first_line
from daeda.operators.dag import Dag
from daeda.planning.columns import name_mistake
from daeda.settings.runtime import EXPORTS_VARIABLE
from daeda.sql.database import attach_ducklake, attach_postgres, newest_snapshot
from daeda.sql.handle import column
from daeda.sql.locked import Reach, connect
from daeda.storage.access import without_secrets
from daeda.storage.place import below

_INDEX = "exports.json"
_ALIAS = "source"
_OPTIONS = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880"


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


@contextlib.contextmanager
def exported(project: Project, dag: Dag) -> Iterator[Mapping[str, Export]]:
    """The export of each view of the DAG that lies in a database, by the view's name, while the block runs.

    Raises InputError when a database cannot be read as declared.
    """
    names = dict.fromkeys(scan.view for scan in dag.scans)
    views = [project.views[name] for name in names if name in project.views and project.views[name].source.in_database]
    if not views:
        yield {}
        return
    # The driver has set it for the halves that it starts.
    if EXPORTS_VARIABLE in os.environ:
        yield _exported_by_driver()
        return
    with open_local_staging(Layout(project.service_dir, project.scratch_dir)) as staging:
        directory = staging.work / "exports"
        directory.mkdir()
        found = export_views(project, [Wanted(view) for view in views], directory)
        os.environ[EXPORTS_VARIABLE] = str(directory)
        try:
            yield found
        finally:
            del os.environ[EXPORTS_VARIABLE]


def _exported_by_driver() -> dict[str, Export]:
    index = Path(os.environ[EXPORTS_VARIABLE]) / _INDEX
    try:
        held = json.loads(index.read_text(encoding="utf-8"))
        return {name: Export(**one) for name, one in held.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{EXPORTS_VARIABLE}: {index} is not what a driver exported ({first_line(error)}): unset the variable, "
            "which a driver sets for the halves that it starts"
        ) from error


def export_views(project: Project, wanted: Iterable[Wanted], directory: Path) -> dict[str, Export]:
    """Export views into a directory, with an index beside them; raises InputError."""
    found: dict[str, Export] = {}
    for database, held in _by_database(wanted).items():
        found |= _export(project, database, held, directory)
    index = {name: asdict(one) for name, one in found.items()}
    (directory / _INDEX).write_text(json.dumps(index), encoding="utf-8")
    return found


def _by_database(wanted: Iterable[Wanted]) -> dict[tuple[str | None, str | None], list[Wanted]]:
    found: dict[tuple[str | None, str | None], list[Wanted]] = {}
    for one in wanted:
        found.setdefault((one.view.source.postgres, one.view.source.ducklake), []).append(one)
    return found


def _export(
    project: Project, database: tuple[str | None, str | None], wanted: list[Wanted], directory: Path
) -> dict[str, Export]:
    postgres, ducklake = database
    view = wanted[0].view
    config = {"temp_directory": str(directory / "spill"), "secret_directory": str(directory / "secrets")}
    limit = project.runtime.compute.duckdb_config.memory_limit
    if limit is not None:
        config["memory_limit"] = f"{limit}B"

    def attach(connection: duckdb.DuckDBPyConnection) -> Reach:
        if postgres is not None:
            attach_postgres(connection, _ALIAS, postgres)
            return Reach((str(directory),))
        data = attach_ducklake(connection, _ALIAS, below(project.data_root, str(ducklake)))
        return Reach((str(directory), *data))

    with _told(view.name, view.source.database), contextlib.closing(connect(attach, config)) as connection:
        connection.execute("BEGIN TRANSACTION")
        try:
            newest = newest_snapshot(connection, _ALIAS) if ducklake is not None else None
            return {one.view.name: _copy(connection, one, newest, directory) for one in wanted}
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
