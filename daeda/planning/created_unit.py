"""An integer created_field in another unit than the timestamps of its view: told before the first day.

A row whose created_field says 1970 is known at once, and one of the year 50000 never is: both are quiet.
"""

from __future__ import annotations

from daeda.catalog.project import Project
from daeda.dtypes import TIMESTAMP_UNITS, TimeUnit
from daeda.operators.relational import Scan
from daeda.sources.files import SourceFiles
from daeda.sources.times import file_times, holds_integers, shown_time

# A row may become known this long before its time, and after it.
_DAYS_BEFORE, _DAYS_AFTER = 366, 3660
Bounds = tuple[int, int]


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
