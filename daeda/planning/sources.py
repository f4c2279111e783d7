"""The files behind every Scan of a service, listed once for a run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.errors import NothingThere
from daeda.operators.dag import Dag
from daeda.operators.relational import Scan, ScanColumn
from daeda.planning.immature import ImmatureDay, find_immature
from daeda.sources.files import Export, SourceFiles
from daeda.sources.listing import find_files
from daeda.sources.partitions import files_needed
from daeda.storage.objects import before_the_first_day


@dataclass(frozen=True)
class Sources:
    """The files of every Scan of a DAG, by operator name.

    `unread` holds, by view, the fields that the view declares and no Scan reads. `immature` holds days some of whose
    labels are not mature: they read less.
    """

    scans: tuple[Scan, ...]
    files: dict[str, SourceFiles]
    exports: Mapping[str, Export] = field(default_factory=dict)
    unread: Mapping[str, tuple[ScanColumn, ...]] = field(default_factory=dict)
    immature: Mapping[dt.date, ImmatureDay] = field(default_factory=dict)
    _needed: dict[dt.date, Mapping[str, tuple[str, ...]]] = field(default_factory=dict, init=False, repr=False)

    def scans_of(self, day: dt.date) -> tuple[Scan, ...]:
        """The Scans of a day."""
        return self.immature[day].scans if day in self.immature else self.scans

    def needed(self, day: dt.date) -> Mapping[str, tuple[str, ...]]:
        """Files that each Scan reads for a day; raises InputError for missing partitions."""
        if day not in self._needed:
            scans = self.scans_of(day)
            self._needed[day] = {scan.name: files_needed(scan, self.files[scan.name], day) for scan in scans}
        return self._needed[day]

    def places(self, *scans: Scan) -> tuple[str, ...]:
        """Files and directories that these Scans read, all of them without an argument; links followed."""
        paths = (path for scan in scans or self.scans for path in self.files[scan.name].places())
        return tuple(dict.fromkeys(paths))


@before_the_first_day()
def find_sources(project: Project, dag: Dag, exports: Mapping[str, Export] | None = None) -> Sources:
    """List the files behind every Scan; raises InputError when a view has none. `exports` are those of databases."""
    listed: dict[str, SourceFiles] = {}
    of_path: dict[tuple[str, int | None], SourceFiles] = {}
    said = project.runtime.data_until
    for scan in dag.scans:
        if exports and scan.view in exports:
            listed[scan.name] = exports[scan.view].files(scan.path)
            continue
        path = project.data_path(scan.path)
        until = said.get(scan.view, said.get(""))
        if (path, until) not in of_path:
            known = next((files for (of_files, _), files in of_path.items() if of_files == path), None)
            of_path[path, until] = replace(known or _find_files(project, scan), complete_before=until)
        listed[scan.name] = of_path[path, until]
    views = {scan.view: project.views[scan.view] for scan in dag.scans if scan.view in project.views}
    unread = {name: _unread(view, dag) for name, view in views.items()}
    immature = find_immature(dag, listed, project.runtime.data_until, project.runtime.days)
    return Sources(dag.scans, listed, exports or {}, unread, immature)


def _unread(view: FeatureView, dag: Dag) -> tuple[ScanColumn, ...]:
    read = {column.name for scan in dag.scans if scan.view == view.name for column in scan.columns}
    return tuple(
        ScanColumn(name=field.name, source=view.source_name(field.name), dtype=field.dtype)
        for field in view.fields
        if field.name not in read
    )


def _find_files(project: Project, scan: Scan) -> SourceFiles:
    try:
        return find_files(scan.path, scan.view, project.data_root)
    except NothingThere as error:
        view = project.views.get(scan.view)
        if view is None or view.source.reference != scan.path:  # of a pipeline that was edited by hand
            raise
        raise NothingThere(f"{project.where(f'view:{scan.view}', ('source', 'path'))}: {error}") from error
