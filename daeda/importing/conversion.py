"""The SQL by which text becomes a value of a declared type: exactly, or not at all.

Each expression is NULL for text that is no such value. DuckDB's own casts are more lenient: '1.5' is 2 as a whole
number, '1.005' is 1.01 as DECIMAL(9, 2), and 1e999 is infinite.
"""

from __future__ import annotations

from daeda.dtypes import DType, TimeUnit, UnitSymbol
from daeda.importing.request import ISO, TextRules
from daeda.importing.spark_times import INT96
from daeda.sql.handle import quoted_text

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_WHOLE = r"[+-]?[0-9]+(?:\.0*)?"
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_SPECIAL = r"(?i)[+-]?(?:nan|inf|infinity)"
_MOMENT = (
    r"(?i)^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]((?:[01][0-9]|2[0-3]):[0-5][0-9])(?::([0-5][0-9])(?:[.,]([0-9]{1,9}))?)?)?"
    r" ?(Z|UTC|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?$"
)
_COUNTED = r"^([+-]?[0-9]{1,19})(?:\.([0-9]{1,9}))?$"
# The whole numbers up to which each one is a number of the type.
_WHOLE_UP_TO = {"double": 2**53, "float": 2**24}
_MICROSECONDS_OF_DAY = 86_400 * 1_000_000
# The year 1000 in microseconds after 1970: %Y of DuckDB takes two digits, too, and 24 would be the year 24.
_YEAR_1000 = -30_610_224_000 * 1_000_000


def without_nulls(text: str, dtype: DType, nulls: tuple[str, ...]) -> str:
    """The text without blanks around it, unless the column is of text, and NULL where it is spelled so."""
    trimmed = text if dtype.name == "string" else f"trim({text}, ' ' || chr(9) || chr(160))"
    if not nulls:
        return trimmed
    return f"(CASE WHEN {trimmed} NOT IN ({_texts(nulls)}) THEN {trimmed} END)"


def from_text(text: str, dtype: DType, rules: TextRules, unit: UnitSymbol | None = None) -> str:
    """The value of a text; `unit` says what numbers count in a column of times, which then holds no dates as text."""
    if dtype.item is not None:
        return f"list_transform({text}, lambda item: {from_text('item', dtype.item, rules)})"
    if dtype.name == "string":
        return text
    if dtype.name == "bool":
        return (
            f"(CASE WHEN lower({text}) IN ({_texts(_TRUE)}) THEN true "
            f"WHEN lower({text}) IN ({_texts(_FALSE)}) THEN false END)"
        )
    if dtype.is_integer:
        return _whole(_pointed(text, rules), dtype)
    if dtype.is_float:
        return _float(_pointed(text, rules), dtype)
    if dtype.is_decimal:
        return _decimal(_pointed(text, rules), dtype)
    return _instant(text, dtype, rules, unit)


def from_value(value: str, dtype: DType, given: str, unit: UnitSymbol | None = None) -> str:
    """The value of another type, as Parquet has it: what does not come back as it was is NULL."""
    if given == INT96:
        return _spark_time(value, dtype)
    if given == dtype.name:
        return value
    if unit is not None and dtype.is_instant and "int" in given:
        return _counted_instant(f"CAST({value} AS VARCHAR)", dtype, unit)
    there = f"TRY_CAST({value} AS {dtype.sql})"
    if dtype.is_integer and given in _WHOLE_UP_TO:
        # Beyond, neighbours are the same number to it, and which one was meant is lost.
        most = _WHOLE_UP_TO[given]
        return f"(CASE WHEN {value} = trunc({value}) AND abs({value}) <= {most} THEN {there} END)"
    return f"(CASE WHEN TRY_CAST({there} AS {DType.parse(given).sql}) IS NOT DISTINCT FROM {value} THEN {there} END)"


