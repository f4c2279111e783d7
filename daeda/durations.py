"""Durations of windows and time-to-live: `30s`, `15m`, `12h`, `7d`, `2w`, and `unbounded`."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from daeda.dtypes import TimeUnit
from daeda.errors import cut, in_yaml

_UNITS_NS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3_600 * 10**9,
    "d": 86_400 * 10**9,
    "w": 7 * 86_400 * 10**9,
}
_SHAPE = re.compile(r"(\d+)(ns|us|ms|s|m|h|d|w)", re.ASCII)
_MOST_DIGITS = 18
NANOSECONDS_OF_DAY = _UNITS_NS["d"]


def seconds_since(started: float) -> float:
    """Seconds since a reading of `time.perf_counter`; none where that clock was set back, as virtual ones are."""
    return max(0.0, time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of time, exact in nanoseconds, or without bound (`nanoseconds` is None). Only a delay may be 0."""

    text: str
    nanoseconds: int | None

    def __str__(self) -> str:
        return self.text

    @staticmethod
    def parse(value: object) -> Duration:
        """Read `7d` or `unbounded`; raises ValueError.

        >>> Duration.parse("7d").days
        7
        """
        text = in_yaml(value)
        return UNBOUNDED if text == UNBOUNDED.text else _with_an_end(text, "'unbounded'")

    @staticmethod
    def parse_delay(value: object) -> Duration:
        """Read `0s` or `2d`, what a delay may be; raises ValueError."""
        text = in_yaml(value)
        if text.startswith("-"):
            raise ValueError(f"'{cut(text)}' is not a delay: it is never negative, write 0s or a duration like 2d")
        match = _SHAPE.fullmatch(text)
        if match and not match[1].strip("0"):
            return Duration(text, 0)
        if text == UNBOUNDED.text:
            raise ValueError("'unbounded' is not a delay: write 0s or a duration like 2d")
        return _with_an_end(text, "0s")

    @staticmethod
    def parse_bounded(value: object) -> Duration:
        """Read `7d`, or `unbounded` for whoever refuses it with a reason; raises ValueError that proposes only `7d`.

        >>> Duration.parse_bounded("7d").days
        7
        """
        text = in_yaml(value)
        return UNBOUNDED if text == UNBOUNDED.text else _with_an_end(text)

    @staticmethod
    def parse_grid(value: object) -> Duration:
        """Read `15m`, `1h`, `1d`, what the ends of windows may be rounded down to; raises ValueError.

        >>> Duration.parse_grid("1w").days
        7
        """
        parsed = Duration.parse_bounded(value)
        length = parsed.nanoseconds
        if length is None or (NANOSECONDS_OF_DAY % length and length % NANOSECONDS_OF_DAY):
            raise ValueError(
                f"windows cannot be aligned to '{parsed}': write a divisor of a day, like 15m, 1h or 6h, or whole days"
            )
        return parsed

    @property
    def days(self) -> int | None:
        """Whole days that cover it, rounded up; None when unbounded."""
        return None if self.nanoseconds is None else -(-self.nanoseconds // NANOSECONDS_OF_DAY)

    def in_unit(self, unit: TimeUnit) -> int | None:
        """Length in `unit`; None when unbounded. Raises ValueError when it is not a whole number of units."""
        if self.nanoseconds is None:
            return None
        per_unit = 10**9 // unit.value
        whole, rest = divmod(self.nanoseconds, per_unit)
        if rest:
            raise ValueError(f"'{self.text}' is finer than the timestamps that it is compared with")
        return whole

    @property
    def unit(self) -> TimeUnit:
        """The coarsest resolution in which this is a whole number."""
        if self.nanoseconds is None:
            return TimeUnit.SECOND
        return next(unit for unit in TimeUnit if self.nanoseconds % (10**9 // unit.value) == 0)


def _with_an_end(text: str, instead: str = "") -> Duration:
    """A whole number above 0 and a unit; raises ValueError that proposes these, or what else may be written instead."""
    match = _SHAPE.fullmatch(text)
    if match and len(match[1]) > _MOST_DIGITS:
        raise ValueError(
            f"a duration of {len(match[1])} digits is longer than any data: write {instead or 'a shorter one'}"
        )
    if not match or int(match[1]) == 0:
        units = ", ".join(_UNITS_NS)
        # A number alone most likely lacks its unit.
        whole = text.isascii() and text.isdigit() and text.strip("0")
        raise ValueError(
            f"'{cut(text)}' is not a duration: write a whole number above 0 and a unit ({units}), like "
            f"{cut(text) if whole else 7}d{instead and f', or {instead}'}"
        )
    return Duration(text, int(match[1]) * _UNITS_NS[match[2]])


UNBOUNDED = Duration("unbounded", None)
NO_DELAY = Duration("0s", 0)


def together(*spans: Duration) -> Duration:
    """The sum of spans that all have an end, in the coarsest unit that is whole.

    >>> str(together(Duration.parse("1d"), Duration.parse("12h")))
    '36h'
    """
    spans = tuple(span for span in spans if span.nanoseconds)
    if len(spans) < 2:
        return spans[0] if spans else NO_DELAY
    whole = sum(span.nanoseconds or 0 for span in spans)
    units = [(unit, length) for unit, length in _UNITS_NS.items() if unit != "w" and whole % length == 0]
    unit, length = units[-1]
    return Duration(f"{whole // length}{unit}", whole)


def reach_of(window: Duration, aligned_to: Duration | None, offset: Duration | None) -> Duration:
    """How far before a day the windows of its rows begin at most: a grid of several days may end one days ago.

    >>> str(reach_of(Duration.parse("1d"), Duration.parse("7d"), None))
    '7d'
    """
    if window.nanoseconds is None:
        return window
    rounded = 0 if aligned_to is None else (aligned_to.nanoseconds or 0) - NANOSECONDS_OF_DAY
    return together(window, offset or NO_DELAY, Duration("", max(rounded, 0)))


def finest(*units: TimeUnit | None) -> TimeUnit:
    """The finest resolution among `units`: comparisons are made in it, so that nothing is rounded."""
    present = [unit for unit in units if unit is not None]
    return max(present, key=lambda unit: unit.value) if present else TimeUnit.SECOND
