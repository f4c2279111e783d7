"""Which days a report shows, and which of them the others are compared with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from daeda.catalog.project import Project
from daeda.errors import UsageError, did_you_mean
from daeda.settings.splits import DayRange, parse_day_range

# Ten years of days: what a page can show.
_MOST_DAYS = 3_660


def chosen_days(project: Project, given: Sequence[str] | None) -> tuple[dt.date, ...]:
    """The days that were asked for, or those of the range; raises UsageError."""
    days = project.runtime.days
    if given is not None:
        ranges = [_range(f"--days '{word}'", word) for word in given]
        _limit(sum((one.last - one.first).days + 1 for one in ranges))
        days = tuple(sorted({day for one in ranges for day in one.days}))
    _limit(len(days))
    return days


def reference_days(project: Project, given: str | None) -> DayRange | None:
    """The days that were named as the reference, by their range or by a split; raises UsageError."""
    if given is None:
        return None
    splits = project.service.splits
    if given in splits:
        return splits[given]
    if given[:1].isdigit():
        return _range(f"--reference '{given}'", given)
    if splits:
        raise UsageError(f"--reference '{given}' is neither days nor a split: {did_you_mean(given, splits)}")
    raise UsageError(f"--reference '{given}' is no range of days: write YYYY-MM-DD..YYYY-MM-DD, or one day")


def _range(what: str, text: str) -> DayRange:
    try:
        return parse_day_range(text)
    except ValueError as error:
        raise UsageError(f"{what}: {error}") from error


def _limit(number: int) -> None:
    if number > _MOST_DAYS:
        raise UsageError(f"a report shows at most {_MOST_DAYS:,} days, found {number:,}: choose some with --days")