def _spark_time(value: str, dtype: DType) -> str:
    """The value of seconds after 1970 and nanoseconds after those; where the type is no instant, by way of one."""
    if dtype.is_instant:
        microseconds = f"TRY(CAST({value}.seconds * 1000000 AS BIGINT) + {value}.nanoseconds // 1000)"
        return _made(microseconds, f"{value}.nanoseconds % 1000", dtype)
    return from_value(_spark_time(value, DType("timestamp[ns]")), dtype, "timestamp[ns]")


def _texts(texts: tuple[str, ...]) -> str:
    return ", ".join(map(quoted_text, texts))


def _pointed(text: str, rules: TextRules) -> str:
    """With a point before its decimals. Where those stand behind a comma, a point separates nothing."""
    if not rules.decimal_comma:
        return text
    return f"(CASE WHEN NOT contains({text}, '.') THEN replace({text}, ',', '.') END)"


def _when(text: str, pattern: str, value: str) -> str:
    return f"(CASE WHEN regexp_full_match({text}, {quoted_text(pattern)}) THEN {value} END)"


def _whole(text: str, dtype: DType) -> str:
    return _when(text, _WHOLE, f"TRY_CAST(split_part({text}, '.', 1) AS {dtype.sql})")


def _float(text: str, dtype: DType) -> str:
    number = f"TRY_CAST({text} AS {dtype.sql})"
    finite = _when(text, _NUMBER, f"CASE WHEN isfinite({number}) THEN {number} END")
    return f"coalesce({finite}, {_when(text, _SPECIAL, number)})"


def _decimal(text: str, dtype: DType) -> str:
    pattern = rf"[+-]?(?:[0-9]+(?:\.[0-9]{{0,{dtype.scale}}}0*)?|\.[0-9]{{1,{max(1, dtype.scale)}}}0*)"
    if dtype.scale == 0:
        pattern = r"[+-]?[0-9]+(?:\.0*)?"
    return _when(text, pattern, f"TRY_CAST({text} AS {dtype.sql})")


def _instant(text: str, dtype: DType, rules: TextRules, unit: UnitSymbol | None) -> str:
    if unit is not None:
        return _counted_instant(text, dtype, unit)
    # A day is the same in every zone.
    zone = None if dtype.name == "date" else rules.timezone
    found = [
        _iso(text, dtype, zone) if form == ISO else _formatted(text, form, dtype, zone) for form in rules.time_formats
    ]
    return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"


def _iso(text: str, dtype: DType, zone: str | None) -> str:
    """A time of ISO 8601. Of `2024-01-31T10:00:00.25+01:00` the parts are date, minute, second, fraction and zone."""
    part = f"regexp_extract({text}, {quoted_text(_MOMENT)}, ['day', 'minute', 'second', 'fraction', 'zone'])"
    moment = (
        f"TRY_CAST({part}.day || CASE WHEN {part}.minute = '' THEN '' ELSE ' ' || {part}.minute || ':' || "
        f"CASE WHEN {part}.second = '' THEN '00' ELSE {part}.second END END AS TIMESTAMP)"
    )
    digits = f"replace({part}.zone, ':', '')"
    offset = (
        f"CASE WHEN upper({part}.zone) IN ('', 'Z', 'UTC') THEN 0 ELSE "
        f"CASE WHEN starts_with({digits}, '-') THEN -1 ELSE 1 END * (CAST(substr({digits}, 2, 2) AS BIGINT) * 3600 + "
        f"coalesce(TRY_CAST(nullif(substr({digits}, 4, 2), '') AS BIGINT), 0) * 60) END"
    )
    local = f"epoch_us({moment})"
    if zone is not None:
        local = f"CASE WHEN {part}.zone = '' THEN {of_zone(moment, zone)} ELSE {local} END"
    fraction = f"CAST(rpad({part}.fraction, 9, '0') AS BIGINT)"
    return _made(f"({local}) - ({offset}) * 1000000", fraction, dtype)


def _formatted(text: str, form: str, dtype: DType, zone: str | None) -> str:
    moment = moment_of(text, form)
    zoned = "%z" in form or "%Z" in form
    return _made(f"epoch_us({moment})" if zoned or zone is None else of_zone(moment, zone), "0", dtype)


