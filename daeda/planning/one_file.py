"""Views of one file, or of several without partitions: every day reads all of it, and is stale when it changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from daeda.catalog.project import Project
from daeda.operators.relational import Scan
from daeda.planning.days import DayPlan
from daeda.planning.sources import Sources
from daeda.sources.models.files import FileSource


def one_file_views(project: Project, sources: Sources) -> tuple[str, ...]:
    """A sentence for each view of rows with a time that is not partitioned, where the range has several days."""
    if len(project.runtime.days) < 2:
        return ()
    return _told(project, [scan for scan in sources.scans if _in_one(project, scan, sources)])


def stale_by_one_file(project: Project, sources: Sources, plans: Iterable[DayPlan]) -> tuple[str, ...]:
    """The same of views whose change makes days stale."""
    reasons = {reason for plan in plans for reason in plan.why_stale}
    changed = [scan for scan in sources.scans if f"input of {scan.name} changed" in reasons]
    return _told(project, [scan for scan in changed if _in_one(project, scan, sources)])


def _in_one(project: Project, scan: Scan, sources: Sources) -> bool:
    files = sources.files[scan.name]
    in_files = isinstance(project.views[scan.view].source, FileSource)
    return scan.time is not None and in_files and not files.partitioned and bool(files.flat)


def _told(project: Project, scans: Collection[Scan]) -> tuple[str, ...]:
    views = sorted({scan.view for scan in scans})
    return tuple(
        f"{project.where(f'view:{view}', ('source', 'path'))}: view '{view}' has no dt= partitions, so that every day "
        "reads all of it and is stale whenever it grows: `daeda import` makes partitions of it, of which a grown file "
        "changes the last ones alone"
        for view in views
    )
