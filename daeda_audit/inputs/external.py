"""What an audit reads that does not lie in local files: copies of objects, and views of databases as Parquet.

Views of databases are exported by a process of the product, `python -m daeda.planning.export_views`, since nothing here
reaches a database: what is shared is the way to the rows, and nothing that computes. Of a DuckLake the snapshot is read
that the manifest of the day names; of Postgres, which keeps none, what is there now.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from daeda.catalog.project import Project
from daeda.errors import InputError
from daeda.flags.parser import forwarded
from daeda.flags.table import PROJECT
from daeda.process.messages import say
from daeda.settings.runtime import AUDIT_WORK_VARIABLE
from daeda.sources.models.source import DatabaseSource
from daeda_audit.declared import read_views
from daeda_audit.published.days import PublishedDay
from daeda_audit.raw.local_copies import Export, LocalCopies, snapshot_of, table_of
from daeda_audit.raw.view import RawViews


@contextlib.contextmanager
def work_directory() -> Iterator[Path]:
    """Where the audit may write: in the staging area, as the driver gives it, or else in a temporary directory."""
    given = os.environ.get(AUDIT_WORK_VARIABLE)
    with tempfile.TemporaryDirectory(prefix="daeda-audit-", dir=given) as name:
        yield Path(name)


def run_product(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str | None:
    """Run a module of the product in a process of its own; returns the last sentence of its error, None for none."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.returncode:
        return None
    lines = done.stderr.splitlines()
    sentences = [line for line in lines if line.startswith("error:")]
    return (sentences or lines or [""])[-1].removeprefix("error: ")


class ExternalInputs:
    """The views of a project as the days of an audit read them; everything is written below `directory`."""

    def __init__(self, project: Project, arguments: argparse.Namespace, directory: Path) -> None:
        self.directory = directory
        self._project = project
        self._arguments = arguments
        self._local_copies = LocalCopies(directory / "objects")
        views = read_views(project)
        self._databases = {view.name: view.source for view in views if isinstance(view.source, DatabaseSource)}
        self._opened: dict[tuple[str, ...], tuple[RawViews, Mapping[str, Export]]] = {}
        self._told: set[str] = set()

    @property
    def days(self) -> Path:
        """Where the parts of days on object storage are copied to."""
        return self.directory / "days"

    def views(self, published: Sequence[PublishedDay]) -> RawViews:
        """The raw views as a day read them; raises InputError where a database cannot be read."""
        return self._open(published)[0]

    def exports(self, published: Sequence[PublishedDay]) -> Mapping[str, Export]:
        """The exports among them, by the name of the view."""
        return self._open(published)[1]

    def _open(self, published: Sequence[PublishedDay]) -> tuple[RawViews, Mapping[str, Export]]:
        pinned = {name: _snapshot_read(source, published) for name, source in self._databases.items()}
        key = tuple(pinned.values())
        if key not in self._opened:
            exports = self._export(pinned, published) if pinned else {}
            self._opened[key] = RawViews(self._project, self._local_copies, exports), exports
        return self._opened[key]

    def _export(self, pinned: Mapping[str, str], published: Sequence[PublishedDay]) -> dict[str, Export]:
        try:
            exports = self._run(pinned)
        except InputError as error:
            if not any(pinned.values()):
                raise
            self._say(f"note: what {published[0].day} read is not there any more ({error}): the newest is read instead")
            pinned = dict.fromkeys(pinned, "")
            exports = self._run(pinned)
        for name, export in exports.items():
            if self._databases[name].pinned:
                continue
            if pinned[name]:
                self._say(f"note: view '{name}' is read from {export.reference}, the snapshot that was built from")
            else:
                self._say(
                    f"note: view '{name}' is read from {export.reference} as it is now, and not as it was for the "
                    "days: rows that changed since then show as mismatches"
                )
        return exports

    def _run(self, pinned: Mapping[str, str]) -> dict[str, Export]:
        directory = self.directory / f"exports-{len(list(self.directory.glob('exports-*')))}"
        directory.mkdir()
        words = [f"{name}@{snapshot}" if snapshot else name for name, snapshot in pinned.items()]
        command = ["daeda.planning.export_views", self._project.service.name]
        command += [*forwarded(self._arguments, PROJECT), "--into", str(directory), "--view", *words]
        error = run_product(command)
        if error is not None:
            raise InputError(error or "the export gave no message")
        index = json.loads((directory / "exports.json").read_text(encoding="utf-8"))
        return {name: Export(Path(export["path"]), export["reference"]) for name, export in index.items()}

    def _say(self, line: str) -> None:
        """Once, however many days it is true of."""
        if line not in self._told:
            self._told.add(line)
            say(line)


def _snapshot_read(source: DatabaseSource, published: Sequence[PublishedDay]) -> str:
    """The snapshot that a day read of a view; empty where its manifest names none, or the view does itself."""
    if source.pinned:
        return ""
    inputs = [file.path for day in published for file in day.manifest.inputs]
    read = (path for path in inputs if table_of(path) == source.reference)
    return next((snapshot_of(path) for path in read), "")
