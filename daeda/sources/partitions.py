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
    start, end = _span_needed(scan, day, first, with_slack=with_slack)
    return [start + dt.timedelta(days=offset) for offset in range((end - start).days + 1)]


def _span_needed(scan: Scan, day: dt.date, first: dt.date | None, *, with_slack: bool) -> tuple[dt.date, dt.date]:
    """The first and the last one of these partitions; none where the first is the later one."""
    if scan.reads == "lookahead":
        return _span_ahead(scan, day, first, scan.partition_slack if with_slack else 0)
    back, slack = 0, scan.partition_slack if with_slack else 0
    if scan.reads == "lookback":
        whole = scan.lookback.days if scan.lookback is not None else None
        back = whole if whole is not None else (day - first).days if first is not None and first < day else 0
    # A window may be longer than the calendar.
    start = day - dt.timedelta(days=min(back + slack, (day - dt.date.min).days))
    if first is not None and start < first:
        # A spine without the partition of its own day lacks it; a look-back that begins later sees nothing.
        start = first if scan.reads == "lookback" else min(first, day)
    return start, _later(day, slack + (scan.lookahead.days or 0 if scan.lookahead is not None else 0))


def _span_ahead(scan: Scan, day: dt.date, first: dt.date | None, slack: int) -> tuple[dt.date, dt.date]:
    """The days of what lies `gap` behind the begin of the day, up to `lookahead` behind its end."""
    assert scan.gap is not None
    assert scan.lookahead is not None
    start = _later(day, (scan.gap.nanoseconds or 0) // NANOSECONDS_OF_DAY)
    start -= dt.timedelta(days=min(slack, (start - dt.date.min).days))
    return start if first is None else max(start, first), _later(day, (scan.lookahead.days or 0) + slack)


def _later(day: dt.date, days: int) -> dt.date:
    """Days later, or the last day of the calendar."""
    return day + dt.timedelta(days=min(days, (dt.date.max - day).days))


def missing_days(scan: Scan, files: SourceFiles, day: dt.date) -> list[dt.date]:
    """Partitions that the day needs and that are not there. Slack partitions may be absent.

    Behind the last partition, those of labels are due that end before the view is said to be complete.
    """
    if not files.partitioned or scan.reads == "static" or scan.missing_partitions == "empty":
        return []
    if not _lacks(files, *_span_needed(scan, day, files.first_day, with_slack=False)):
        return []
    needed = days_needed(scan, day, files.first_day, with_slack=False)
    absent = [partition for partition in needed if partition not in files.partitions]
    if files.complete_before is None or scan.lookahead is None:
        return absent
    due = files.complete_before // NANOSECONDS_OF_DAY
    last = max(files.partitions)
    return [partition for partition in absent if partition <= max(day, last) or (partition - _EPOCH).days < due]


def _lacks(files: SourceFiles, first: dt.date, last: dt.date) -> bool:
    """Whether not every day from the first to the last one has a partition."""
    return files.partitions_between(first, last) < (last - first).days + 1


def files_needed(scan: Scan, files: SourceFiles, day: dt.date) -> tuple[str, ...]:
    """The files that a Scan reads for a day, in order; raises InputError when partitions are missing."""
    if not files.partitioned:
        return files.flat
    if scan.reads == "static":
        return tuple(path for partition in sorted(files.partitions) for path in files.partitions[partition])
    first, last = _span_needed(scan, day, files.first_day, with_slack=True)
    # Slack is days that may be absent, so that only where one is absent has it to be asked which.
    if scan.missing_partitions == "error" and _lacks(files, first, last):
        missing = missing_days(scan, files, day)
        if missing:
            raise InputError(missing_sentence(scan, files, missing))
    return files.between(first, last)


def missing_sentence(scan: Scan, files: SourceFiles, missing: Iterable[dt.date]) -> str:
    """The message about missing partitions."""
    days = shortened(sorted(set(missing)))
    return (
        f"view '{scan.view}': {files.path} has no partition for {days}: add them (a directory without rows is an "
        "empty day), or say source.missing_partitions: empty"
    )
