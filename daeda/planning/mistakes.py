"""Everything that can be known of a project without building a day: what is wrong, and what is told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.compiler.unused import warnings_of
from daeda.dataset.layout import layout_of
from daeda.dataset.published import look_at_days
from daeda.errors import InputError, NothingThere, UserError
from daeda.operators.dag import Dag
from daeda.operators.operator import Instant
from daeda.operators.relational import Scan, ScanColumn
from daeda.planning.days import Action, DayPlan, day_that_waits, refuse_waiting, told_waiting
from daeda.planning.emptiness import refuse_empty_range, wrong_units
from daeda.planning.file_check import check_file
from daeda.planning.immature import told_immature
from daeda.planning.maturity import Maturity
from daeda.planning.preflight import check_sources
from daeda.planning.sources import Sources, find_sources
from daeda.sources.files import Export
from daeda.sources.listing import find_files
from daeda.sources.models.source import DatabaseSource
from daeda.sources.partitions import missing_days
from daeda.storage.objects import before_the_first_day


@dataclass(frozen=True)
class Looked:
    """What was found: `mistakes` keep days from being built, `warnings` do not. `sources` are those that are there.

    `notes` say which days wait for their labels, or lack them: they need what is not known yet, and nothing is wrong.
    """

    mistakes: tuple[str, ...]
    warnings: tuple[str, ...]
    sources: Sources | None = None
    notes: tuple[str, ...] = ()


@before_the_first_day()
def look_at_input(project: Project, dag: Dag, exports: Mapping[str, Export]) -> Looked:
    """Look at the input of every day of the range; `dag` is the whole one."""
    skeleton = dag.skeleton()
    mistakes: list[str] = []
    reachable = []
    for scan in skeleton.scans:
        try:
            if scan.view not in exports:
                find_files(scan.path, scan.view, project.data_root)
            reachable.append(scan)
        except NothingThere as error:
            place = f"{project.where(f'view:{scan.view}', ('source', 'path'))}: " if scan.view in project.views else ""
            mistakes.append(f"{place}{error}")
        except UserError as error:
            mistakes += error.sentences
    warnings = warnings_of(project, dag)
    if len(reachable) < len(skeleton.scans):
        return Looked(tuple(dict.fromkeys(mistakes)), warnings)
    sources = find_sources(project, skeleton, exports)
    planned = _plans(project, skeleton, sources)
    # What a day that waits lacks may be what it waits for.
    days = [plan.day for plan in planned if not plan.waiting or not _lacks_partitions(sources, plan.day)]
    checks: list[Callable[[], object]] = [
        lambda: check_sources(project, skeleton, sources, days),
        lambda: refuse_empty_range(project, sources, planned),
    ]
    for check in checks:
        try:
            check()
        except UserError as error:
            mistakes += error.sentences
    warnings = (*warnings, *wrong_units(project, sources))
    notes = list(told_immature(sources.immature))
    try:
        refuse_waiting(planned, None)
        notes[:0] = [waiting] if (waiting := told_waiting(planned)) else []
    except InputError as error:
        mistakes += error.sentences
    return Looked(tuple(dict.fromkeys(mistakes)), tuple(dict.fromkeys(warnings)), sources, tuple(notes))


def _plans(project: Project, skeleton: Dag, sources: Sources) -> list[DayPlan]:
    """The days as if none were published, but where all of them wait: then it matters which are."""
    maturity = Maturity(skeleton, sources.files, project.runtime.data_until)
    planned = []
    for day in project.runtime.days:
        waiting = maturity.waiting(day)
        planned.append(day_that_waits(day, waiting) if waiting else DayPlan(day, "skeleton", Action.BUILD))
    if not all(plan.waiting for plan in planned):
        return planned
    manifests = {
        day: there.manifest
        for day, there in look_at_days(layout_of(project), "skeleton", project.runtime.days).items()
        if there.manifest is not None
    }
    return [replace(plan, parts=manifests[plan.day].parts) if plan.day in manifests else plan for plan in planned]


def _lacks_partitions(sources: Sources, day: dt.date) -> bool:
    return any(missing_days(scan, sources.files[scan.name], day) for scan in sources.scans_of(day))


@before_the_first_day()
def look_at_views(project: Project) -> tuple[str, ...]:
    """The mistakes of each view by itself, where the service cannot be compiled: one file of it is looked at."""
    mistakes: list[str] = []
    for view in project.views.values():
        if isinstance(view.source, DatabaseSource):
            continue
        scan = scan_of_view(view)
        try:
            files = find_files(scan.path, view.name, project.data_root)
        except NothingThere as error:
            mistakes.append(f"{project.where(f'view:{view.name}', ('source', 'path'))}: {error}")
            continue
        except InputError as error:
            mistakes += error.sentences
            continue
        for path in files.in_order[-1:]:
            looked = check_file([scan], path, files.partition_of(path), files.versions.get(path))
            mistakes += [sentence for _, sentence in looked.problems[0]]
    return tuple(dict.fromkeys(mistakes))


def scan_of_view(view: FeatureView) -> Scan:
    """A Scan of all fields of a view, whoever reads them."""
    source = view.source
    time = source.timestamp_field
    created = source.created_field
    return Scan(
        name=f"check_{view.name}",
        output=view.name,
        view=view.name,
        path=source.reference,
        reads="static",
        time=Instant(column=time, unit=view.unit_of(time).symbol) if time else None,
        created=Instant(column=created, unit=view.unit_of(created).symbol) if created else None,
        columns=tuple(
            ScanColumn(name=field.name, source=view.source_name(field.name), dtype=field.dtype) for field in view.fields
        ),
        partition_slack=source.partition_slack,
        null_timestamps=source.null_timestamps,
        missing_partitions=source.missing_partitions,
    )
