"""Points and spans of time as Python values: instants in nanoseconds, days, and calendar intervals."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass

from daeda.dtypes import iso_date
from daeda.errors import NotBuiltYet

EPOCH = dt.date(1970, 1, 1)
PER_SECOND = 1_000_000_000
PER_DAY = 86_400 * PER_SECOND
_DATE = re.compile(r"\s*(\d{1,4})([-/ \\])(\d{1,2})\2(\d{1,2})(?!\d)")
_CLOCK = re.compile(
    r"[ T]\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?(Z|\s*UTC|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)?)?"
)
# Texts of dates that DuckDB knows, and the audit does not: infinities, years before the first and behind 9999, zones.
_NOT_READ = re.compile(
    r"\s*[-+]?inf.*|\s*-\d.*|\s*\d{5,}[-/ \\].*|\d.*\(BC\).*|\d.*:\S*\s+[A-Za-z]+[/_].*", re.DOTALL | re.IGNORECASE
)


@dataclass(frozen=True, order=True, slots=True)
class Instant:
    """An instant: nanoseconds since 1970-01-01 UTC."""

    nanoseconds: int

    @property
    def day(self) -> Day:
        """The UTC day that holds it."""
        return Day(self.nanoseconds // PER_DAY)

    @property
    def of_day(self) -> int:
        """Nanoseconds since midnight."""
        return self.nanoseconds % PER_DAY

    def plus(self, span: Span) -> Instant:
        """This instant later by a span; a month that is too short ends on its last day."""
        start = self.day.plus_months(span.months)
        return Instant((start.number + span.days) * PER_DAY + self.of_day + span.microseconds * 1_000)

    def __str__(self) -> str:
        seconds, rest = divmod(self.of_day, PER_SECOND)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"{self.day} {clock}" + (f".{rest:09}".rstrip("0") if rest else "")


@dataclass(frozen=True, order=True, slots=True)
class Day:
    """A date: days since 1970-01-01."""

    number: int

    @property
    def date(self) -> dt.date:
        """As Python's date."""
        return EPOCH + dt.timedelta(days=self.number)

    @property
    def midnight(self) -> Instant:
        """Its first instant."""
        return Instant(self.number * PER_DAY)

    @property
    def weekday(self) -> int:
        """The day of the week, 1 for Monday: 1970 began on a Thursday."""
        return (self.number + 3) % 7 + 1

    def plus_months(self, months: int) -> Day:
        """The same day of another month, or the last one of a month that is shorter."""
        if not months:
            return self
        date = self.date
        year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
        last = calendar.monthrange(year, month + 1)[1]
        return day_of(dt.date(year, month + 1, min(date.day, last)))

    def __str__(self) -> str:
        return iso_date(self.number)


@dataclass(frozen=True, slots=True)
class Span:
    """An interval of the calendar. Two spans compare with a month of 30 days and a day of 24 hours."""

    months: int = 0
    days: int = 0
    microseconds: int = 0

    @property
    def length(self) -> int:
        """Microseconds, for comparison."""
        return (self.months * 30 + self.days) * 86_400_000_000 + self.microseconds

    def __neg__(self) -> Span:
        return Span(-self.months, -self.days, -self.microseconds)


_SPAN_UNITS = {
    "year": Span(months=12), "quarter": Span(months=3), "month": Span(months=1), "week": Span(days=7),
    "day": Span(days=1), "hour": Span(microseconds=3_600_000_000), "minute": Span(microseconds=60_000_000),
    "second": Span(microseconds=1_000_000), "millisecond": Span(microseconds=1_000),
    "microsecond": Span(microseconds=1),
}  # fmt: skip


def span(number: int, unit: str) -> Span | None:
    """So many units of the calendar, None for an unknown unit.

    >>> span(2, "WEEKS")
    Span(months=0, days=14, microseconds=0)
    """
    of_unit = _SPAN_UNITS.get(unit_name(unit))
    return (
        None if of_unit is None else Span(of_unit.months * number, of_unit.days * number, of_unit.microseconds * number)
    )


def unit_name(word: str) -> str:
    """The singular of a unit: `DAYS` is `day`."""
    lower = word.lower()
    return lower[:-1] if lower.endswith("s") and lower[:-1] in _SPAN_UNITS else lower


def day_of(date: dt.date) -> Day:
    """The Day of Python's date."""
    return Day((date - EPOCH).days)


END_OF_THE_CALENDAR = (day_of(dt.date.max).number + 1) * PER_DAY


def parse_day(text: str) -> Day:
    """`2024-01-31`, `2024/1/31`, possibly with something behind it that is left out; raises ValueError."""
    return _begin(text)[0]


def _begin(text: str) -> tuple[Day, str]:
    """The day with which a text begins, and what follows."""
    if _NOT_READ.fullmatch(text):
        raise NotBuiltYet(f"the audit cannot recompute the time '{text}' yet")
    if text.strip().lower() == "epoch":
        return Day(0), ""
    match = _DATE.match(text)
    if match is None:
        raise ValueError(f"'{text}' is not a date")
    return day_of(dt.date(int(match[1]), int(match[3]), int(match[4]))), text[match.end() :]


def parse_instant(text: str) -> Instant:
    """`2024-01-31`, `2024-01-31 12:30`, `2024-01-31T12:30:00.5+01:00`; raises ValueError."""
    day, clock_text = _begin(text)
    start = day.midnight.nanoseconds
    if not clock_text:
        return Instant(start)
    match = _CLOCK.fullmatch(clock_text)
    if match is None:
        raise ValueError(f"'{text}' is not a timestamp")
    hours, minutes, seconds = (int(part or 0) for part in match.groups()[:3])
    rest = int((match[4] or "").ljust(9, "0")[:9])
    clock = ((hours * 60 + minutes) * 60 + seconds) * PER_SECOND + rest
    if minutes > 59 or seconds > 59 or clock > PER_DAY:
        raise ValueError(f"'{text}' is not a timestamp")
    return Instant(start + clock - _offset(match[5]))


def _offset(text: str | None) -> int:
    if text is None or text.strip() in ("Z", "UTC"):
        return 0
    digits = text[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = (int(digits[position : position + 2]) for position in (0, 2, 4))
    return (-1 if text[0] == "-" else 1) * ((hours * 60 + minutes) * 60 + seconds) * PER_SECOND
