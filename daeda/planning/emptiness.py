"""What would be empty, told before the first day: a range in which the spine has no row, and times in a wrong unit.

A day without a row is a day like any other. A whole range without one is a mistake in its days, in a path or in a unit.

A row whose created_field says 1970 is known at once, and one of the year 50000 never is: both are quiet, and told too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from daeda.catalog.project import Project
from daeda.dtypes import TimeUnit
from daeda.errors import InputError
from daeda.operators.relational import Scan
from daeda.planning.days import Action, DayPlan
from daeda.planning.sources import Sources
from daeda.sources.files import SourceFiles
from daeda.sources.partitions import days_needed
from daeda.sources.times import FileTimes, file_times, fitting_unit, holds_integers, is_plausible, shown_time
from daeda.sql.scan import day_bounds
from daeda.storage.client import AT_ONCE
from daeda.storage.objects import before_the_first_day

# Partitions that are opened from either end to say where the rows begin and end.
_MOST_OPENED = 64
# A row may become known this long before its time, and after it.
_DAYS_BEFORE, _DAYS_AFTER = 366, 3660
Bounds = tuple[int, int]


@before_the_first_day()
def refuse_empty_range(project: Project, sources: Sources, plans: Sequence[DayPlan]) -> None:
    """Raise InputError where days are to be built and the range holds no row of the spine."""
    sentence = _empty_range(project, sources, plans)
    if sentence is not None:
        raise InputError(sentence)


@before_the_first_day()
def block_empty_range(project: Project, sources: Sources, plans: Sequence[DayPlan]) -> tuple[DayPlan, ...]:
    """The plans of the skeleton, all that would be built blocked where the range holds no row of the spine."""
    sentence = _empty_range(project, sources, plans)
    if sentence is None:
        return tuple(plans)
    waiting = {Action.BUILD, Action.REBUILD, Action.EXTEND, Action.BLOCKED}
    return tuple(
        replace(plan, action=Action.BLOCKED, reasons=(sentence,)) if plan.action in waiting else plan for plan in plans
    )


@before_the_first_day()
def wrong_units(project: Project, sources: Sources) -> tuple[str, ...]:
    """A sentence for each view with integer times in a wrong unit.

    That is where none lies in a plausible year, or no created_field near the time of a row.
    """
    hints: dict[str, str] = {}
    for scan in sources.scans:
        if scan.time is None or scan.view in hints or not holds_integers(scan, scan.time.column):
            continue
        seen: list[FileTimes] = []
        for times in _all_times(scan, sources.files[scan.name], sources.files[scan.name].in_order, (0, 0)):
            if times is None or any(is_plausible(*bounds, scan.time.resolution) for bounds in _bounds_of([times])):
                break
            seen.append(times)
        else:
            if hint := _unit_hint(project, scan, seen):
                hints[scan.view] = hint
    for scan in sources.scans:
        if scan.view not in hints and (hint := _created_unit_hint(project, scan, sources.files[scan.name])):
            hints[scan.view] = hint
    return tuple(f"view '{view}': {hint}" for view, hint in hints.items())


def _empty_range(project: Project, sources: Sources, plans: Sequence[DayPlan]) -> str | None:
    """The sentence about a range without a row of the spine; None where there is one, or nothing is to be built.

    It is the range of the project that is judged: a single day of it may be empty, also when it is chosen alone.
    """
    if all(plan.action in (Action.SKIP, Action.KEEP, Action.WAIT) for plan in plans):
        return None
    spines = (scan for scan in sources.scans if scan.reads == "day")
    sentences = (_empty_spine(project, scan, sources.files[scan.name]) for scan in spines)
    return next((sentence for sentence in sentences if sentence is not None), None)


def _empty_spine(project: Project, scan: Scan, files: SourceFiles) -> str | None:
    assert scan.time is not None
    days = project.runtime.days
    interval = (day_bounds(days[0], scan.time.resolution)[0], day_bounds(days[-1], scan.time.resolution)[1])
    seen: list[FileTimes] = []
    for times in _all_times(scan, files, _files_of_range(scan, files, days), interval):
        if times is None or times.within:
            return None
        seen.append(times)
    where = f"(feed_start and feed_end of {project.documents['runtime'].shown})"
    hint = _unit_hint(project, scan, seen)
    if not hint:
        hint = f"{_where_rows_are(scan, files, seen)}: choose days that have rows, or correct source.path of the view"
    return f"view '{scan.view}', the spine, has no row from {days[0]} to {days[-1]} {where}: {hint}"


def _files_of_range(scan: Scan, files: SourceFiles, days: Sequence[dt.date]) -> list[str]:
    if not files.partitioned:
        return list(files.flat)
    needed = dict.fromkeys(partition for day in days for partition in days_needed(scan, day, files.first_day))
    return [path for day in needed for path in files.partitions.get(day, ())]


def _all_times(
    scan: Scan, files: SourceFiles, paths: Iterable[str], interval: tuple[int, int]
) -> Iterator[FileTimes | None]:
    """The times of files, in order; the first one alone, as it mostly answers the question, then some at once."""
    first, rest = list(paths)[:1], list(paths)[1:]
    for path in first:
        yield file_times(scan, path, files.versions.get(path), *interval)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for begin in range(0, len(rest), AT_ONCE):
            some = rest[begin : begin + AT_ONCE]
            yield from pool.map(lambda path: file_times(scan, path, files.versions.get(path), *interval), some)


def _where_rows_are(scan: Scan, files: SourceFiles, seen: Sequence[FileTimes]) -> str:
    assert scan.time is not None
    if files.partitioned:
        first, last = (_end(scan, files, backwards) for backwards in (False, True))
        return "no partition has a row" if first is None else f"its partitions have rows from {first} to {last}"
    bounds = _bounds_of(seen)
    return f"it has rows {_span(_widest(bounds), scan.time.resolution)} UTC" if bounds else "it has no row at all"


def _end(scan: Scan, files: SourceFiles, backwards: bool) -> dt.date | None:
    """The first or the last partition that has a row; behind many empty ones, the first that is not opened."""
    for number, day in enumerate(sorted(files.partitions, reverse=backwards)):
        if number == _MOST_OPENED:
            return day
        all_times = (file_times(scan, path, files.versions.get(path), 0, 0) for path in files.partitions[day])
        if any(times is None or times.low is not None for times in all_times):
            return day
    return None


def _unit_hint(project: Project, scan: Scan, seen: Sequence[FileTimes]) -> str:
    """What is said where no integer time is plausible in the declared unit; empty where one is, or none is there."""
    bounds = _bounds_of(seen)
    if scan.time is None or not bounds or not holds_integers(scan, scan.time.column):
        return ""
    low, high = _widest(bounds)
    unit = scan.time.resolution
    if any(is_plausible(*of_file, unit) for of_file in bounds):
        return ""
    where = project.where(f"view:{scan.view}", ("source", "timestamp_unit"))
    sentence = (
        f"no row lies in a plausible year, and timestamp_unit {scan.time.unit} may be wrong ({where}): "
        f"its times go {_span((low, high), unit)}"
    )
    fitting = fitting_unit(low, high, unit)
    if fitting is None:
        return sentence
    return f"{sentence}; in {fitting.symbol} they go {_span((low, high), fitting)}: declare that unit"


def _created_unit_hint(project: Project, scan: Scan, files: SourceFiles) -> str:
    """What is said where created_field lies near the times of the rows in another unit alone; else empty."""
    if scan.time is None or scan.created is None or not holds_integers(scan, scan.created.column):
        return ""
    times: list[Bounds] = []
    created: list[Bounds] = []
    unit = scan.created.resolution
    when_known = scan.model_copy(update={"time": scan.created})
    for path in files.in_order:
        bounds = _bounds_of(file_times(timed, path, files.versions.get(path), 0, 0) for timed in (scan, when_known))
        if len(bounds) < 2:
            continue
        if _near(bounds[1], unit, bounds[0], scan.time.resolution):
            return ""
        times.append(bounds[0])
        created.append(bounds[1])
    if not times:
        return ""
    time, known = _widest(times), _widest(created)
    for other in TimeUnit:
        if other is not unit and _near(known, other, time, scan.time.resolution):
            where = project.where(f"view:{scan.view}", ("source", "created_field"))
            return (
                f"created_field '{scan.created.column}' may not be in timestamp_unit {scan.created.unit} ({where}): "
                f"it goes {_span(known, unit)}, and the times of the rows {_span(time, scan.time.resolution)}; in "
                f"{other.symbol} it goes {_span(known, other)}: write it in {scan.created.unit}, or as a timestamp"
            )
    return ""


def _bounds_of(seen: Iterable[FileTimes | None]) -> list[Bounds]:
    """Least and greatest time of each file that has one."""
    known = (times for times in seen if times is not None)
    return [(times.low, times.high) for times in known if times.low is not None and times.high is not None]


def _widest(bounds: list[Bounds]) -> Bounds:
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def _near(created: Bounds, unit: TimeUnit, times: Bounds, unit_of_times: TimeUnit) -> bool:
    """Whether some created_field, taken in a unit, lies about the times of the rows."""
    low, high = (value * (TimeUnit.NANO.value // unit.value) for value in created)
    first, last = (value * (TimeUnit.NANO.value // unit_of_times.value) for value in times)
    day = TimeUnit.NANO.per_day
    return low <= last + _DAYS_AFTER * day and high >= first - _DAYS_BEFORE * day


def _span(bounds: Bounds, unit: TimeUnit) -> str:
    low, high = bounds
    return f"from {shown_time(low, unit)} to {shown_time(high, unit)}"
