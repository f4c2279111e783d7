"""Which days are asked for: by name, as a range, or as a split of the service."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence

from daeda.errors import UsageError, cut, did_you_mean, shortened
from daeda.settings.splits import DayRange, parse_day_range

Day = dt.date | str
Days = Day | Sequence[Day] | tuple[Day, Day] | slice
_FORMS = 'a day "2025-01-01", a range ("2025-01-01", "2025-01-14") with both days in it, a list of days, or a slice'


def days_asked(days: Days, there: Sequence[dt.date]) -> list[dt.date]:
    """The days that `days=` names, in order; `there` are the ones that exist, for the open ends of a slice.

    >>> one = dt.date(2025, 1, 1)
    >>> [str(day) for day in days_asked(("2025-01-01", "2025-01-03"), [])]
    ['2025-01-01', '2025-01-02', '2025-01-03']
    >>> [str(day) for day in days_asked(slice("2025-01-02", None), [one, dt.date(2025, 1, 3)])]
    ['2025-01-02', '2025-01-03']
    >>> days_asked(["2025-01-01", one], [])
    Traceback (most recent call last):
    daeda.errors.UsageError: days=: 2025-01-01 stands there twice
    """
    match days:
        case str() if ".." in days:
            return list(_range(days).days)
        case str() | dt.date():
            return [as_day(days)]
        case slice():
            return _slice(days, there)
        case tuple() if len(days) == 2:
            first, last = map(as_day, days)
            return list(_range(f"{first}..{last}").days)
        case Iterable():
            chosen = [as_day(day) for day in days]
        case _:
            raise UsageError(f"days= takes {_FORMS}, not {cut(repr(days))}")
    if not chosen:
        raise UsageError(f"days= is empty: leave it out for all days, or give {_FORMS}")
    twice = sorted({day for day in chosen if chosen.count(day) > 1})
    if twice:
        raise UsageError(f"days=: {shortened(twice)} {'stands' if len(twice) == 1 else 'stand'} there twice")
    return sorted(chosen)


def days_of_split(split: str, splits: Mapping[str, DayRange], service: str) -> list[dt.date]:
    """The days of a split by its name; raises UsageError with those that exist."""
    if not splits:
        raise UsageError(
            f"split='{cut(split)}': '{service}' declares no splits: write `splits` in its YAML, or use days="
        )
    if split not in splits:
        raise UsageError(f"'{service}' has no split '{cut(split)}': {did_you_mean(split, splits)}")
    return list(splits[split].days)


def in_split(days: Sequence[dt.date], split: str, of_split: Collection[dt.date]) -> list[dt.date]:
    """Days that lie in a split as well; raises UsageError for those that do not."""
    outside = [day for day in days if day not in set(of_split)]
    if outside:
        lie = "lies" if len(outside) == 1 else "lie"
        raise UsageError(
            f"days=: {shortened(outside)} {lie} outside of the split '{split}' ({min(of_split)}..{max(of_split)}): "
            "leave one of the two out"
        )
    return list(days)


def spans(days: Sequence[dt.date]) -> str:
    """Ascending days, with runs of them as ranges.

    >>> spans([dt.date(2025, 1, 1), dt.date(2025, 1, 2), dt.date(2025, 1, 5)])
    '2025-01-01..2025-01-02, 2025-01-05'
    """
    runs: list[list[dt.date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == dt.timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return shortened([f"{run[0]}..{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs], 4)


def _range(text: str) -> DayRange:
    try:
        return parse_day_range(text)
    except ValueError as error:
        raise UsageError(f"days=: {error}") from None


def _slice(days: slice, there: Sequence[dt.date]) -> list[dt.date]:
    if days.step is not None:
        raise UsageError("days=: a slice of days has no step: give a list of days")
    if not there and (days.start is None or days.stop is None):
        return []
    first = there[0] if days.start is None else as_day(days.start)
    last = there[-1] if days.stop is None else as_day(days.stop)
    if days.start is None or days.stop is None:
        # An open end reaches to what is there, and whatever lies between the ends is asked for.
        first, last = (min(first, last), last) if days.start is None else (first, max(first, last))
    return list(_range(f"{first}..{last}").days)


def as_day(value: object) -> dt.date:
    """A day as a date or as text; raises UsageError for anything else."""
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None or value.time() != dt.time():
            raise UsageError(f"days=: {value} is an instant and no day: give its date")
        return value.date()
    if isinstance(value, dt.date):
        return value
    try:
        day = dt.date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != value:
        raise UsageError(f"days=: {cut(repr(value))} is no day: days= takes {_FORMS}")
    return day
