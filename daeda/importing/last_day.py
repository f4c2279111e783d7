"""Whether the last day of partitions is whole: by when their rows end, compared with the days before it."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from daeda.dtypes import TIMESTAMP_UNITS, UnitSymbol
from daeda.sources.files import PARTITION, parse_day
from daeda.sql.files import as_pattern
from daeda.sql.handle import quoted_name, quoted_text

_EPOCH = dt.date(1970, 1, 1)
_DAY_SECONDS = 86_400
# Days whose ends are looked at.
_LOOKED_AT = 28


def partition_files(directory: Path) -> dict[dt.date, list[Path]]:
    """The Parquet files of each `dt=` directory."""
    found: dict[dt.date, list[Path]] = {}
    for path in sorted(directory.glob(f"{PARTITION}*/*.parquet")):
        day = parse_day(path.parent.name.removeprefix(PARTITION))
        if day is not None:
            found.setdefault(day, []).append(path)
    return found


def last_row_of_a_part(
    connection: duckdb.DuckDBPyConnection, files: Mapping[dt.date, Iterable[Path]], column: str, unit: UnitSymbol | None
) -> dt.datetime | None:
    """When the rows of the last day end, where that day looks like a part of one; None where it looks whole.

    `files` are those of each day, of which the newest are read; `column` is their time, in UTC, and `unit` what whole
    numbers in it count.
    """
    paths = [path for day in sorted(files)[-_LOOKED_AT:] for path in files[day]]
    if not paths:
        return None
    name = quoted_name(column)
    seconds = f"{name} / {TIMESTAMP_UNITS[unit].value}" if unit is not None else f"epoch({name})"
    listed = f"[{', '.join(quoted_text(as_pattern(str(path))) for path in paths)}]"
    return unfinished(ends_of(connection, seconds, f"read_parquet({listed}, hive_partitioning = false)"))


def ends_of(connection: duckdb.DuckDBPyConnection, seconds: str, relation: str) -> dict[dt.date, float]:
    """The newest row of each of the newest days of a relation, in the seconds since 1970 that an expression gives."""
    rows = connection.execute(
        f"SELECT CAST(floor(s / {_DAY_SECONDS}) AS BIGINT) AS d, max(s) FROM (SELECT {seconds} AS s FROM {relation}) "
        f"WHERE s IS NOT NULL AND isfinite(s) GROUP BY d ORDER BY d DESC LIMIT {_LOOKED_AT}"
    ).fetchall()
    return {_EPOCH + dt.timedelta(days=day): float(newest) for day, newest in rows}


def unfinished(ends: Mapping[dt.date, float]) -> dt.datetime | None:
    """The end of the last day, where it ends much earlier than the days before it; else None, as for a single day.

    Much earlier leaves more of the day than four times what half of the others leave, or than twice what any does.

    >>> day, hour = 86_400.0, 3_600.0
    >>> first = dt.date(1970, 1, 1)
    >>> unfinished({first: 23 * hour, first + dt.timedelta(1): day + 4 * hour})
    datetime.datetime(1970, 1, 2, 4, 0)
    >>> unfinished({first: 23 * hour, first + dt.timedelta(1): day + 22.5 * hour}) is None
    True
    """
    if len(ends) < 2:
        return None
    left = {day: ((day - _EPOCH).days + 1) * _DAY_SECONDS - end for day, end in ends.items()}
    last = max(left)
    others = [seconds for day, seconds in left.items() if day != last]
    if left[last] <= min(2 * max(others), 4 * statistics.median(others)):
        return None
    return dt.datetime(1970, 1, 1) + dt.timedelta(seconds=math.floor(ends[last]))


def shown_instant(instant: dt.datetime) -> str:
    """An instant as a sentence has it.

    >>> shown_instant(dt.datetime(2013, 2, 1, 4))
    '2013-02-01 04:00'
    """
    return instant.isoformat(" ", "seconds" if instant.second else "minutes")
