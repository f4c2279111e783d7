"""The functions of an expression. Each takes values that are not NULL and gives a value, NULL included."""

from __future__ import annotations

import datetime as dt
import functools
import importlib.resources
import math
import re
import unicodedata
import zoneinfo
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from daeda_audit.expression.arithmetic import Unfit, cast, compare, ordering, power
from daeda_audit.instants import PER_DAY, PER_SECOND, Day, Instant, Span, day_of, span, unit_name
from daeda_audit.values import Single, single

Function = Callable[..., Any]
# The separators of Unicode (Zs); a tab and an end of line are none.
_SPACES = "".join(chr(code) for code in range(0x3001) if unicodedata.category(chr(code)) == "Zs")

_PER_HOUR = 3_600 * PER_SECOND
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# The days on which a clock anywhere is within Python's calendar, and after how many that begins anew.
_FIRST_DAY, _LAST_DAY = day_of(dt.date(1, 1, 2)).number, day_of(dt.date(9999, 12, 30)).number
_DAYS_OF_CALENDAR = 146_097


def like(text: str, pattern: str, escape: str | None = None, *, any_case: bool = False) -> bool:
    """LIKE: `%` stands for any characters, `_` for one."""
    if any_case:
        text, pattern = text.lower(), pattern.lower()
    parts, position = [], 0
    while position < len(pattern):
        character = pattern[position]
        if escape and character == escape and position + 1 < len(pattern):
            position += 1
            parts.append(re.escape(pattern[position]))
        else:
            parts.append({"%": ".*", "_": "."}.get(character, re.escape(character)))
        position += 1
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def substring(text: str, start: int, length: int | None = None) -> str:
    """Characters from `start` on, counted from 1; from the end where it is negative, before it where length is."""
    begin = len(text) + start if start < 0 else start - 1
    end = len(text) if length is None else begin + length
    low, high = sorted((begin, end))
    return text[max(low, 0) : max(high, 0)]


def interval(amount: Any, unit: str | None = None) -> Span:
    """`INTERVAL 7 DAY` and `INTERVAL '7 days 2 hours'`."""
    if unit is not None:
        found = span(int(cast(amount, "BIGINT")), unit)
        if found is None:
            raise Unfit(f"the unit {unit}")
        return found
    total = Span()
    words = str(amount).split()
    for number, word in zip(words[::2], words[1::2], strict=True):
        part = span(int(number), word)
        if part is None:
            raise Unfit(f"the unit {word}")
        total = Span(total.months + part.months, total.days + part.days, total.microseconds + part.microseconds)
    return total


def as_instant(value: Any) -> Instant:
    """A date, a text or a timestamp as an instant."""
    found = cast(value, "TIMESTAMP_NS")
    assert isinstance(found, Instant)
    return found


def extract(part: str, value: Any) -> Any:
    """One part of a timestamp or of an interval."""
    name = unit_name(part)
    if isinstance(value, Span):
        return _extract_span(name, value)
    instant = as_instant(value)
    if name == "epoch":
        return instant.nanoseconds // 1_000 / 1_000_000
    microseconds = instant.of_day // 1_000
    if name in _CLOCK_PARTS:
        divisor, modulus = _CLOCK_PARTS[name]
        return microseconds // divisor % modulus
    if name not in _DATE_PARTS:
        raise Unfit(f"the part {part}")
    return _DATE_PARTS[name](instant.day.date)


# Microseconds of the unit, and how many units there are before the count starts anew.
_CLOCK_PARTS = {
    "hour": (3_600_000_000, 24), "minute": (60_000_000, 60), "second": (1_000_000, 60), "millisecond": (1_000, 60_000),
    "microsecond": (1, 60_000_000),
}  # fmt: skip
_DATE_PARTS: dict[str, Callable[[dt.date], int]] = {
    "year": lambda date: date.year, "quarter": lambda date: (date.month + 2) // 3, "month": lambda date: date.month,
    "day": lambda date: date.day, "dow": lambda date: date.isoweekday() % 7,
    "dayofweek": lambda date: date.isoweekday() % 7, "weekday": lambda date: date.isoweekday() % 7,
    "isodow": dt.date.isoweekday, "doy": lambda date: date.timetuple().tm_yday,
    "dayofyear": lambda date: date.timetuple().tm_yday, "week": lambda date: date.isocalendar().week,
    "weekofyear": lambda date: date.isocalendar().week, "isoyear": lambda date: date.isocalendar().year,
}  # fmt: skip


def _extract_span(part: str, value: Span) -> Any:
    match part:
        case "day":
            return value.days
        case "hour":
            return _truncated(value.microseconds, 3_600_000_000)
        case "minute":
            return _remainder(_truncated(value.microseconds, 60_000_000), 60)
        case "second":
            return _remainder(_truncated(value.microseconds, 1_000_000), 60)
        case "month":
            return _remainder(value.months, 12)
        case "year":
            return _truncated(value.months, 12)
        case "epoch":
            return value.length / 1_000_000
    raise Unfit(f"the part {part} of an interval")


