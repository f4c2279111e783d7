"""Checks before the first day: files, columns, types, timestamps, keys. Whatever they find is exit code 2."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.catalog.project import Project
from daeda.dtypes import TIMESTAMP_UNITS, TimeUnit
from daeda.errors import InputError, counted, first_line, shortened
from daeda.operators.dag import Dag
from daeda.operators.relational import Join, Scan, ScanColumn
from daeda.planning.checked import Checked, CheckedFile
from daeda.planning.days import Action, DayPlan, Sources
from daeda.sources.columns import check_columns, check_unread, finest_int96, is_int96, leaf_of, mixed_times
from daeda.sources.contents import looks_like
from daeda.sources.partitions import missing_days, missing_sentence
from daeda.sources.times import fitting_unit, is_plausible, shown_time
from daeda.sql import scan as scan_sql
from daeda.sql import statements
from daeda.sql.locked import AllowedPaths, connect
from daeda.sql.unreadable import unreadable_file
from daeda.storage.client import AT_ONCE
from daeda.storage.location import is_object, object_path
from daeda.storage.objects import before_the_first_day, open_parquet, present
from daeda.storage.state import FileState, state_of

# Footers are small, and disks and servers answer late: a few threads wait for several at once.
_THREADS = AT_ONCE
_NOTHING: Mapping[str, tuple[ScanColumn, ...]] = {}


@dataclass(frozen=True)
class Refusal:
    """A mistake in what days would read, and the days that it keeps from being built."""

    sentence: str
    days: frozenset[dt.date]


@dataclass(frozen=True)
class Looked:
    """A file that was looked at: its state, and for each Scan that reads it the kinds of mistakes and their sentences.

    `unread` holds those in fields of the Scan's view that nothing reads, `int96` the columns of `finest_int96`.
    Without a state it could not be read, or changed meanwhile.
    """

    state: FileState | None
    problems: list[list[tuple[str, str]]]
    unread: list[list[tuple[str, str]]] = field(default_factory=list)
    int96: list[frozenset[str]] = field(default_factory=list)
    rows: int = 0


@before_the_first_day()
def check_sources(project: Project, dag: Dag, sources: Sources, days: Iterable[dt.date]) -> Checked:
    """Check what the days would read, and return it; raises InputError with a line per view and kind of mistake."""
    checked: dict[str, CheckedFile] = {}
    refusals = _find_refusals(project, dag, sources, tuple(days), checked)
    if refusals:
        raise InputError(*dict.fromkeys(one.sentence for one in refusals))
    return Checked(sources.files, checked)


@before_the_first_day()
def block_refused(project: Project, dag: Dag, sources: Sources, plans: Sequence[DayPlan]) -> tuple[DayPlan, ...]:
    """The plans of the skeleton, those days blocked that `check_sources` would refuse."""
    refusals = _find_refusals(project, dag, sources, tuple(one.day for one in plans if one.builds), {})
    reasons = {one.day: tuple(found.sentence for found in refusals if one.day in found.days) for one in plans}
    return tuple(
        replace(one, action=Action.BLOCKED, reasons=reasons[one.day]) if one.builds and reasons[one.day] else one
        for one in plans
    )


def _find_refusals(
    project: Project, dag: Dag, sources: Sources, days: tuple[dt.date, ...], checked: dict[str, CheckedFile]
) -> list[Refusal]:
    """What would be refused; files that were looked at go to `checked`."""
    found: list[Refusal] = []
    for scan in sources.scans:
        found += _check_first_day(project, scan, sources, days)
        missing = {day: missing_days(scan, sources.files[scan.name], day) for day in days}
        lacking = [one for held in missing.values() for one in held]
        if lacking:
            sentence = missing_sentence(scan, sources.files[scan.name], lacking)
            found.append(Refusal(sentence, frozenset(day for day, held in missing.items() if held)))
    # What follows reads files, which makes no sense of days whose files are not there.
    found = found or _check_footers(sources, days, checked)
    return found or (_check_static_keys(dag, sources, days) if days else [])


def _check_first_day(project: Project, scan: Scan, sources: Sources, days: tuple[dt.date, ...]) -> list[Refusal]:
    declared = project.views[scan.view].source.first_day
    first = sources.files[scan.name].first_day
    if declared is None or first is None or first <= declared:
        return []
    sentence = (
        f"view '{scan.view}': source.first_day is {declared}, and the first partition is {first}: "
        "bring the earlier partitions back, or change first_day"
    )
    return [Refusal(sentence, frozenset(days))]


def _check_footers(sources: Sources, days: tuple[dt.date, ...], checked: dict[str, CheckedFile]) -> list[Refusal]:
    scans = {scan.name: scan for scan in sources.scans}
    partition = {
        path: day for files in sources.files.values() for day, paths in files.partitions.items() for path in paths
    }
    readers: dict[tuple[str, str], list[dt.date]] = {}
    for day in days:
        for name, paths in sources.needed(day).items():
            for path in paths:
                readers.setdefault((name, path), []).append(day)
    # Several Scans may read one file: it is opened once.
    of_path: dict[str, list[str]] = {}
    for name, path in readers:
        of_path.setdefault(path, []).append(name)

    def look(path: str) -> Looked:
        names = of_path[path]
        version = sources.files[names[0]].versions.get(path)
        return check_file([scans[name] for name in names], path, partition.get(path), version, sources.unread)

    with ThreadPoolExecutor(_THREADS) as pool:
        looked = dict(zip(of_path, pool.map(look, of_path), strict=True))
    for path, one in looked.items():
        if one.state is not None:
            right = (name for name, problems in zip(of_path[path], one.problems, strict=True) if not problems)
            checked[path] = CheckedFile(one.state, tuple(right))
    # One sentence per view and kind: a wrong type is wrong in every partition.
    told: dict[tuple[str, str], Refusal] = {}
    for name, path in readers:
        for kind, sentence in looked[path].problems[of_path[path].index(name)]:
            refusal = told.get((scans[name].view, kind), Refusal(sentence, frozenset()))
            told[scans[name].view, kind] = replace(refusal, days=refusal.days.union(readers[name, path]))
    together = () if told else _mistakes_together(scans, readers, of_path, looked)
    seen = [
        (scans[name].view, mistakes)
        for path, one in looked.items()
        if one.unread
        for name, mistakes in zip(of_path[path], one.unread, strict=True)
    ]
    return [*told.values(), *together, *_unread_mistakes(seen, frozenset(days))]


def _mistakes_together(
    scans: Mapping[str, Scan],
    readers: Mapping[tuple[str, str], Sequence[dt.date]],
    of_path: Mapping[str, Sequence[str]],
    looked: Mapping[str, Looked],
) -> list[Refusal]:
    """What is right in each file, and wrong in the files of a Scan taken together."""
    refusals: dict[str, Refusal] = {}
    for name, scan in scans.items():
        held = {path: one for path, one in looked.items() if name in of_path[path] and one.state is not None}
        days = frozenset(day for path in held for day in readers[name, path])
        mixed = mixed_times(scan, {path: one.int96[of_path[path].index(name)] for path, one in held.items()})
        for sentence in (mixed[1] if mixed else "", _one_file_twice(scan, held)):
            if sentence:
                refusals.setdefault(sentence, Refusal(sentence, days))
    return list(refusals.values())


def _one_file_twice(scan: Scan, held: Mapping[str, Looked]) -> str:
    """The sentence about two names of one local file, whose rows would be there twice; empty where there are none."""
    first: dict[tuple[int, FileState], str] = {}
    for path, one in held.items():
        if one.state is None or not one.state.inode or not one.rows:
            continue
        other = first.setdefault((one.state.inode, one.state), path)
        if other != path:
            return (
                f"view '{scan.view}': {other} and {path} are one file, and its rows would be there twice: remove the "
                "link, or rename it (a name that begins with _ or . is known to be no data)"
            )
    return ""


def _unread_mistakes(seen: Sequence[tuple[str, list[tuple[str, str]]]], days: frozenset[dt.date]) -> list[Refusal]:
    """Fields that nothing reads, and that no file has as they are declared; a field may be newer than some files."""
    looked = Counter(view for view, _ in seen)
    mistaken = Counter((view, kind) for view, problems in seen for kind, _ in problems)
    first = {(view, kind): sentence for view, problems in reversed(seen) for kind, sentence in problems}
    return [Refusal(first[key], days) for key, number in mistaken.items() if number == looked[key[0]]]


def check_file(
    scans: Sequence[Scan],
    path: str,
    partition: dt.date | None,
    version: FileState | None = None,
    unread: Mapping[str, tuple[ScanColumn, ...]] = _NOTHING,
) -> Looked:
    """Look at the footer of a file, for Scans that read it, in the `version` in which an object was listed.

    Raises StorageError when an object cannot be read, or has another version by now.
    """
    try:
        if is_object(path) and version is None:
            version = present(object_path(path)).state
        before = version or state_of(path)
        with open_parquet(path, version) as file:
            problems = [
                check_columns(scan, path, file, version) or _check_times(scan, path, partition, file, version)
                for scan in scans
            ]
            ignored = [check_unread(scan, unread.get(scan.view, ()), path, file) for scan in scans]
            int96, rows = [finest_int96(scan, file) for scan in scans], file.metadata.num_rows
        if is_object(path) or state_of(path) == before:
            return Looked(before, problems, ignored, int96, rows)
        kind, what = "changed", f"{path} changed while it was checked: run again when it is complete"
    except (OSError, pa.ArrowException) as error:
        reason = _why_unreadable(path, version, error)
        kind, what = "unreadable", f"{path} is not a readable Parquet file ({reason}): write it again"
    return Looked(None, [[(kind, f"view '{scan.view}': {what}")] for scan in scans])


def _why_unreadable(path: str, version: FileState | None, error: Exception) -> str:
    reason = first_line(error).partition(". ")[0]
    with suppress(OSError):
        found = looks_like(path, version)
        return f"it looks like {found}: {reason}" if found else reason
    return reason


def _check_times(
    scan: Scan, path: str, partition: dt.date | None, file: pq.ParquetFile, version: FileState | None
) -> list[tuple[str, str]]:
    """No row without a timestamp, and in a partition no row of another day."""
    if scan.time is None or file.metadata.num_rows == 0:
        return []
    source = next(one for one in scan.columns if one.name == scan.time.column).source
    if is_int96(file, source):
        # Digits below the microsecond were refused, and nanoseconds do not hold every time.
        with open_parquet(path, version, int96="us") as in_microseconds:
            low, high, nulls = _read_times(scan, source, in_microseconds)
    else:
        low, high, nulls = _time_facts(scan, source, file)
    if nulls and scan.null_timestamps == "error":
        return [
            (
                "null times",
                f"view '{scan.view}': {path} has {counted(nulls, 'row')} without '{source}', which belong to no day: "
                "repair them, or say source.null_timestamps: drop",
            )
        ]
    if partition is None or low is None or high is None:
        return []
    slack = dt.timedelta(days=scan.partition_slack)
    start, _ = scan_sql.day_bounds(partition - slack, scan.time.resolution)
    _, end = scan_sql.day_bounds(partition + slack, scan.time.resolution)
    if low < start or high >= end:
        return [
            (
                "partition",
                f"view '{scan.view}': {path} has rows outside of {partition} (its '{source}' goes from "
                f"{_shown(low, scan)} to {_shown(high, scan)} UTC): move them, or declare source.partition_slack"
                f"{_other_unit(scan, low, high)}",
            )
        ]
    return []


def _other_unit(scan: Scan, low: int, high: int) -> str:
    """The end of a sentence about integer times that are plausible in another unit alone."""
    assert scan.time is not None
    unit = scan.time.resolution
    integer = any(one.dtype.is_integer for one in scan.columns if one.name == scan.time.column)
    fitting = None if not integer or is_plausible(low, high, unit) else fitting_unit(low, high, unit)
    if fitting is None:
        return ""
    first = shown_time(low, TIMESTAMP_UNITS[fitting])
    return f"; or timestamp_unit {scan.time.unit} is wrong, as in {fitting} they begin with {first}"


def _time_facts(scan: Scan, source: str, file: pq.ParquetFile) -> tuple[int | None, int | None, int]:
    """Least and greatest time in the view's unit, and the number of NULLs: from the footer, else from the column."""
    metadata = file.metadata
    position = leaf_of(file, source)
    statistics = [metadata.row_group(index).column(position).statistics for index in range(metadata.num_row_groups)]
    if any(
        one is None
        or not one.has_null_count
        or (not one.has_min_max and one.null_count < one.num_values + one.null_count)
        for one in statistics
    ):
        return _read_times(scan, source, file)
    # As they are stored: whole numbers of the column's unit, which needs no pandas for nanoseconds.
    known = [one for one in statistics if one.has_min_max]
    return (
        min((_in_unit(scan, one.min_raw) for one in known), default=None),
        max((_in_unit(scan, one.max_raw) for one in known), default=None),
        sum(one.null_count for one in statistics),
    )


