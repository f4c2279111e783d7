"""Splits: named ranges of days of a training set, which share no day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from daeda.errors import counted, cut
from daeda.settings.kinds import parse_day

_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, order=True)
class DayRange:
    """Days from the first to the last, both among them."""

    first: dt.date
    last: dt.date

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"

    @property
    def days(self) -> tuple[dt.date, ...]:
        """Its days."""
        return tuple(self.first + number * _ONE_DAY for number in range((self.last - self.first).days + 1))


def parse_day_range(value: object) -> DayRange:
    """A range as `2025-01-01..2025-02-20`, or a single day; raises ValueError.

    >>> len(parse_day_range("2025-01-01..2025-02-20").days)
    51
    """
    if isinstance(value, DayRange):
        return value
    first, dots, last = value.partition("..") if isinstance(value, str) else (value, "", "")
    try:
        begin = parse_day(first)
        end = parse_day(last) if dots else begin
    except ValueError:
        begin = end = None
    if not isinstance(begin, dt.date):
        begin = dt.date.fromisoformat(begin) if isinstance(begin, str) else None
    if not isinstance(end, dt.date):
        end = dt.date.fromisoformat(end) if isinstance(end, str) else None
    if begin is None or end is None:
        raise ValueError(f"'{cut(value)}' is not a range of days: write 2025-01-01..2025-02-20, both days inclusive")
    if end < begin:
        raise ValueError(f"'{cut(value)}' ends before it begins: write the earlier day first")
    return DayRange(begin, end)


Split = Annotated[DayRange, BeforeValidator(parse_day_range), PlainSerializer(str)]


def in_order(splits: Mapping[str, DayRange]) -> list[tuple[str, DayRange]]:
    """The splits in the order of their days.

    Raises ValueError for names that differ only in case, and with each two splits that share days, and how many.
    """
    folded = [name.lower() for name in splits]
    if alike := [name for name in splits if folded.count(name.lower()) > 1]:
        raise ValueError(f"the splits {' and '.join(alike)} differ only in case: rename one")
    ordered = sorted(splits.items(), key=lambda named: named[1])
    if told := [_overlap(*two) for two in combinations(ordered, 2) if two[1][1].first <= two[0][1].last]:
        raise ValueError("; ".join(told))
    return ordered


def _overlap(earlier: tuple[str, DayRange], later: tuple[str, DayRange]) -> str:
    (name, days), (other, following) = earlier, later
    both = DayRange(following.first, min(days.last, following.last))
    shared = str(both.first) if both.first == both.last else str(both)
    number = counted(len(both.days), "day")
    return f"the splits '{name}' ({days}) and '{other}' ({following}) overlap by {number}: {shared} is in both"


def parse_splits(value: object) -> object:
    """Splits as they are written, which are some; raises ValueError."""
    if value is None or value == {}:
        raise ValueError("there is none: write one like train: 2025-01-01..2025-02-20, or remove the key")
    return value