def _truncated(value: int, by: int) -> int:
    return abs(value) // by * (1 if value >= 0 else -1)


def _remainder(value: int, by: int) -> int:
    return abs(value) % by * (1 if value >= 0 else -1)


def date_trunc(part: str, value: Any) -> Instant:
    """The begin of the unit that holds the instant."""
    instant = as_instant(value)
    day, unit = instant.day, unit_name(part)
    if (of_clock := _CLOCK_UNITS.get(unit)) is not None:
        return Instant(instant.nanoseconds // of_clock * of_clock)
    return Instant(_first_day(day, unit).number * PER_DAY)


def _first_day(day: Day, unit: str) -> Day:
    date = day.date
    match unit:
        case "day":
            return day
        case "week":
            return Day(day.number - date.weekday())
        case "month":
            return Day(day.number - date.day + 1)
        case "quarter":
            return _first_day(day, "month").plus_months(-((date.month - 1) % 3))
        case "year":
            return _first_day(day, "month").plus_months(1 - date.month)
    raise Unfit(f"the unit {unit}")


_CLOCK_UNITS = {
    "hour": 3600 * PER_SECOND, "minute": 60 * PER_SECOND, "second": PER_SECOND, "millisecond": 10**6,
    "microsecond": 10**3,
}  # fmt: skip


def date_diff(part: str, start: Any, end: Any) -> int:
    """How many borders of the unit lie between two instants."""
    first, last, unit = as_instant(start), as_instant(end), unit_name(part)
    if (of_clock := _CLOCK_UNITS.get(unit)) is not None:
        return last.nanoseconds // of_clock - first.nanoseconds // of_clock
    if unit == "week":
        return _truncated(last.day.number - first.day.number, 7)  # whole weeks, wherever they begin
    begins, ends = _first_day(first.day, unit), _first_day(last.day, unit)
    if unit == "day":
        return ends.number - begins.number
    months = (ends.date.year - begins.date.year) * 12 + ends.date.month - begins.date.month
    return months // {"month": 1, "quarter": 3, "year": 12}[unit]


def epoch(value: Any, per_second: int) -> int | Instant:
    """An instant as a whole number, rounded down; of whole milliseconds, the instant."""
    if isinstance(value, Span):
        return value.length * per_second // 1_000_000
    if isinstance(value, int) and per_second == 1_000:
        return Instant(value * 1_000_000)  # DuckDB's epoch_ms goes both ways
    return as_instant(value).nanoseconds * per_second // PER_SECOND


def rounded(value: Any, digits: int = 0) -> Any:
    """Half away from zero; doubles as round(x * 10^n) / 10^n."""
    if isinstance(value, int):
        return value if digits >= 0 else int(Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))
    if isinstance(value, Decimal):
        places = min(digits, -int(value.as_tuple().exponent))
        with localcontext(prec=100):
            return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP).quantize(
                Decimal(1).scaleb(-max(places, 0))
            )
    if not math.isfinite(value):
        return value
    factor = 10.0 ** abs(digits)
    scaled = value * factor if digits >= 0 else value / factor
    whole = math.floor(abs(scaled))
    nearest = math.copysign(whole + (1 if abs(scaled) - whole >= 0.5 else 0), scaled)
    return _like(value, nearest / factor if digits >= 0 else nearest * factor)


def _like(model: float, value: float) -> float:
    return single(value) if isinstance(model, Single) else value


def _whole(direction: str, of_float: Callable[[float], int]) -> Function:
    def function(value: Any) -> Any:
        if isinstance(value, Decimal):
            return value.to_integral_value(direction)
        if isinstance(value, float):
            return _like(value, float(of_float(value)) if math.isfinite(value) else value)
        return value

    return function


def _sign(value: Any) -> int:
    return 1 if value > 0 else -1 if value < 0 else 0


def _concat(*parts: Any) -> Any:
    lists = [part for part in parts if isinstance(part, list)]
    if lists:
        return [item for part in lists for item in part]
    return "".join(cast(part, "VARCHAR") for part in parts)


def _in_case(text: str, change: Callable[[str], str]) -> str:
    """Character by character: a letter without a single counterpart stays."""
    return "".join(_letter_in_case(letter, change(letter)) for letter in text)


def _letter_in_case(letter: str, changed: str) -> str:
    if len(changed) == 1:
        return changed
    if letter in "ßİ":
        return {"ß": "ẞ", "İ": "i"}[letter]
    # A Greek letter with an iota below has a title case that is one character.
    return letter.title() if len(letter.title()) == 1 else letter


