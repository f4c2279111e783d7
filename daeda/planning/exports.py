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
import select
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.dataset.layout import layout_of
from daeda.dataset.publish.staging import open_local_staging
from daeda.errors import InputError, first_line
from daeda.operators.dag import Dag
from daeda.settings.runtime import EXPORTS_VARIABLE
from daeda.sources.exports import process as export_process
from daeda.sources.exports.request import LEAST_BYTES, LEAST_TICKS, Request, Wanted
from daeda.sources.files import Export
from daeda.sources.models.source import DatabaseSource
from daeda.storage.regular import read_regular

_INDEX = "exports.json"
_LOOK_SECONDS = 0.25
_START_SECONDS = 120.0


@contextlib.contextmanager
def exported(project: Project, dag: Dag) -> Iterator[Mapping[str, Export]]:
    """The export of each view of the DAG that lies in a database, by the view's name, while the block runs.

    Raises InputError when a database cannot be read as declared.
    """
    names = dict.fromkeys(scan.view for scan in dag.scans)
    views = [project.views[name] for name in names if name in project.views]
    wanted = [wanted_of(view, view.source) for view in views if isinstance(view.source, DatabaseSource)]
    if not wanted:
        yield {}
        return
    # The driver has set it for the halves that it starts.
    if EXPORTS_VARIABLE in os.environ:
        yield _exported_by_driver()
        return
    with open_local_staging(layout_of(project)) as staging:
        directory = staging.work / "exports"
        directory.mkdir()
        exports = export_views(project, wanted, directory)
        os.environ[EXPORTS_VARIABLE] = str(directory)
        try:
            yield exports
        finally:
            del os.environ[EXPORTS_VARIABLE]


def _exported_by_driver() -> dict[str, Export]:
    index = Path(os.environ[EXPORTS_VARIABLE]) / _INDEX
    try:
        return {name: Export(**export) for name, export in json.loads(read_regular(index)).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{EXPORTS_VARIABLE}: {index} is not what a driver exported ({first_line(error)}): unset the variable, "
            "which a driver sets for the halves that it starts"
        ) from error


def wanted_of(view: FeatureView, source: DatabaseSource) -> Wanted:
    """All columns of a view, its rows sorted by time and then by the other columns."""
    names = sorted((field.name for field in view.fields), key=lambda name: name != source.timestamp_field)
    columns = (view.source_name(field.name) for field in view.fields)
    return Wanted(view.name, source, tuple(columns), tuple(map(view.source_name, names)))


def export_views(project: Project, wanted: Iterable[Wanted], directory: Path) -> dict[str, Export]:
    """Export views into a directory, with an index beside them; raises InputError."""
    by_database: dict[str, list[Wanted]] = {}
    for view in wanted:
        by_database.setdefault(view.source.database, []).append(view)
    exports: dict[str, Export] = {}
    for together in by_database.values():
        exports |= _in_process(project, together, directory)
    index = {name: asdict(export) for name, export in exports.items()}
    (directory / _INDEX).write_text(json.dumps(index), encoding="utf-8")
    return exports


def _in_process(project: Project, wanted: list[Wanted], directory: Path) -> dict[str, Export]:
    """The exports of one database; the process that makes them is ended where the database has had its time."""
    limit = project.runtime.compute.duckdb_config.memory_limit
    request = Request(tuple(wanted), project.data_root, directory, limit)
    seconds = float(project.runtime.timeouts.database_seconds)
    process = subprocess.Popen(
        [sys.executable, "-m", export_process.__name__, str(os.getpid())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    first = wanted[0]
    with process:
        try:
            answer = _answer(process, request.to_json(), seconds)
        finally:
            process.kill()
    match answer:
        case {"exports": dict(exports)}:
            return {name: Export(**export) for name, export in exports.items()}
        case {"refused": list(sentences)}:
            raise InputError(*sentences)
        case None:
            raise InputError(
                f"view '{first.view}': {first.source.database} has answered nothing for {seconds:g} s: see whether it "
                "works, or raise timeouts.database_seconds"
            )
        case _:
            raise InputError(
                f"view '{first.view}': {first.source.database} cannot be read: the process that exports it ended "
                f"without a word (exit code {process.returncode}); what a library said stands above"
            )


def _answer(process: subprocess.Popen[bytes], request: str, seconds: float) -> dict[str, Any] | None:
    """The last line that the process writes, empty where there is none; None where it is stuck for so long."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(request.encode())
        process.stdin.close()
    # On a busy machine its imports take a while, and are not the database's.
    before, since, read = (-LEAST_BYTES, 0), time.monotonic() + _START_SECONDS, b""
    while True:
        ready, _, _ = select.select([process.stdout], [], [], _LOOK_SECONDS)
        more = os.read(process.stdout.fileno(), 1 << 16) if ready else None
        *lines, read = (read + (more or b"")).split(b"\n")
        for line in lines:
            message: dict[str, Any] = json.loads(line)
            if "progress" not in message:
                return message
            nbytes, ticks = message["progress"]
            if nbytes - before[0] >= LEAST_BYTES or ticks - before[1] >= LEAST_TICKS:
                before, since = (nbytes, ticks), time.monotonic()
        if more == b"":
            return {}
        if time.monotonic() - since > seconds:
            return None
