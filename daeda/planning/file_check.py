"""One file of a view: readable Parquet, with the columns and times that the view declares."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.errors import counted, first_line
from daeda.operators.relational import Scan, ScanColumn
from daeda.sources.columns import check_columns, check_unread, finest_int96, is_int96
from daeda.sources.contents import looks_like
from daeda.sources.times import fitting_unit, holds_integers, is_plausible, shown_time, times_of_groups, times_together
from daeda.sql import scan as scan_sql
from daeda.storage.location import is_object, object_path
from daeda.storage.objects import present
from daeda.storage.parquet import open_parquet
from daeda.storage.state import FileState, state_of

_NOTHING: Mapping[str, tuple[ScanColumn, ...]] = {}


@dataclass(frozen=True)
class FileCheck:
    """A file that was looked at: its state, and for each Scan that reads it the kinds of mistakes and their sentences.

    `unread` holds those in fields of the Scan's view that nothing reads, `int96` the columns of `finest_int96`.
    Without a state it could not be read, or changed meanwhile.
    """

    state: FileState | None
    problems: list[list[tuple[str, str]]]
    unread: list[list[tuple[str, str]]] = field(default_factory=list)
    int96: list[frozenset[str]] = field(default_factory=list)
    rows: int = 0


def check_file(
    scans: Sequence[Scan],
    path: str,
    partition: dt.date | None,
    version: FileState | None = None,
    unread: Mapping[str, tuple[ScanColumn, ...]] = _NOTHING,
) -> FileCheck:
    """Look at the footer of a file, for Scans that read it, in the `version` in which an object was listed.

    Raises StorageError when an object cannot be read, or has another version by now.
    """
    try:
        if is_object(path) and version is None:
            version = present(object_path(path)).state
        before = version or state_of(path)
        with open_parquet(path, version) as file:
            problems = [
                check_columns(scan, path, file, version) or check_times(scan, path, partition, file, version)
                for scan in scans
            ]
            ignored = [check_unread(scan, unread.get(scan.view, ()), path, file) for scan in scans]
            int96, rows = [finest_int96(scan, file) for scan in scans], file.metadata.num_rows
        if is_object(path) or state_of(path) == before:
            return FileCheck(before, problems, ignored, int96, rows)
        kind, what = "changed", f"{path} changed while it was checked: run again when it is complete"
    except (OSError, pa.ArrowException) as error:
        reason = _why_unreadable(path, version, error)
        kind, what = "unreadable", f"{path} is not a readable Parquet file ({reason}): write it again"
    return FileCheck(None, [[(kind, f"view '{scan.view}': {what}")] for scan in scans])


def _why_unreadable(path: str, version: FileState | None, error: Exception) -> str:
    reason = first_line(error).partition(". ")[0]
    with suppress(OSError):
        likeness = looks_like(path, version)
        return f"it looks like {likeness}: {reason}" if likeness else reason
    return reason


def check_times(
    scan: Scan, path: str, partition: dt.date | None, file: pq.ParquetFile, version: FileState | None
) -> list[tuple[str, str]]:
    """No row without a timestamp, and in a partition no row of another day."""
    if scan.time is None or file.metadata.num_rows == 0:
        return []
    source = scan.time_column.source
    if is_int96(file, source):
        # Digits below the microsecond were refused, and nanoseconds do not hold every time.
        with open_parquet(path, version, int96="us") as in_microseconds:
            groups = times_of_groups(scan, in_microseconds)
    else:
        groups = times_of_groups(scan, file)
    low, high, nulls = times_together(groups)
    if nulls and scan.null_timestamps == "error":
        sentence = (
            f"view '{scan.view}': {path} has {counted(nulls, 'row')} without '{source}', which belong to no day: "
            "repair them, or say source.null_timestamps: drop"
        )
        return [("null times", sentence)]
    if partition is None or low is None or high is None:
        return []
    # In numbers, for the calendar ends.
    slack = scan.partition_slack * scan.time.resolution.per_day
    start, end = scan_sql.day_bounds(partition, scan.time.resolution)
    if start - slack <= low and high < end + slack:
        return []
    sentence = (
        f"view '{scan.view}': {path} has rows outside of {partition} (its '{source}' goes from "
        f"{_shown(low, scan)} to {_shown(high, scan)} UTC): move them, or declare source.partition_slack"
        f"{_other_unit(scan, low, high)}"
    )
    return [("partition", sentence)]


def _other_unit(scan: Scan, low: int, high: int) -> str:
    """The end of a sentence about integer times that are plausible in another unit alone."""
    assert scan.time is not None
    unit = scan.time.resolution
    if not holds_integers(scan, scan.time.column) or is_plausible(low, high, unit):
        return ""
    fitting = fitting_unit(low, high, unit)
    if fitting is None:
        return ""
    first = shown_time(low, fitting)
    return f"; or timestamp_unit {scan.time.unit} is wrong, as in {fitting.symbol} they begin with {first}"


def _shown(value: int, scan: Scan) -> str:
    assert scan.time is not None
    seconds, rest = divmod(value, scan.time.resolution.value)
    try:
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)
    except OverflowError:
        return f"{value}"
    return f"{moment}{f' and {rest} {scan.time.unit}' if rest else ''}"
