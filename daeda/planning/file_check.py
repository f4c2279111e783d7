"""One file of a view: readable Parquet, with the columns and times that the view declares."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daeda.dtypes import TimeUnit
from daeda.errors import counted, first_line
from daeda.operators.relational import Scan, ScanColumn
from daeda.sources.columns import check_columns, check_unread, finest_int96, is_int96, leaf_of
from daeda.sources.contents import looks_like
from daeda.sources.times import fitting_unit, holds_integers, is_plausible, shown_time
from daeda.sql import scan as scan_sql
from daeda.storage.location import is_object, object_path
from daeda.storage.objects import open_parquet, present
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
    source = next(column for column in scan.columns if column.name == scan.time.column).source
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
    if not holds_integers(scan, scan.time.column) or is_plausible(low, high, unit):
        return ""
    fitting = fitting_unit(low, high, unit)
    if fitting is None:
        return ""
    first = shown_time(low, fitting)
    return f"; or timestamp_unit {scan.time.unit} is wrong, as in {fitting.symbol} they begin with {first}"


def _time_facts(scan: Scan, source: str, file: pq.ParquetFile) -> tuple[int | None, int | None, int]:
    """Least and greatest time in the view's unit, and the number of NULLs: from the footer, else from the column."""
    metadata = file.metadata
    position = leaf_of(file, source)
    statistics = [metadata.row_group(index).column(position).statistics for index in range(metadata.num_row_groups)]
    if any(
        group is None
        or not group.has_null_count
        or (not group.has_min_max and group.null_count < group.num_values + group.null_count)
        for group in statistics
    ):
        return _read_times(scan, source, file)
    # As they are stored: whole numbers of the column's unit, which needs no pandas for nanoseconds.
    known = [group for group in statistics if group.has_min_max]
    return (
        min((_in_unit(scan, group.min_raw) for group in known), default=None),
        max((_in_unit(scan, group.max_raw) for group in known), default=None),
        sum(group.null_count for group in statistics),
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
    time = next(column for column in scan.columns if column.name == scan.time.column)
    return stored * scan.time.resolution.per_day if time.dtype.name == "date" else stored


def _shown(value: int, scan: Scan) -> str:
    assert scan.time is not None
    seconds, rest = divmod(value, scan.time.resolution.value)
    try:
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)
    except OverflowError:
        return f"{value}"
    return f"{moment}{f' and {rest} {scan.time.unit}' if rest else ''}"
