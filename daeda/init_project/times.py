"""Which columns, alone or together, say when a row happened: by their values, their names and the order of the file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import duckdb

from daeda.init_project.tables import Column, Table, valid_name, words_of
from daeda.init_project.words import DAY, ENDS, HAPPENS, HOUR, KNOWN, MINUTE, MONTH, PLANNED, YEAR, any_of, plainness
from daeda.sql.handle import quoted_name

Unit = Literal["s", "ms", "us", "ns"]
_UNITS: tuple[tuple[Unit, int], ...] = (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))
# Seconds since 1970 at which events are: 1990 to 2045.
_EARLIEST, _LATEST = 631_152_000, 2_366_841_600
# The years 1 to 9999.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
# The year 2200: nothing has happened then.
_OPEN = 7_258_118_400
OPEN_END = "has times behind the year 2200, as 9999-12-31 for one that has not ended: no event happens then"
_DAY_SECONDS = 86_400
_MOST_NULLS = 0.5


@dataclass(frozen=True)
class Time:
    """A time of the rows of a table, made of one column or of several.

    `sql` makes a timestamp of the typed columns, in UTC where `zoned`; `unit` is that of integers. `low` and `high` are
    seconds since 1970 in the sample. `field` is the column that the view has of it.
    """

    name: str
    columns: tuple[str, ...]
    field: str
    sql: str
    score: float
    why: str
    low: float
    high: float
    zoned: bool = False
    unit: Unit | None = None
    native: bool = True
    has_clock: bool = True

    @property
    def first(self) -> dt.date:
        """The day of the first row of the sample, in UTC."""
        return day_of(self.low)

    @property
    def last(self) -> dt.date:
        """The day of the last row of the sample."""
        return day_of(self.high)


def day_of(seconds: float) -> dt.date:
    """The day in UTC of seconds since 1970.

    >>> day_of(86_400.5)
    datetime.date(1970, 1, 2)
    """
    return dt.date(1970, 1, 1) + dt.timedelta(days=int(seconds // _DAY_SECONDS))


def find_times(connection: duckdb.DuckDBPyConnection, table: Table) -> list[Time]:
    """The times that the rows may have, the likeliest first; those that are unlikely have no score above 0."""
    found = [time for column in table.columns if (time := _of_column(connection, table, column)) is not None]
    found += _of_parts(connection, table)
    return sorted(found, key=lambda time: -time.score)


def _of_column(connection: duckdb.DuckDBPyConnection, table: Table, column: Column) -> Time | None:
    if column.low is None or column.high is None or column.null_share > _MOST_NULLS:
        return None
    name, quoted = column.name, quoted_name(column.name)
    if is_beyond_years(column) or is_open_end(column):
        return None
    if column.is_instant:
        how = f"text of the format {column.text_format}" if column.text_format else column.dtype
        if column.other_format:
            how += f" ({column.other_format} fits too)"
        clock = column.dtype != "date"
        return Time(
            name, (name,), name, f"CAST({quoted} AS TIMESTAMP)", _score(column, clock=clock), _why(column, how),
            column.low, column.high, column.zoned, native=bool(column.stored) and column.stored == column.dtype,
            has_clock=clock,
        )  # fmt: skip
    unit = _unit(column)
    if unit is not None:
        symbol, factor = unit
        whole = column.is_integer
        sql = f"make_timestamp(CAST({quoted} * {10**6 / factor:.9g} AS BIGINT))"
        return Time(
            name, (name,), name if whole else valid_name("event_time", [one.name for one in table.columns]), sql,
            _score(column, clock=True), _why(column, f"a number of {symbol} since 1970"), column.low / factor,
            column.high / factor, True, symbol if whole else None, native=whole and bool(column.stored),
        )  # fmt: skip
    if column.is_integer and column.low >= 19_000_101 and column.high <= 21_001_231 and _is_named(column):
        sql = f"try_strptime(CAST({quoted} AS VARCHAR), '%Y%m%d')"
        return _checked(connection, table, (name,), sql, _score(column, clock=False), "a number like 20240131", False)
    return None


def is_beyond_years(column: Column) -> bool:
    """Whether a column of times has some of years that no day is of, as where its unit is another one than it says."""
    if not column.is_instant or column.low is None or column.high is None:
        return False
    return column.low < _FIRST_SECOND or column.high >= _LAST_SECOND + 1


def is_open_end(column: Column) -> bool:
    """Whether a column of times has some that stand for no end."""
    return column.is_instant and column.high is not None and column.high >= _OPEN


def _unit(column: Column) -> tuple[Unit, int] | None:
    """The unit of numbers that are times: all lie in years in which events are, and the name says so."""
    if not column.is_number or not (
        _is_named(column) or (column.ascending == 1.0 and column.unique and not column.words)
    ):
        return None
    low, high = column.low or 0.0, column.high or 0.0
    return next(
        ((unit, factor) for unit, factor in _UNITS if _EARLIEST * factor <= low and high <= _LATEST * factor), None
    )


def _is_named(column: Column) -> bool:
    ends = ("time", "timestamp", "date", "_ts", "_at")
    return any_of(column.words, HAPPENS) or any_of(column.words, KNOWN) or column.name.lower().endswith(ends)


def _score(column: Column, *, clock: bool) -> float:
    score = 1.0 + plainness(column.words)
    score += 2 * (column.ascending > 0.95) + 1 * clock
    score -= 3 * (column.null_share > 0.01)
    return score


def _why(column: Column, how: str) -> str:
    told = [how]
    misfits, example = column.misfits
    if misfits:
        told.append(f"but for {misfits:,} like '{example}', whose rows are kept aside")
    if column.nulls > misfits:
        told.append(f"{share((column.nulls - misfits) / column.rows)} NULL")
    told.append(f"in order in {share(column.ascending)} of the rows")
    return ", ".join(told)


def share(part: float) -> str:
    """A share for people.

    >>> share(0.5), share(1.0), share(0.9999), share(0.0001), share(0.0)
    ('50 %', '100 %', '99.9 %', '0.1 %', '0 %')
    """
    if part in (0.0, 1.0) or 0.1 <= part <= 0.99:
        return f"{100 * part:.0f} %"
    return f"{min(max(round(100 * part, 1), 0.1), 99.9)} %"


def _of_parts(connection: duckdb.DuckDBPyConnection, table: Table) -> Iterator[Time]:
    """A date in a column, or in three, with what says the hour of the day beside it."""
    dates: list[tuple[tuple[str, ...], str, bool]] = [
        ((column.name,), f"CAST({quoted_name(column.name)} AS TIMESTAMP)", False)
        for column in table.columns
        if column.dtype == "date" and column.null_share < _MOST_NULLS and column.low is not None
    ]
    year, month, day = (_part(table, words, low, high) for words, low, high in (
        (YEAR, 1990, 2100), (MONTH, 1, 12), (DAY, 1, 31),
    ))  # fmt: skip
    if year and month and day:
        names = ", ".join(f"CAST({quoted_name(name)} AS BIGINT)" for name in (year, month, day))
        dates.append(((year, month, day), f"CAST(TRY(make_date({names})) AS TIMESTAMP)", True))
    for columns, sql, made in dates:
        for clock, clock_sql in _clocks(table, columns):
            yield from _if_there(
                _checked(
                    connection, table, (*columns, *clock), f"{sql} + {clock_sql}", 4.0 + _planned(clock),
                    f"made of {', '.join((*columns, *clock))}", True,
                )
            )  # fmt: skip
        if made:
            yield from _if_there(_checked(connection, table, columns, sql, 2.0, f"made of {', '.join(columns)}", False))


def _if_there(time: Time | None) -> Iterator[Time]:
    if time is not None:
        yield time


def _planned(columns: Collection[str]) -> float:
    words = [word for name in columns for word in words_of(name)]
    return 1.0 * any_of(words, PLANNED) - 2.0 * any_of(words, ENDS)


def _part(table: Table, words: frozenset[str], low: int, high: int) -> str | None:
    """The whole numbers of a part of a time, by name and range."""
    for column in table.columns:
        if not column.is_integer or column.low is None or column.high is None or column.null_share > _MOST_NULLS:
            continue
        if len(column.words) == 1 and column.words[0] in words and low <= column.low and column.high <= high:
            return column.name
    return None


def _clocks(table: Table, dates: Collection[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Columns that say the hour of the day, and the interval since midnight that they are."""
    hour, minute = _part(table, HOUR, 0, 24), _part(table, MINUTE, 0, 59)
    if hour:
        minutes = f" + {quoted_name(minute)}" if minute else ""
        columns = (hour, minute) if minute else (hour,)
        yield columns, f"to_minutes(CAST({quoted_name(hour)} * 60{minutes} AS BIGINT))"
    for column in table.columns:
        quoted = quoted_name(column.name)
        named = any_of(column.words, ("time", "hhmm", "clock"))
        if not named or column.name in dates or column.null_share > _MOST_NULLS:
            continue
        if column.is_integer and column.low is not None and column.high is not None and 60 < column.high <= 2400:
            if column.low >= 0:
                yield (column.name,), f"to_minutes(CAST({quoted} // 100 * 60 + {quoted} % 100 AS BIGINT))"
        elif column.dtype == "string":
            yield (
                (column.name,),
                f"to_microseconds(epoch_us(CAST('1970-01-01 ' || {_clock_text(quoted)} AS TIMESTAMP)))",
            )