def _extreme(values: Any, sign: int) -> Any:
    best = None
    for value in values:
        if value is not None and (best is None or ordering(value, best) == sign):
            best = value
    return best


def greatest(*values: Any) -> Any:
    """The greatest value that is not NULL."""
    return _extreme(values, 1)


def least(*values: Any) -> Any:
    """The least value that is not NULL."""
    return _extreme(values, -1)


def _list_sum(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _logarithm(*values: Any) -> float:
    return math.log10(values[0]) if len(values) == 1 else math.log10(values[1]) / math.log10(values[0])


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, str):
        return part in whole
    return any(compare("=", item, part) is True for item in whole)


def _exponential(value: Any) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _size(values: Any, dimension: int = 1) -> int:
    if dimension != 1:
        raise Unfit(f"the length of the dimension {dimension}")
    return len(values)


def local_time(value: Any, zone: str) -> Instant:
    """What a clock in the zone shows at an instant, as an instant of UTC at which one there shows the same."""
    instant = as_instant(value)
    # Rules repeat with the calendar, every 400 years; before the first year the clock went by the sun, as in it.
    days = min(instant.day.number, _LAST_DAY - (_LAST_DAY - instant.day.number) % _DAYS_OF_CALENDAR)
    at = _EPOCH + dt.timedelta(days=max(days, _FIRST_DAY), microseconds=instant.of_day // 1_000)
    offset = at.astimezone(rules_of(zone)).utcoffset()
    assert offset is not None
    return Instant(instant.nanoseconds + offset // dt.timedelta(microseconds=1) * 1_000)


@functools.cache
def rules_of(zone: str) -> zoneinfo.ZoneInfo:
    """The rules of a zone by the package tzdata, on every host the same; a name that it lacks is the host's."""
    rules = importlib.resources.files("tzdata").joinpath("zoneinfo", *zone.split("/"))
    if not rules.is_file():
        return zoneinfo.ZoneInfo(zone)
    with rules.open("rb") as opened:
        return zoneinfo.ZoneInfo.from_file(opened, key=zone)


# Their last bit depends on the mathematical library.
TRANSCENDENTAL = frozenset({"ln", "log", "log10", "log2", "exp", "pow", "power", "^", "sqrt"})

FUNCTIONS: dict[str, Function] = {
    "abs": abs, "ceil": _whole(ROUND_CEILING, math.ceil), "floor": _whole(ROUND_FLOOR, math.floor), "round": rounded,
    "sqrt": math.sqrt, "ln": math.log, "log": _logarithm, "log10": math.log10, "log2": math.log2, "exp": _exponential,
    "pow": lambda left, right: power(float(left), float(right)), "sign": _sign,
    "lower": lambda text: _in_case(text, str.lower), "upper": lambda text: _in_case(text, str.upper),
    "length": len, "array_size": _size, "trim": lambda text, what=_SPACES: text.strip(what),
    "ltrim": lambda text, what=_SPACES: text.lstrip(what), "rtrim": lambda text, what=_SPACES: text.rstrip(what),
    "substring": substring, "starts_with": str.startswith, "ends_with": str.endswith, "contains": _contains,
    "extract": extract, "date_diff": date_diff, "date_trunc": date_trunc, "interval": interval,
    "epoch": lambda value: extract("epoch", value), "epoch_ms": lambda value: epoch(value, 1_000),
    "epoch_us": lambda value: epoch(value, 1_000_000), "epoch_ns": lambda value: epoch(value, PER_SECOND),
    "isnan": math.isnan, "isinf": math.isinf, "isfinite": math.isfinite,
    "hour_of": lambda value, zone="UTC": local_time(value, zone).of_day // _PER_HOUR,
    "day_of_week": lambda value, zone="UTC": local_time(value, zone).day.weekday,
    "list_min": lambda values: _extreme(values, -1), "list_max": lambda values: _extreme(values, 1),
    "list_sum": _list_sum, "||": _concat, "list_contains": _contains,
}  # fmt: skip
_ALIASES = {
    "ceiling": "ceil", "power": "pow", "len": "length", "char_length": "length", "character_length": "length",
    "strlen": "length", "array_length": "array_size", "cardinality": "array_size", "substr": "substring",
    "prefix": "starts_with", "startswith": "starts_with", "suffix": "ends_with", "date_part": "extract",
    "datepart": "extract", "datediff": "date_diff", "datetrunc": "date_trunc", "array_contains": "list_contains",
    "list_has": "list_contains", "array_has": "list_contains", "lcase": "lower", "ucase": "upper",
}  # fmt: skip
FUNCTIONS |= {alias: FUNCTIONS[name] for alias, name in _ALIASES.items()}

# These see NULLs and decide themselves.
NULL_AWARE: dict[str, Function] = {
    "greatest": greatest,
    "least": least,
    "concat": lambda *parts: _concat(*(part for part in parts if part is not None)),
}
