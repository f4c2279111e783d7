"""The plan of a run: for each day and dataset, what is to be done and why. `plan`, `train` and both halves read it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from daeda.catalog.project import Project
from daeda.catalog.view import FeatureView
from daeda.dataset.fingerprint import enriched_fingerprint, operator_digests, skeleton_fingerprint
from daeda.dataset.layout import Dataset, Layout
from daeda.dataset.manifest import Fingerprint, Manifest, Part
from daeda.dataset.published import Published, look_at_days
from daeda.dataset.stores import FindStores
from daeda.errors import DayError, InputError, NothingThere, UsageError, counted, shortened
from daeda.operators.dag import Dag
from daeda.operators.relational import Scan, ScanColumn
from daeda.planning.functions import function_codes
from daeda.sources.files import Export, SourceFiles, parse_day
from daeda.sources.identity import Identities
from daeda.sources.listing import find_files
from daeda.sources.partitions import files_needed, missing_days
from daeda.storage.input_file import InputFile
from daeda.storage.objects import before_the_first_day

MISSING_ADVICE = (
    "add the partitions (a directory without rows is an empty day), or say source.missing_partitions: empty"
)


class Action(Enum):
    """What is to be done with a day."""

    BUILD = "build"
    SKIP = "skip"
    REBUILD = "rebuild"
    KEEP = "keep"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class DayPlan:
    """One day of one dataset; `reasons` say why it is rebuilt, kept or blocked.

    `parts` are those that are published now, None where the day is not. `damage` says how what is there differs from
    what was published, `obstacles` what is in the way and not daeda's to delete. `stamps` are those of parts that were
    copied or touched, and whose bytes are as published. `planned` is the fingerprint that the day is to have, where the
    plan needed to know it.
    """

    day: dt.date
    dataset: Dataset
    action: Action
    reasons: tuple[str, ...] = ()
    files: int = 0
    cut: tuple[str, ...] = ()
    parts: tuple[Part, ...] | None = field(default=None, repr=False)
    damage: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    lacks_partitions: bool = False
    stamps: Mapping[str, str] = field(default_factory=dict, repr=False)
    planned: Fingerprint | None = field(default=None, repr=False)

    @property
    def builds(self) -> bool:
        """Whether work is to be done."""
        return self.action in (Action.BUILD, Action.REBUILD)


@dataclass(frozen=True)
class Sources:
    """The files of every Scan of a DAG, by operator name.

    `unread` holds, by view, the fields that the view declares and no Scan reads.
    """

    scans: tuple[Scan, ...]
    files: dict[str, SourceFiles]
    exports: Mapping[str, Export] = field(default_factory=dict)
    unread: Mapping[str, tuple[ScanColumn, ...]] = field(default_factory=dict)

    def needed(self, day: dt.date) -> dict[str, tuple[str, ...]]:
        """Files that each Scan reads for a day; raises InputError for missing partitions."""
        return {scan.name: files_needed(scan, self.files[scan.name], day) for scan in self.scans}

    def places(self, *scans: Scan) -> tuple[str, ...]:
        """Files and directories that these Scans read, all of them without an argument; links followed."""
        found = (place for scan in scans or self.scans for place in self.files[scan.name].places())
        return tuple(dict.fromkeys(found))


@before_the_first_day()
def find_sources(project: Project, dag: Dag, exports: Mapping[str, Export] | None = None) -> Sources:
    """List the files behind every Scan; raises InputError when a view has none. `exports` are those of databases."""
    listed: dict[str, SourceFiles] = {}
    for scan in dag.scans:
        if exports and scan.view in exports:
            listed[scan.name] = exports[scan.view].files(scan.path)
            continue
        path = project.data_path(scan.path)
        known = next((files for files in listed.values() if files.path == path), None)
        listed[scan.name] = known or _find_files(project, scan)
    views = {scan.view: project.views[scan.view] for scan in dag.scans if scan.view in project.views}
    return Sources(dag.scans, listed, exports or {}, {name: _unread(view, dag) for name, view in views.items()})


def _unread(view: FeatureView, dag: Dag) -> tuple[ScanColumn, ...]:
    read = {one.name for scan in dag.scans if scan.view == view.name for one in scan.columns}
    return tuple(
        ScanColumn(name=one.name, source=view.source_name(one.name), dtype=one.dtype)
        for one in view.fields
        if one.name not in read
    )


def _find_files(project: Project, scan: Scan) -> SourceFiles:
    try:
        return find_files(scan.path, scan.view, project.data_root)
    except NothingThere as error:
        view = project.views.get(scan.view)
        if view is None or view.source.reference != scan.path:  # of a pipeline that was edited by hand
            raise
        raise NothingThere(f"{project.where(f'view:{scan.view}', ('source', 'path'))}: {error}") from error


def chosen_days(project: Project, target: str | None) -> tuple[dt.date, ...]:
    """The days of the range, or the one target day; raises UsageError when it lies outside the range."""
    days = project.runtime.days
    if target is None:
        return days
    day = parse_day(target)
    if day is None:
        raise UsageError(
            f"--target-date '{target}' is not a day: write YYYY-MM-DD, from {days[0]} to {days[-1]} (feed_start and "
            f"feed_end of {project.documents['runtime'].shown})"
        )
    if day not in days:
        raise UsageError(
            f"--target-date {day} lies outside the range {days[0]} to {days[-1]} (feed_start and feed_end of "
            f"{project.documents['runtime'].shown}): choose a day of the range, or widen it"
        )
    return (day,)


@before_the_first_day()
def plan_skeleton(
    project: Project, dag: Dag, sources: Sources, days: Iterable[dt.date], on_stale: str, *, verify: bool = False
) -> tuple[DayPlan, ...]:
    """The skeleton days. `dag` is the skeleton's; with `verify` the parts of all published days are digested."""
    chosen = tuple(days)
    published = look_at_days(Layout(project.service_dir, project.scratch_dir), "skeleton", chosen, verify=verify)
    identities = _Snapshot()
    code = (operator_digests(dag.operators), function_codes(project, dag))
    return tuple(_skeleton_day(project, published.get(day), code, sources, identities, day, on_stale) for day in chosen)


