"""Which partitions of a view a day reads, and which of them are missing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from daeda.durations import NANOSECONDS_OF_DAY
from daeda.errors import InputError, shortened
from daeda.operators.relational import Scan
from daeda.sources.files import SourceFiles

_EPOCH = dt.date(1970, 1, 1)


def days_needed(scan: Scan, day: dt.date, first: dt.date | None, *, with_slack: bool = True) -> list[dt.date]:
    """The partitions that a Scan reads for a day: the day, its window before or behind it, and the slack around both.

    What lies before the first partition is not needed: there is nothing to lose.
    """
    if scan.reads == "lookahead":
        return _days_ahead(scan, day, first, scan.partition_slack if with_slack else 0)
    back, slack = 0, scan.partition_slack if with_slack else 0
    if scan.reads == "lookback":
        whole = scan.lookback.days if scan.lookback is not None else None
        back = whole if whole is not None else (day - first).days if first is not None and first < day else 0
    # A window may be longer than the calendar.
    start = day - dt.timedelta(days=min(back + slack, (day - dt.date.min).days))
    if first is not None and start < first:
        # A spine without the partition of its own day lacks it; a look-back that begins later sees nothing.
        start = first if scan.reads == "lookback" else min(first, day)
    end = _later(day, slack + (scan.lookahead.days or 0 if scan.lookahead is not None else 0))
    return _days_between(start, end)


def _days_ahead(scan: Scan, day: dt.date, first: dt.date | None, slack: int) -> list[dt.date]:
    """The days of what lies `gap` behind the begin of the day, up to `lookahead` behind its end."""
    assert scan.gap is not None
    assert scan.lookahead is not None
    start = _later(day, (scan.gap.nanoseconds or 0) // NANOSECONDS_OF_DAY)
    start -= dt.timedelta(days=min(slack, (start - dt.date.min).days))
    return _days_between(start if first is None else max(start, first), _later(day, (scan.lookahead.days or 0) + slack))


def _later(day: dt.date, days: int) -> dt.date:
    """Days later, or the last day of the calendar."""
    return day + dt.timedelta(days=min(days, (dt.date.max - day).days))


def _days_between(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(days=offset) for offset in range((last - first).days + 1)]


def missing_days(scan: Scan, files: SourceFiles, day: dt.date) -> list[dt.date]:
    """Partitions that the day needs and that are not there. Slack partitions may be absent.

    Behind the last partition, those of labels are due that end before the view is said to be complete.
    """
    if not files.partitioned or scan.reads == "static" or scan.missing_partitions == "empty":
        return []
    absent = _absent(files, days_needed(scan, day, files.first_day, with_slack=False))
    if files.complete_before is None or scan.lookahead is None:
        return absent
    due = files.complete_before // NANOSECONDS_OF_DAY
    last = max(files.partitions)
    return [partition for partition in absent if partition <= max(day, last) or (partition - _EPOCH).days < due]


def _absent(files: SourceFiles, days: Iterable[dt.date]) -> list[dt.date]:
    return [partition for partition in days if partition not in files.partitions]


def files_needed(scan: Scan, files: SourceFiles, day: dt.date) -> tuple[str, ...]:
    """The files that a Scan reads for a day, in order; raises InputError when partitions are missing."""
    if not files.partitioned:
        return files.flat
    if scan.reads == "static":
        return tuple(path for partition in sorted(files.partitions) for path in files.partitions[partition])
    needed = days_needed(scan, day, files.first_day)
    # Slack is days that may be absent, so that only where one is absent has it to be asked which.
    if scan.missing_partitions == "error" and _absent(files, needed):
        missing = missing_days(scan, files, day)
        if missing:
            raise InputError(missing_sentence(scan, files, missing))
    return tuple(path for partition in needed for path in files.partitions.get(partition, ()))


def missing_sentence(scan: Scan, files: SourceFiles, missing: Iterable[dt.date]) -> str:
    """The message about missing partitions."""
    days = shortened(sorted(set(missing)))
    return (
        f"view '{scan.view}': {files.path} has no partition for {days}: add them (a directory without rows is an "
        "empty day), or say source.missing_partitions: empty"
    )