def _clock_text(quoted: str) -> str:
    """`7:05`, `0705` or `07:05:10` as a time that DuckDB reads; NULL for what is none."""
    four = f"lpad({quoted}, 4, '0')"
    written = (
        f"CASE WHEN regexp_full_match({quoted}, '[0-9]{{3,4}}') THEN {four}[1:2] || ':' || {four}[3:4] "
        f"ELSE {quoted} END"
    )
    return f"CAST(TRY_CAST({written} AS TIME) AS VARCHAR)"


def _checked(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    columns: tuple[str, ...],
    sql: str,
    score: float,
    why: str,
    clock: bool,
) -> Time | None:
    """A time that is made, with what it is in the sample; None where it is one in few rows."""
    number, low, high, ascending = connection.execute(
        f"SELECT count(t), min(epoch(t)), max(epoch(t)), avg((t >= p)::INT) FROM "
        f"(SELECT t, lag(t) OVER (ORDER BY r) AS p FROM (SELECT {sql} AS t, rowid AS r FROM {table.sample}))"
    ).fetchall()[0]  # fmt: skip
    if number < table.rows * _MOST_NULLS or low is None or high >= _OPEN:
        return None
    field = valid_name("event_time", [column.name for column in table.columns])
    told = f"{why}, in order in {share(ascending or 0.0)} of the rows"
    score += 2 * ((ascending or 0.0) > 0.95) - 3 * (number < 0.99 * table.rows)
    return Time(" + ".join(columns), columns, field, sql, score, told, low, high, native=False, has_clock=clock)