@before_the_first_day()
def plan_enriched(
    project: Project,
    dag: Dag,
    skeleton: Iterable[DayPlan],
    on_stale: str,
    find_stores: FindStores,
    *,
    verify: bool = False,
) -> tuple[DayPlan, ...]:
    """The enriched days, given what happens to their skeleton days. `dag` is the whole one; `verify` as above.

    The stores are asked for where a published day is to be compared with them.
    """
    plans = tuple(skeleton)
    layout = Layout(project.service_dir, project.scratch_dir)
    published = look_at_days(layout, "enriched", [one.day for one in plans], verify=verify)
    return tuple(_enriched_day(published.get(one.day), dag, one, on_stale, find_stores) for one in plans)


def refuse_blocked(plans: Iterable[DayPlan]) -> None:
    """Raise InputError for days whose partitions are missing, or in whose place something else is."""
    blocked = [one for one in plans if one.action is Action.BLOCKED]
    in_the_way = [sentence for one in blocked for sentence in one.obstacles]
    if in_the_way:
        raise InputError(shortened(in_the_way, 6))
    if blocked:
        reasons = sorted({reason for one in blocked for reason in one.reasons})
        raise InputError(
            f"{counted(len(blocked), 'day')} cannot be built, the first is {blocked[0].day}: {shortened(reasons)}: "
            f"{MISSING_ADVICE}"
        )


def refuse_stale(plans: Iterable[DayPlan]) -> None:
    """Raise DayError for days that would be rebuilt: what `--on-stale fail` asks for."""
    stale = [one for one in plans if one.action is Action.REBUILD]
    if stale:
        raise DayError(
            f"stale: {shortened([f'{one.day} ({one.dataset})' for one in stale])}; the first because "
            f"{shortened(stale[0].reasons)}; build what is stale anew with --on-stale rebuild"
        )


class _Snapshot:
    """Identities of files as they are while one plan is made: each file is looked at once."""

    def __init__(self) -> None:
        self._seen: dict[str, InputFile] = {}

    def of(self, operator: str, path: str, known: Identities, files: SourceFiles) -> InputFile:
        if path not in self._seen:
            self._seen[path] = known.of(operator, path, files)
        return self._seen[path]


