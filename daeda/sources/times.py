"""Which times the rows of a file have: from its footer, by row group, and from the column where that says nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from daeda.dtypes import TimeUnit, describe_arrow
from daeda.errors import DaedaError
from daeda.operators.relational import Scan
from daeda.sources.columns import INT96, is_int96, leaf_of
from daeda.storage.parquet import open_parquet
from daeda.storage.state import FileState

# Least and greatest time of rows, in the view's unit, and how many rows have none.
Times = tuple[int | None, int | None, int]

_EPOCH = dt.datetime(1970, 1, 1)
# Times of rows that somebody logged lie here. What was written at the epoch itself counts seconds of something else.
_EARLIEST, _LATEST = dt.date(1970, 1, 2), dt.date(2200, 1, 1)


@dataclass(frozen=True)
class FileTimes:
    """Least and greatest time of a file, in the view's unit; None where no row has one.

    `within` says whether a row lies in the interval that was asked for, half-open.
    """

    low: int | None
    high: int | None
    within: bool


def file_times(scan: Scan, path: str, version: FileState | None, start: int, end: int) -> FileTimes | None:
    """The times of a file; None where it is not as the view declares, which the checks of its columns tell."""
    try:
        with open_parquet(path, version) as file:
            return _of_file(scan, file, start, end)
    except (OSError, pa.ArrowException, DaedaError):
        return None


def _of_file(scan: Scan, file: pq.ParquetFile, start: int, end: int) -> FileTimes | None:
    source, schema = scan.time_column.source, file.schema_arrow
    if schema.names.count(source) != 1 or describe_arrow(schema.field(source).type) != scan.time_column.dtype.name:
        return None
    if is_int96(file, source):
        return None
    groups = times_of_groups(scan, file)
    low, high, _ = times_together(groups)
    scale = _scale(scan, file)
    within = any(_reaches(file, group, source, scale, groups[group], start, end) for group in range(len(groups)))
    return FileTimes(low, high, within)


def times_of_groups(scan: Scan, file: pq.ParquetFile) -> list[Times]:
    """The times of each group of rows: by the footer, else by the column. One of INT96 is read in microseconds."""
    source, scale = scan.time_column.source, _scale(scan, file)
    leaf = leaf_of(file, source)
    return [_of_group(file, group, source, leaf, scale) for group in range(file.num_row_groups)]


def times_together(groups: Sequence[Times]) -> Times:
    """The times of several groups of rows."""
    low = min((low for low, _, _ in groups if low is not None), default=None)
    high = max((high for _, high, _ in groups if high is not None), default=None)
    return low, high, sum(nulls for _, _, nulls in groups)


def _of_group(file: pq.ParquetFile, group: int, source: str, leaf: int, scale: int) -> Times:
    facts = file.metadata.row_group(group).column(leaf).statistics
    if facts is not None and facts.has_null_count and facts.physical_type != INT96:
        # As they are stored: whole numbers of the column's unit, which needs no pandas for nanoseconds.
        if facts.has_min_max:
            return facts.min_raw * scale, facts.max_raw * scale, facts.null_count
        if facts.num_values == 0:
            return None, None, facts.null_count
    # It takes long to be imported, and most footers have statistics.
    import pyarrow.compute as pc

    values = _numbers(file, group, source)
    if values.null_count == len(values):
        return None, None, values.null_count
    bounds = pc.min_max(values)
    return bounds["min"].as_py() * scale, bounds["max"].as_py() * scale, values.null_count


def _reaches(file: pq.ParquetFile, group: int, source: str, scale: int, times: Times, start: int, end: int) -> bool:
    low, high, _ = times
    if low is None or high is None or high < start or low >= end:
        return False
    if low >= start or high < end:
        return True
    import pyarrow.compute as pc

    values = pc.multiply(_numbers(file, group, source), scale)
    inside = pc.and_(pc.greater_equal(values, start), pc.less(values, end))
    return bool(pc.any(inside).as_py())


def _numbers(file: pq.ParquetFile, group: int, source: str) -> pa.ChunkedArray:
    column = file.read_row_group(group, columns=[source]).column(source)
    return column.cast("int32").cast("int64") if pa.types.is_date32(column.type) else column.cast("int64")


def _scale(scan: Scan, file: pq.ParquetFile) -> int:
    """The view's units in one of what is stored: Parquet stores a date as days."""
    assert scan.time is not None
    if is_int96(file, scan.time_column.source):
        return scan.time.resolution.value // TimeUnit.MICRO.value
    return scan.time.resolution.per_day if scan.time_column.dtype.name == "date" else 1


def shown_time(value: int, unit: TimeUnit) -> str:
    """A time as people read it, and as a number where the calendar ends before it.

    >>> shown_time(1709373600, TimeUnit.SECOND), shown_time(1709373600000, TimeUnit.SECOND)
    ('2024-03-02 10:00:00', '1709373600000 s after 1970')
    """
    seconds, rest = divmod(value, unit.value)
    try:
        moment = _EPOCH + dt.timedelta(seconds=seconds)
    except OverflowError:
        return f"{value} {unit.symbol} after 1970"
    return f"{moment}{f' and {rest} {unit.symbol}' if rest else ''}"


def holds_integers(scan: Scan, column: str) -> bool:
    """Whether a column of a Scan, a time for instance, is declared as an integer."""
    return any(declared.dtype.is_integer for declared in scan.columns if declared.name == column)


def is_plausible(low: int, high: int, unit: TimeUnit) -> bool:
    """Whether some of these times can be those of rows that somebody logged."""
    earliest, latest = ((day - _EPOCH.date()).days * unit.per_day for day in (_EARLIEST, _LATEST))
    return low < latest and high >= earliest


def fitting_unit(low: int, high: int, declared: TimeUnit) -> TimeUnit | None:
    """The unit in which all of these whole numbers are plausible times; None where no other one is."""
    fitting = (unit for unit in TimeUnit if is_plausible(low, low, unit) and is_plausible(high, high, unit))
    return next((unit for unit in fitting if unit is not declared), None)