def find_created(connection: duckdb.DuckDBPyConnection, table: Table, time: Time) -> tuple[str, str, float] | None:
    """The column that says when a row became known, why, and the 99th percentile of seconds after its time.

    It is named so, and before the time of the row in fewer than a thousandth of the rows that were looked at.
    """
    for column in table.columns:
        same = (column.is_instant and time.unit is None) or (_unit(column) or ("", 0))[0] == (time.unit or "-")
        if column.name in time.columns or not any_of(column.words, KNOWN) or not same or column.null_share > 0.01:
            continue
        if is_open_end(column):
            continue
        factor = dict(_UNITS).get(time.unit, 1) if time.unit else 1
        value = f"epoch({quoted_name(column.name)})" if column.is_instant else f"{quoted_name(column.name)} / {factor}"
        early, late = connection.execute(
            f"SELECT avg((v < t)::INT), quantile_cont(v - t, 0.99) FROM (SELECT {value} AS v, epoch({time.sql}) AS t "
            f"FROM {table.sample})"
        ).fetchall()[0]
        if early is not None and early < 0.001 and late is not None and late > 0:
            before = f"before {time.name} in {share(early)} of the rows" if early else f"never before {time.name}"
            looked_at = " that were looked at" if early else " in the rows that were looked at"
            told = f"{before}{looked_at if table.partial else ''}"
            return column.name, f"{told}, named like a time at which a row became known", float(late)
    return None