def _skeleton_day(
    project: Project,
    published: Published | None,
    code: tuple[dict[str, str], dict[str, str]],
    sources: Sources,
    identities: _Snapshot,
    day: dt.date,
    on_stale: str,
) -> DayPlan:
    missing = {
        f"{scan.view} has no partition for {one}"
        for scan in sources.scans
        for one in missing_days(scan, sources.files[scan.name], day)
    }
    if missing:
        return DayPlan(day, "skeleton", Action.BLOCKED, tuple(sorted(missing)), lacks_partitions=True)
    if published is not None and published.obstacles:
        return _obstructed(published, day, "skeleton")
    needed = sources.needed(day)
    count = sum(len(paths) for paths in needed.values())
    cut = tuple(_cut_windows(project, sources, day))
    if published is None or published.manifest is None:
        return _without_manifest(published, day, "skeleton", on_stale, count, cut)
    known = Identities(published.manifest.inputs)
    inputs = {
        name: [identities.of(name, path, known, sources.files[name]) for path in paths]
        for name, paths in needed.items()
    }
    digests, functions = code
    new = skeleton_fingerprint(digests, inputs, project.runtime.rows_per_part, functions)
    action, reasons = _compare(published, published.manifest, new, on_stale)
    parts = published.manifest.parts
    damage, stamps = published.damage, published.stamps
    return DayPlan(day, "skeleton", action, reasons, count, cut, parts, damage, stamps=stamps, planned=new)


def _obstructed(published: Published, day: dt.date, dataset: Dataset) -> DayPlan:
    """A day in whose place something lies that is not daeda's to delete."""
    return DayPlan(day, dataset, Action.BLOCKED, published.obstacles, obstacles=published.obstacles)


def _without_manifest(
    published: Published | None,
    day: dt.date,
    dataset: Dataset,
    on_stale: str,
    files: int = 0,
    cut: tuple[str, ...] = (),
) -> DayPlan:
    """A day that is to be built: nothing is there, or nothing that tells what it is."""
    damage = published.damage if published is not None else ()
    if not damage:
        return DayPlan(day, dataset, Action.BUILD, files=files, cut=cut)
    return DayPlan(day, dataset, _stale(on_stale), damage, files, cut, damage=damage)


def _enriched_day(
    published: Published | None, dag: Dag, skeleton: DayPlan, on_stale: str, find_stores: FindStores
) -> DayPlan:
    day = skeleton.day
    if skeleton.action is Action.BLOCKED:
        return DayPlan(day, "enriched", Action.BLOCKED, ("its skeleton day is blocked",))
    if published is not None and published.obstacles:
        return _obstructed(published, day, "enriched")
    if published is None or published.manifest is None:
        return _without_manifest(published, day, "enriched", on_stale)
    damage, stamps = published.damage, published.stamps
    if skeleton.builds or skeleton.parts is None:
        reasons: tuple[str, ...] = ("its skeleton day is built anew", *damage)
        return DayPlan(day, "enriched", _stale(on_stale), reasons, damage=damage, stamps=stamps)
    action, reasons = _compare(
        published, published.manifest, enriched_fingerprint(dag, skeleton.parts, find_stores()), on_stale
    )
    return DayPlan(day, "enriched", action, reasons, damage=damage, stamps=stamps)


def _compare(
    published: Published, manifest: Manifest, new: Fingerprint, on_stale: str
) -> tuple[Action, tuple[str, ...]]:
    reasons = (*manifest.fingerprint.differences(new), *published.damage)
    return (_stale(on_stale), reasons) if reasons else (Action.SKIP, ())


def _stale(on_stale: str) -> Action:
    return Action.KEEP if on_stale == "keep" else Action.REBUILD


def _cut_windows(project: Project, sources: Sources, day: dt.date) -> list[str]:
    """Views whose first partition lies inside the window that the day looks back over."""
    found = []
    for scan in sources.scans:
        first = sources.files[scan.name].first_day
        whole = scan.lookback.days if scan.lookback is not None else None
        if first is None or whole is None or (day - first).days >= whole:
            continue
        found.append(f"{scan.view} begins on {first}, inside the window of {scan.lookback}")
    return sorted(set(found))
