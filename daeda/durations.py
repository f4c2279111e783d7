"""Durations of windows and time-to-live: `30s`, `15m`, `12h`, `7d`, `2w`, and `unbounded`."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from daeda.dtypes import TimeUnit
from daeda.errors import cut

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
_DAY_NS = _UNITS_NS["d"]


def seconds_since(started: float) -> float:
    """Seconds since a reading of `time.perf_counter`; none where that clock was set back, as virtual ones are."""
    return max(0.0, time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class Duration:
    """A positive span of time, exact in nanoseconds, or without bound (`nanoseconds` is None)."""

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
        text = str(value).strip()
        if text == "unbounded":
            return Duration(text, None)
        match = _SHAPE.fullmatch(text)
        if match and len(match[1]) > _MOST_DIGITS:
            raise ValueError(f"a duration of {len(match[1])} digits is longer than any data: write 'unbounded'")
        if not match or int(match[1]) == 0:
            units = ", ".join(_UNITS_NS)
            raise ValueError(
                f"'{cut(text)}' is not a duration: write a whole number above 0 and a unit ({units}), "
                "like 7d, or 'unbounded'"
            )
        return Duration(text, int(match[1]) * _UNITS_NS[match[2]])

    @property
    def days(self) -> int | None:
        """Whole days that cover it, rounded up; None when unbounded."""
        return None if self.nanoseconds is None else -(-self.nanoseconds // _DAY_NS)

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


UNBOUNDED = Duration("unbounded", None)


def finest(*units: TimeUnit | None) -> TimeUnit:
    """The finest resolution among `units`: comparisons are made in it, so that nothing is rounded."""
    present = [unit for unit in units if unit is not None]
    return max(present, key=lambda unit: unit.value) if present else TimeUnit.SECOND