def _read_times(scan: Scan, source: str, file: pq.ParquetFile) -> tuple[int | None, int | None, int]:
    """The same from the column."""
    column = file.read(columns=[source]).column(source)
    if column.null_count == len(column):
        return None, None, column.null_count
    bounds = pc.min_max(column.cast("int32" if pa.types.is_date32(column.type) else "int64"))
    low, high = (_in_unit(scan, bounds[name].as_py()) for name in ("min", "max"))
    if is_int96(file, source) and scan.time is not None:
        factor = scan.time.resolution.value // TimeUnit.MICRO.value
        low, high = low * factor, high * factor
    return low, high, column.null_count


def _in_unit(scan: Scan, stored: int) -> int:
    """A stored time as a whole number of the view's unit: Parquet stores a date as days."""
    assert scan.time is not None
    time = next(one for one in scan.columns if one.name == scan.time.column)
    return stored * scan.time.resolution.per_day if time.dtype.name == "date" else stored


def _shown(value: int, scan: Scan) -> str:
    assert scan.time is not None
    seconds, rest = divmod(value, scan.time.resolution.value)
    try:
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)
    except OverflowError:
        return f"{value}"
    return f"{moment}{f' and {rest} {scan.time.unit}' if rest else ''}"


def _check_static_keys(dag: Dag, sources: Sources, days: tuple[dt.date, ...]) -> list[Refusal]:
    """Right sides of Joins have one row per key."""
    refusals = []
    scans = {scan.output: scan for scan in sources.scans}
    for operator in dag.operators:
        if not isinstance(operator, Join) or operator.latest or operator.inputs[1] not in scans:
            continue
        scan = scans[operator.inputs[1]]
        relation = scan_sql.scan(scan, dag.relations[scan.output], sources.needed(days[0])[scan.name], days[0])
        allowed = AllowedPaths.of(sources.places(scan))
        try:
            with connect(allowed) as connection:
                found = connection.execute(statements.duplicate_keys(operator.keys, relation)).fetchone()
        except duckdb.Error as error:
            told = unreadable_file([(scan, sources.needed(days[0])[scan.name])], allowed)
            what = told or f"{sources.files[scan.name].path} cannot be read ({first_line(error)})"
            refusals.append(Refusal(f"view '{scan.view}': {what}", frozenset(days)))
            continue
        if found is not None:
            shown = shortened([f"{key} = {value!r}" for key, value in zip(operator.keys, found, strict=False)])
            sentence = (
                f"view '{scan.view}': {sources.files[scan.name].path} has {found[-1]} rows with {shown}: "
                "a view without timestamps has one row per key: remove the others, or declare source.timestamp_field"
            )
            refusals.append(Refusal(sentence, frozenset(days)))
    return refusals