def moment_of(text: str, form: str) -> str:
    """The time of a text in a format of strptime, NULL where it has another one; a year has four digits.

    DuckDB takes the words `epoch` and `infinity` for 1900-01-01 in every format.
    """
    moment = f"try_strptime({text}, {quoted_text(form)})"
    fits = [f"regexp_matches({text}, '[0-9]')", *([f"epoch_us({moment}) >= {_YEAR_1000}"] if "%Y" in form else [])]
    return f"(CASE WHEN {' AND '.join(fits)} THEN {moment} END)"


def of_zone(moment: str, zone: str) -> str:
    """Microseconds after 1970 of a time that clocks of a zone show; NULL for one that they skip.

    Of one that they show twice it is the first, where DuckDB takes the last: clocks are set back once within a day, so
    that the offset of the day before leads to it.
    """
    named = quoted_text(zone)
    last = f"timezone({named}, {moment})"
    before = f"{last} - to_hours(24)"
    offset = f"epoch_us(timezone({named}, {before})) - epoch_us({before})"
    first = f"make_timestamptz(epoch_us({moment}) - ({offset}))"
    shown = f"timezone({named}, {first}) = {moment}"
    return (
        f"CASE WHEN {shown} THEN least(epoch_us({first}), epoch_us({last})) "
        f"WHEN timezone({named}, {last}) = {moment} THEN epoch_us({last}) END"
    )


def _made(microseconds: str, nanoseconds: str, dtype: DType) -> str:
    """The instant so many microseconds after 1970, and nanoseconds after that; NULL where the type has no such digits.

    Both are evaluated with NULL, where the text is no time. A number that no timestamp has is an error of DuckDB, which
    TRY makes NULL.
    """
    match dtype.name:
        case "date":
            whole = f"{nanoseconds} = 0 AND ({microseconds}) % {_MICROSECONDS_OF_DAY} = 0"
            value = f"CAST(TRY(make_timestamp({microseconds})) AS DATE)"
        case "timestamp[ns]":
            whole = f"({microseconds}) IS NOT NULL"
            count = f"TRY_CAST(CAST({microseconds} AS HUGEINT) * 1000 + {nanoseconds} AS BIGINT)"
            value = f"TRY(make_timestamp_ns({count}))"
        case "timestamp[ms]":
            whole = f"{nanoseconds} % 1000000 = 0 AND ({microseconds}) % 1000 = 0"
            value = f"CAST(TRY(make_timestamp({microseconds} + {nanoseconds} // 1000)) AS TIMESTAMP_MS)"
        case _:
            whole = f"{nanoseconds} % 1000 = 0"
            value = f"CAST(TRY(make_timestamp({microseconds} + {nanoseconds} // 1000)) AS {dtype.sql})"
    return f"(CASE WHEN {whole} THEN {value} END)"


def _counted_instant(text: str, dtype: DType, unit: UnitSymbol) -> str:
    """A number of units after 1970; seconds may have decimals."""
    per_second = {"s": TimeUnit.SECOND, "ms": TimeUnit.MILLI, "us": TimeUnit.MICRO, "ns": TimeUnit.NANO}[unit].value
    part = f"regexp_extract({text}, {quoted_text(_COUNTED)}, ['whole', 'decimals'])"
    nanoseconds = f"TRY_CAST({part}.whole AS HUGEINT) * {TimeUnit.NANO.value // per_second}"
    if unit == "s":
        signed = f"CASE WHEN starts_with({part}.whole, '-') THEN -1 ELSE 1 END"
        nanoseconds += f" + {signed} * CAST(rpad({part}.decimals, 9, '0') AS HUGEINT)"
    else:
        nanoseconds = f"CASE WHEN {part}.decimals = '' THEN {nanoseconds} END"
    rest = f"((({nanoseconds}) % 1000 + 1000) % 1000)"
    return _made(f"TRY_CAST((({nanoseconds}) - {rest}) // 1000 AS BIGINT)", f"CAST({rest} AS BIGINT)", dtype)
