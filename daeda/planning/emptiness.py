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
from daeda.dtypes import TIMESTAMP_UNITS, TimeUnit
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
    waiting = {Action.BUILD, Action.REBUILD, Action.BLOCKED}
    return tuple(
        replace(plan, action=Action.BLOCKED, reasons=(sentence,)) if plan.action in waiting else plan for plan in plans
    )


@before_the_first_day()
def wrong_units(project: Project, sources: Sources) -> tuple[str, ...]:
    """A sentence for each view with integer times in a wrong unit.

    That is where none lies in a plausible year, or no created_field near the time of a row.
    """
    sentences = {}
    for scan in sources.scans:
        if scan.time is None or scan.view in sentences or not holds_integers(scan, scan.time.column):
            continue
        seen: list[FileTimes] = []
        for times in _all_times(scan, sources.files[scan.name], sources.files[scan.name].in_order, (0, 0)):
            if times is None or (times.low is not None and _plausible(scan, times)):
                break
            seen.append(times)
        else:
            hint = _unit_hint(project, scan, seen)
            if hint:
                sentences[scan.view] = f"view '{scan.view}': {hint}"
    for scan in sources.scans:
        if scan.view not in sentences:
            hint = created_unit_hint(project, scan, sources.files[scan.name])
            if hint:
                sentences[scan.view] = f"view '{scan.view}': {hint}"
    return tuple(sentences.values())


def _plausible(scan: Scan, times: FileTimes) -> bool:
    assert scan.time is not None
    low, high = times.low, times.high
    return low is not None and high is not None and is_plausible(low, high, scan.time.resolution)


def _empty_range(project: Project, sources: Sources, plans: Sequence[DayPlan]) -> str | None:
    """The sentence about a range without a row of the spine; None where there is one, or nothing is to be built.

    It is the range of the project that is judged: a single day of it may be empty, also when it is chosen alone.
    """
    if all(plan.action in (Action.SKIP, Action.KEEP) for plan in plans):
        return None
    for scan in sources.scans:
        if scan.reads == "day":
            sentence = _empty_spine(project, scan, sources.files[scan.name])
            if sentence is not None:
                return sentence
    return None


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
    known = [times for times in seen if times.low is not None and times.high is not None]
    if not known:
        return "it has no row at all"
    low = min(times.low for times in known if times.low is not None)
    high = max(times.high for times in known if times.high is not None)
    unit = scan.time.resolution
    return f"it has rows from {shown_time(low, unit)} to {shown_time(high, unit)} UTC"


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
    bounds = [(times.low, times.high) for times in seen if times.low is not None and times.high is not None]
    if scan.time is None or not bounds or not holds_integers(scan, scan.time.column):
        return ""
    if any(_plausible(scan, times) for times in seen):
        return ""
    low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
    unit = scan.time.resolution
    where = project.where(f"view:{scan.view}", ("source", "timestamp_unit"))
    sentence = (
        f"no row lies in a plausible year, and timestamp_unit {scan.time.unit} may be wrong ({where}): "
        f"its times go from {shown_time(low, unit)} to {shown_time(high, unit)}"
    )
    fitting = fitting_unit(low, high, unit)
    return f"{sentence}; {_in(fitting, low, high)}" if fitting else sentence


def _in(name: str, low: int, high: int) -> str:
    unit = TIMESTAMP_UNITS[name]
    return f"in {name} they go from {shown_time(low, unit)} to {shown_time(high, unit)}: declare that unit"


def created_unit_hint(project: Project, scan: Scan, files: SourceFiles) -> str:
    """What is said where created_field lies near the times of the rows in another unit alone; else empty."""
    if scan.time is None or scan.created is None or not holds_integers(scan, scan.created.column):
        return ""
    times: list[Bounds] = []
    created: list[Bounds] = []
    unit = scan.created.resolution
    for path in files.in_order:
        time, known = (_bounds(timed, path, files) for timed in (scan, scan.model_copy(update={"time": scan.created})))
        if time is None or known is None:
            continue
        if _near(known, unit, time, scan.time.resolution):
            return ""
        times.append(time)
        created.append(known)
    if not times:
        return ""
    time, known = _widest(times), _widest(created)
    for name, other in TIMESTAMP_UNITS.items():
        if other is not unit and _near(known, other, time, scan.time.resolution):
            where = project.where(f"view:{scan.view}", ("source", "created_field"))
            return (
                f"created_field '{scan.created.column}' may not be in timestamp_unit {scan.created.unit} ({where}): "
                f"it goes {_span(known, unit)}, and the times of the rows {_span(time, scan.time.resolution)}; in "
                f"{name} it goes {_span(known, other)}: write it in {scan.created.unit}, or as a timestamp"
            )
    return ""


def _bounds(scan: Scan, path: str, files: SourceFiles) -> Bounds | None:
    times = file_times(scan, path, files.versions.get(path), 0, 0)
    return None if times is None or times.low is None or times.high is None else (times.low, times.high)


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
