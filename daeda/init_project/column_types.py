"""Which types texts are: numbers, true and false, and times of a format; with one that does not fit, texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from daeda.dtypes import DType
from daeda.errors import cut
from daeda.importing.conversion import from_text, from_value, moment_of
from daeda.importing.request import TextRules
from daeda.sql.handle import quoted_name, quoted_text

# The place of the column in a conversion.
PLACE = "\u0001"
ISO = "ISO 8601"
# What stands for NULL where the column is of numbers without it.
NULL_TEXTS = ("NA", "N/A", "n/a", "NULL", "null", "None", "\\N")
_INTEGER = "regexp_full_match(v, '[+-]?(0|[1-9][0-9]*)')"
_COMMA = "regexp_full_match(v, '[+-]?[0-9]+,[0-9]+')"
_THOUSANDS = "regexp_full_match(v, '[+-]?[1-9][0-9]{0,2},[0-9]{3}')"
_GROUPED = "regexp_full_match(v, '[+-]?[0-9]{1,3}(([.][0-9]{3})+,[0-9]+|(,[0-9]{3})+[.][0-9]+)')"
_CODE = "regexp_full_match(v, '[+-]?0[0-9]+')"
_DAY = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
_NANOSECONDS = r"regexp_matches(v, '[.,]\d{6}\d*[1-9]')"
_ISO_DATE = f"regexp_full_match(v, '{_DAY}')"
_ISO_TIME = f"regexp_full_match(v, '{_DAY}{_CLOCK}')"
_ISO_ZONED = rf"regexp_full_match(v, '{_DAY}{_CLOCK} ?(Z|UTC|[+-]\d{{2}}(:?\d{{2}})?)')"
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%m/%d/%y", "%d/%m/%y", "%d-%m-%y",
          "%d.%m.%y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%Y%m%d", "%Y-%m-%d")  # fmt: skip
_CLOCKS = (" %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p", "")
_ZONED = ("%d/%b/%Y:%H:%M:%S %z", "%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%Y/%m/%d %H:%M:%S %z")
_OTHERS = ("%Y%m%dT%H%M%S", "%Y%m%d%H%M%S", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p", "%d/%b/%Y:%H:%M:%S")
FORMATS = (*(f"{date}{clock}" for clock in _CLOCKS for date in _DATES), *_OTHERS, *_ZONED)
# The share of texts from which on a column is one of times with some that are none.
_NEARLY_ALL = 0.95
# Rows by which formats are chosen before one is tried on all.
_FEW = 200


@dataclass(frozen=True)
class TextType:
    """What texts are. `conversion` is the SQL that makes the value, with PLACE for the text.

    `other_format` is a second format that fits all of them too, as 03/04 is two days. `comma` is one of the numbers
    with a decimal comma, `pointed` says that there are some with a point. `told` is why texts are none of it. `nearly`
    is what nearly all of them are, a time; its `misfits` are how many are not, and one of those.
    """

    dtype: str
    conversion: str = PLACE
    text_format: str = ""
    zoned: bool = False
    other_format: str = ""
    nulls: tuple[str, ...] = ()
    comma: str = ""
    pointed: bool = False
    told: str = ""
    nearly: TextType | None = None
    misfits: tuple[int, str] = (0, "")

    def of(self, sql: str) -> str:
        """The value made of a text that SQL gives."""
        return self.conversion.replace(PLACE, sql)


def type_of_texts(connection: duckdb.DuckDBPyConnection, table: str, column: str, *, numbers: bool) -> TextType:
    """The type of a column of texts; with `numbers`, of a format that has no types, also numbers."""
    nulls = f"v IN ({', '.join(map(quoted_text, NULL_TEXTS))})" if numbers else "false"
    counts = {
        "any": "count(v)",
        "null": f"count(*) FILTER ({nulls})",
        "integer": f"count(*) FILTER ({_INTEGER} AND TRY_CAST(v AS BIGINT) IS NOT NULL)",
        "unsigned": f"count(*) FILTER ({_INTEGER} AND TRY_CAST(v AS UBIGINT) IS NOT NULL)",
        "code": f"count(*) FILTER ({_CODE} OR {beyond_double('v')})",
        "nanoseconds": f"count(*) FILTER ({_NANOSECONDS})",
        "double": "count(TRY_CAST(v AS DOUBLE))",
        "comma": f"count(*) FILTER ({_COMMA})",
        # 1,234 may be a thousand and more.
        "example": f"max(v) FILTER ({_COMMA} AND NOT {_THOUSANDS})",
        "grouped": f"max(v) FILTER ({_GROUPED})",
        "pointed": "count(*) FILTER (contains(v, '.'))",
        "bool": "count(*) FILTER (lower(v) IN ('true', 'false'))",
        "date": f"count(*) FILTER ({_ISO_DATE} AND TRY_CAST(v AS DATE) IS NOT NULL)",
        "time": f"count(*) FILTER ({_ISO_TIME} AND TRY_CAST(v AS TIMESTAMP) IS NOT NULL)",
        "zoned": f"count(*) FILTER ({_ISO_ZONED} AND TRY_CAST(v AS TIMESTAMPTZ) IS NOT NULL)",
    }
    selected = ", ".join(counts.values())
    row = connection.execute(f"SELECT {selected} FROM (SELECT {quoted_name(column)} AS v FROM {table})").fetchall()[0]
    seen = dict(zip(counts, row, strict=True))
    filled = seen["any"] - seen["null"]
    if filled == 0:
        return TextType("string")
    found = _of_counts(seen, filled, numbers=numbers) or _of_formats(connection, table, column, filled, nulls)
    if found is None:
        told = f"values like {seen['grouped']}, with signs between thousands" if seen["grouped"] else ""
        if numbers and not told:
            told = _among_numbers(connection, table, column, seen, nulls)
        return TextType("string", told=told, nearly=_nearly(connection, table, column, seen, nulls))
    candidates = NULL_TEXTS if seen["null"] else ()
    return replace(found, nulls=tuple(one for one in candidates if how_often(connection, table, column, [one])))


def how_often(connection: duckdb.DuckDBPyConnection, table: str, column: str, texts: Sequence[str]) -> int:
    """In how many rows one of these texts stands."""
    where = f"{quoted_name(column)} IN ({', '.join(map(quoted_text, texts))})"
    return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchall()[0][0])


def _among_numbers(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, seen: Mapping[str, Any], nulls: str
) -> str:
    """What is no number where nearly all texts are numbers; else empty."""
    filled = seen["any"] - seen["null"]
    if seen["code"] or not max(1, math.ceil(_NEARLY_ALL * filled)) <= seen["double"] < filled:
        return ""
    number, example = connection.execute(
        f"SELECT count(*), min(v) FROM (SELECT {quoted_name(column)} AS v FROM {table}) "
        f"WHERE v IS NOT NULL AND NOT ({nulls}) AND TRY_CAST(v AS DOUBLE) IS NULL"
    ).fetchall()[0]
    what = "a value" if number == 1 else f"{number:,} values"
    return f"{what} like '{cut(str(example), 40)}' among numbers"


def _nearly(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, seen: Mapping[str, Any], nulls: str
) -> TextType | None:
    """The time that nearly all texts are, with those that are none."""
    filled = seen["any"] - seen["null"]
    least = max(1, math.ceil(_NEARLY_ALL * filled))
    found = _of_iso(seen, least) or _of_formats(connection, table, column, least, nulls)
    if found is None:
        return None
    name = quoted_name(column)
    number, example = connection.execute(
        f"SELECT count(*), min(v) FROM (SELECT {name} AS v FROM {table}) "
        f"WHERE v IS NOT NULL AND NOT ({nulls}) AND ({found.of('v')}) IS NULL"
    ).fetchall()[0]
    return replace(found, misfits=(number, cut(str(example), 40)))


def whole_keys(connection: duckdb.DuckDBPyConnection, table: str, column: str, dtype: str) -> TextType | None:
    """Whole numbers, where all of a column are that a reader has as doubles, as 7.0 beside an empty cell; else None."""
    made = exactly(PLACE, "int64") if dtype == "string" else from_value(PLACE, DType.parse("int64"), dtype)
    found = TextType("int64", made)
    name = quoted_name(column)
    number, fitting, most = connection.execute(
        f"SELECT count(v), count(n), max(abs(n)) FROM (SELECT v, {found.of('v')} AS n FROM "
        f"(SELECT {name} AS v FROM {table}))"
    ).fetchall()[0]
    return found if number and number == fitting and most <= 2**53 else None


def exactly(sql: str, dtype: str) -> str:
    """The number that a text is, as an import has it; NULL where the type has not exactly that one."""
    value = from_text(sql, DType.parse(dtype), TextRules())
    return f"(CASE WHEN NOT ({beyond_double(sql)}) THEN {value} END)" if dtype == "double" else value


def beyond_double(sql: str) -> str:
    """Whether a text is a whole number that no double is: ids that differ would be the same."""
    same = f"TRY_CAST(TRY_CAST({sql} AS DOUBLE) AS HUGEINT) = TRY_CAST({sql} AS HUGEINT)"
    return f"regexp_full_match({sql}, '[+-]?[0-9]{{16,}}') AND NOT coalesce({same}, false)"


def _of_counts(seen: Mapping[str, Any], filled: int, *, numbers: bool) -> TextType | None:
    if numbers and seen["integer"] == filled:
        return TextType("int64", exactly(PLACE, "int64"))
    if numbers and seen["unsigned"] == filled:
        return TextType("uint64", exactly(PLACE, "uint64"))
    if numbers and seen["double"] == filled and not seen["code"]:
        return TextType("double", exactly(PLACE, "double"), pointed=seen["pointed"] > 0)
    if numbers and seen["example"] and seen["comma"] + seen["integer"] == filled:
        return TextType("double", f"TRY_CAST(replace({PLACE}, ',', '.') AS DOUBLE)", comma=seen["example"])
    if numbers and seen["bool"] == filled:
        return TextType("bool", f"TRY_CAST({PLACE} AS BOOLEAN)")
    return _of_iso(seen, filled)


def _of_iso(seen: Mapping[str, Any], least: int) -> TextType | None:
    """Times of ISO 8601, where so many texts are some."""
    if seen["date"] >= least:
        return _iso("date")
    zoned = bool(seen["zoned"] >= least)
    if not zoned and seen["time"] + seen["date"] < least:
        return None
    return _iso("timestamp[ns]" if seen["nanoseconds"] else "timestamp[us]", zoned=zoned)


def _iso(dtype: str, *, zoned: bool = False) -> TextType:
    # DuckDB's own casts leave nanoseconds out, take no notice of zones, and know `infinity`.
    return TextType(dtype, from_text(PLACE, DType.parse(dtype), TextRules()), ISO, zoned=zoned)


def _of_formats(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, least: int, nulls: str
) -> TextType | None:
    """The formats that so many texts have; of two that do, the one in which rows ascend, and lie closer together."""
    few = [
        value
        for (value,) in connection.execute(
            f"SELECT DISTINCT v FROM (SELECT {quoted_name(column)} AS v FROM {table}) "
            f"WHERE v IS NOT NULL AND NOT ({nulls}) AND regexp_matches(v, '[0-9]') AND length(v) BETWEEN 6 AND 40 "
            f"LIMIT {_FEW}"
        ).fetchall()
    ]
    if not few:
        return None
    listed = f"[{', '.join(map(quoted_text, few))}]"
    fitting = []
    for one in FORMATS:
        tried = f"SELECT count({moment_of('v', one)}) FROM (SELECT unnest({listed}) AS v)"
        if (number := connection.execute(tried).fetchall()[0][0]) >= _NEARLY_ALL * len(few):
            fitting.append((number, one))
    # Those that fit all come first.
    fitting.sort(key=lambda found: -found[0])
    ranked = []
    for _, one in fitting[:4]:
        parsed = moment_of(quoted_name(column), one)
        number, ascending, span = connection.execute(
            f"SELECT count(t), avg((t >= p)::INT), epoch(max(t)) - epoch(min(t)) FROM "
            f"(SELECT t, lag(t) OVER (ORDER BY r) AS p FROM (SELECT {parsed} AS t, rowid AS r FROM {table}))"
        ).fetchall()[0]
        if number >= least:
            ranked.append((ascending or 0.0, -(span or 0.0), one))
    if not ranked:
        return None
    _, _, best = max(ranked, key=lambda found: found[:2])
    other = next((one for _, _, one in ranked if one != best), "")
    return _of_format(best, other)


def _of_format(chosen: str, other: str) -> TextType:
    parsed = moment_of(PLACE, chosen)
    if chosen in _ZONED:
        return TextType("timestamp[us]", f"CAST({parsed} AS TIMESTAMP)", chosen, zoned=True, other_format=other)
    if "%H" not in chosen and "%I" not in chosen:
        return TextType("date", f"CAST({parsed} AS DATE)", chosen, other_format=other)
    return TextType("timestamp[us]", parsed, chosen, other_format=other)
