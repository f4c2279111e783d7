"""The partitions of a history of which a row can count on a day: those behind the end of every window are not read.

A window may end long before its row, by an offset or where it is aligned, and rows that a serving system has late count
late. The day needs the partitions in between all the same: they are identified and checked as all others are.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from beam_pipeline.session.inputs import ScannedFiles
from beam_pipeline.session.session import DaySession
from daeda.durations import NANOSECONDS_OF_DAY
from daeda.operators.temporal import Aggregate, RollingAggregate, WindowOperator
from daeda.sql.handle import Deferred
from daeda.sql.scan import only_scan

_EPOCH = dt.date(1970, 1, 1)


def counting_partitions(session: DaySession, operator: WindowOperator, right: Deferred) -> tuple[ScannedFiles, ...]:
    """What the Scans of the day read, that of this history without the files of which no row can count."""
    return tuple(
        _counting(session.day, operator, scanned)
        if isinstance(operator, RollingAggregate) and only_scan(right, name)
        else scanned
        for name, scanned in session.inputs.scanned.items()
    )


def _counting(day: dt.date, operator: RollingAggregate, scanned: ScannedFiles) -> ScannedFiles:
    end = end_of_windows(operator, day) + scanned.scan.partition_slack * NANOSECONDS_OF_DAY
    too_late = {
        path
        for partition, paths in scanned.view_files.partitions.items()
        if (partition - _EPOCH).days * NANOSECONDS_OF_DAY >= end
        for path in paths
    }
    needed = {path: file for path, file in scanned.needed.items() if path not in too_late}
    # A statement reads some file.
    return replace(scanned, needed=needed) if needed else scanned


def end_of_windows(operator: RollingAggregate, day: dt.date) -> int:
    """The end of the latest window of a row of the day, in nanoseconds since 1970: rows behind it count for none.

    >>> daily = {"name": "n", "kind": "count", "window": "1d", "aligned_to": "1d", "offset": "2d"}
    >>> end = _end_of_window(Aggregate.model_validate(daily), dt.date(1970, 1, 11))
    >>> end / NANOSECONDS_OF_DAY
    8.0
    """
    end = max(_end_of_window(aggregate, day) for aggregate in operator.aggregates)
    if operator.available is None or operator.created is not None:
        # When a row became known tells nothing of its time.
        return end
    if operator.available.after is None:
        # Not before the day behind that of the row.
        return min(end, _begin(day))
    return min(end, _begin(day) + NANOSECONDS_OF_DAY - (operator.available.after.nanoseconds or 0))


def _end_of_window(aggregate: Aggregate, day: dt.date) -> int:
    end = _begin(day) + NANOSECONDS_OF_DAY
    grid = None if aggregate.aligned_to is None else aggregate.aligned_to.nanoseconds
    if grid is not None:
        end = (end - 1) // grid * grid
    return end - (0 if aggregate.offset is None else aggregate.offset.nanoseconds or 0)


def _begin(day: dt.date) -> int:
    return (day - _EPOCH).days * NANOSECONDS_OF_DAY
