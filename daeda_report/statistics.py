"""The statistics of the published days, which are made once and kept, and the reference days among them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from daeda.dataset.manifest import Manifest
from daeda.errors import DayError, InputError, UsageError, counted, first_line
from daeda.flags.table import REFERENCE_DAYS
from daeda.process.messages import say, warn
from daeda.settings.splits import DayRange
from daeda.statistics.kept import kept_statistics, statistics_of
from daeda.statistics.model import DayStatistics
from daeda_report.days import DaysOfReport

_FEWEST_DAYS = 3


def statistics_of_days(days: DaysOfReport) -> list[DayStatistics | None]:
    """For each day those of the final dataset; None where it is not published, or not as it was."""
    layout, whole = days.layout, _whole(days)
    found = [None if one is None else kept_statistics(layout, one) for one in whole]
    lacking = sum(one is None and manifest is not None for one, manifest in zip(found, whole, strict=True))
    if lacking:
        say(f"making the statistics of {counted(lacking, 'day')} of the {days.final}")
    for index, manifest in enumerate(whole):
        if manifest is None or found[index] is not None:
            continue
        try:
            found[index] = statistics_of(layout, manifest)
        except (InputError, DayError) as error:
            warn(f"{days.final} {manifest.day}: no statistics: {first_line(error)}", day=days.days[index])
    return found


def reference_of(days: DaysOfReport, chosen: DayRange | None) -> tuple[tuple[int, ...], str]:
    """The published days that the others are compared with, and what is said of them; raises UsageError for none."""
    there = [index for index, manifest in enumerate(_whole(days)) if manifest is not None]
    if chosen is None:
        # Of three days it is seen which one is an exception.
        least = _FEWEST_DAYS if len(there) >= _FEWEST_DAYS else min(1, len(there))
        number = min(REFERENCE_DAYS, max(least, len(there) // 4))
        indexes = tuple(there[:number])
    else:
        indexes = tuple(index for index in there if chosen.first <= days.days[index] <= chosen.last)
        if not indexes:
            raise UsageError(
                f"--reference {chosen}: none of these days is published and in the report: {_told(days, there)}"
            )
    return indexes, _span([days.days[index] for index in indexes])


def _whole(days: DaysOfReport) -> list[Manifest | None]:
    """The manifests of the final dataset; None for a damaged day too, whose rows nobody published."""
    return [None if broken else one for one, broken in zip(days.manifests, days.damaged, strict=True)]


def _told(days: DaysOfReport, there: Sequence[int]) -> str:
    published = [days.days[index] for index in there]
    return f"{_span(published)} are" if published else "no day is published"


def _span(days: Sequence[dt.date]) -> str:
    if not days:
        return "no day"
    if len(days) == 1:
        return str(days[0])
    return f"{counted(len(days), 'day')}, {days[0]} to {days[-1]}"
