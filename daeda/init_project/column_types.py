"""Which types texts are: numbers, true and false, and times of a format; with one that does not fit, texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from daeda.dtypes import DType
from daeda.importing.conversion import from_text, moment_of
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
_CODE = "regexp_full_match(v, '[+-]?0[0-9]+')"
_DAY = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?"
_NANOSECONDS = r"regexp_matches(v, '[.,]\d{6}\d*[1-9]')"
_ISO_DATE = f"regexp_full_match(v, '{_DAY}')"
_ISO_TIME = f"regexp_full_match(v, '{_DAY}{_CLOCK}')"
_ISO_ZONED = rf"regexp_full_match(v, '{_DAY}{_CLOCK} ?(Z|UTC|[+-]\d{{2}}(:?\d{{2}})?)')"
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%m/%d/%y", "%d/%m/%y", "%d %b %Y",
          "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%Y%m%d", "%Y-%m-%d")  # fmt: skip
_CLOCKS = (" %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p", "")
_ZONED = ("%d/%b/%Y:%H:%M:%S %z", "%a %b %d %H:%M:%S %z %Y", "%a, %d %b %Y %H:%M:%S %z", "%Y/%m/%d %H:%M:%S %z")
_OTHERS = ("%Y%m%dT%H%M%S", "%Y%m%d%H%M%S", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p", "%d/%b/%Y:%H:%M:%S")
FORMATS = (*(f"{date}{clock}" for clock in _CLOCKS for date in _DATES), *_OTHERS, *_ZONED)
# Rows by which formats are chosen before one is tried on all.
_FEW = 200


@dataclass(frozen=True)
class TextType:
    """What texts are. `conversion` is the SQL that makes the value, with PLACE for the text.

    `other_format` is a second format that fits all of them too, as 03/04 is two days. `comma` is one of the numbers
    with a decimal comma, `pointed` says that there are some with a point.
    """

    dtype: str
    conversion: str = PLACE
    text_format: str = ""
    zoned: bool = False
    other_format: str = ""
    nulls: tuple[str, ...] = ()
    comma: str = ""
    pointed: bool = False

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
    candidates = NULL_TEXTS if found is not None and seen["null"] else ()
    used = tuple(one for one in candidates if _stands_in(connection, table, column, one))
    if found is None:
        return TextType("string")
    return replace(found, nulls=used)


def _stands_in(connection: duckdb.DuckDBPyConnection, table: str, column: str, one: str) -> bool:
    where = f"{quoted_name(column)} = {quoted_text(one)}"
    return bool(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchall()[0][0])


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
    if seen["date"] == filled:
        return TextType("date", f"TRY_CAST({PLACE} AS DATE)", ISO)
    zoned = bool(seen["zoned"] == filled)
    if not zoned and seen["time"] + seen["date"] != filled:
        return None
    if seen["nanoseconds"]:
        # DuckDB leaves them out of a text.
        dtype = DType.parse("timestamp[ns]")
        return TextType(dtype.name, from_text(PLACE, dtype, TextRules()), ISO, zoned=zoned)
    # As a TIMESTAMP at once, DuckDB would take no notice of the zone.
    made = f"CAST(TRY_CAST({PLACE} AS TIMESTAMPTZ) AS TIMESTAMP)" if zoned else f"TRY_CAST({PLACE} AS TIMESTAMP)"
    return TextType("timestamp[us]", made, ISO, zoned=zoned)


def _of_formats(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, filled: int, nulls: str
) -> TextType | None:
    """The formats that all texts have; of two that do, the one in which rows ascend, and lie closer together."""
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
        if connection.execute(tried).fetchall()[0][0] == len(few):
            fitting.append(one)
    ranked = []
    for one in fitting[:4]:
        parsed = moment_of(quoted_name(column), one)
        number, ascending, span = connection.execute(
            f"SELECT count(t), avg((t >= p)::INT), epoch(max(t)) - epoch(min(t)) FROM "
            f"(SELECT t, lag(t) OVER (ORDER BY r) AS p FROM (SELECT {parsed} AS t, rowid AS r FROM {table}))"
        ).fetchall()[0]
        if number == filled:
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
